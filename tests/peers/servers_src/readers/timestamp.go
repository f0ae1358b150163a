package main

import (
	"context"
	"crypto/x509"
	"encoding/json"

	corex509 "github.com/notaryproject/notation-core-go/x509"
	"github.com/notaryproject/tspclient-go"
)

type timestampQuestion struct {
	Token   []byte   `json:"token"`
	Message []byte   `json:"message"`
	Roots   [][]byte `json:"roots"`
}

// readTimestamp gives the time that a timestamp token proves for a message, as notation-go's verifier finds it.
func readTimestamp(document []byte) (any, error) {
	var question timestampQuestion
	if err := json.Unmarshal(document, &question); err != nil {
		return nil, err
	}
	token, err := tspclient.ParseSignedToken(question.Token)
	if err != nil {
		return nil, err
	}
	info, err := token.Info()
	if err != nil {
		return nil, err
	}
	found, err := info.Validate(question.Message)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, der := range question.Roots {
		root, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		roots.AddCert(root)
	}
	chain, err := token.Verify(context.Background(), x509.VerifyOptions{CurrentTime: found.Value, Roots: roots})
	if err != nil {
		return nil, err
	}
	return found.Value.UnixMicro(), corex509.ValidateTimestampingCertChain(chain)
}
