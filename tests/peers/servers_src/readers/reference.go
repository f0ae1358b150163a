package main

import (
	_ "crypto/sha256" // the digests that go-digest knows are those that a program links
	_ "crypto/sha512"

	"github.com/distribution/reference"
)

type named struct {
	Domain string `json:"domain"`
	Path   string `json:"path"`
	Tag    string `json:"tag"`
	Digest string `json:"digest"`
}

// readReference reads an image reference as docker, podman and cosign do.
func readReference(document []byte) (any, error) {
	ref, err := reference.ParseNormalizedNamed(string(document))
	if err != nil {
		return nil, err
	}
	found := named{Domain: reference.Domain(ref), Path: reference.Path(ref)}
	if tagged, ok := ref.(reference.Tagged); ok {
		found.Tag = tagged.Tag()
	}
	if digested, ok := ref.(reference.Digested); ok {
		found.Digest = digested.Digest().String()
	}
	return found, nil
}
