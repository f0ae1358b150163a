package main

import (
	"archive/tar"
	"bytes"
	"io"
	"path"
)

type tarMember struct {
	Name    []byte `json:"name"` // in base64: a name may be any bytes
	Clean   []byte `json:"clean"`
	Type    string `json:"type"`
	Regular bool   `json:"regular"`
	Link    []byte `json:"link"`
	Content []byte `json:"content"`
}

// readTar lists the members of a tar as archive/tar gives them, with their content. `clean` is the name by which
// containers/image and containerd find a member, `regular` whether containers/image reads it.
func readTar(document []byte) (any, error) {
	members := []tarMember{}
	in := tar.NewReader(bytes.NewReader(document))
	for {
		header, err := in.Next()
		if err == io.EOF {
			return members, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(io.LimitReader(in, 1<<20))
		if err != nil {
			return nil, err
		}
		members = append(members, tarMember{
			Name:    []byte(header.Name),
			Clean:   []byte(path.Clean(header.Name)),
			Type:    string(rune(header.Typeflag)),
			Regular: header.FileInfo().Mode().IsRegular(),
			Link:    []byte(header.Linkname),
			Content: content,
		})
	}
}
