package main

import (
	"bytes"
	"io"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
)

// readYAML gives the documents of a file as kubectl decodes them: k8s.io/apimachinery splits the text, sigs.k8s.io/yaml
// reads each part.
func readYAML(document []byte) (any, error) {
	found := []any{}
	in := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(document), 4096)
	for {
		var one any
		err := in.Decode(&one)
		if err == io.EOF {
			return found, nil
		}
		if err != nil {
			return found, err // kubectl has applied those before
		}
		found = append(found, one)
	}
}
