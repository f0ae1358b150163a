package main

import (
	"archive/tar"
	"bytes"
	"io"
)

type tarMember struct {
	Name    []byte `json:"name"` // in base64: a name may be any bytes
	Type    string `json:"type"`
	Link    []byte `json:"link"`
	Size    int64  `json:"size"`
	Content []byte `json:"content"`
}

// readTar lists the members of a tar as archive/tar gives them, with their content.
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
		content, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		members = append(members, tarMember{
			[]byte(header.Name), string(rune(header.Typeflag)), []byte(header.Linkname), header.Size, content,
		})
	}
}
