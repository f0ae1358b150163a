// Readers shows what Go's own readers make of documents, for the differential tests.
//
//	readers NAME < documents > results
//
// Standard input holds documents, each behind its length in four bytes, big-endian. Standard output gets one line of
// JSON for each: {"value": …}, and {"error": "…"} where the reader refuses the document.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
)

// A reader gives what it finds in one document, in a shape that encoding/json can write. With an error it may give what
// it found before that.
type reader func(document []byte) (any, error)

// readers is the list of all of them: each has a file of its own.
var readers = map[string]reader{
	"json":      readJSON,
	"proxy":     readProxy,
	"reference": readReference,
	"compose":   readCompose,
	"tar":       readTar,
	"timestamp": readTimestamp,
	"yaml":      readYAML,
}

type result struct {
	Value any    `json:"value,omitempty"`
	Error string `json:"error,omitempty"`
}

func main() {
	if len(os.Args) != 2 || readers[os.Args[1]] == nil {
		names := []string{}
		for name := range readers {
			names = append(names, name)
		}
		sort.Strings(names)
		fail(fmt.Errorf("usage: readers %s", strings.Join(names, "|")))
	}
	if err := answer(readers[os.Args[1]], os.Stdin, os.Stdout); err != nil {
		fail(err)
	}
}

func answer(read reader, from io.Reader, to io.Writer) error {
	in, out := bufio.NewReaderSize(from, 1<<20), bufio.NewWriterSize(to, 1<<20)
	lines := json.NewEncoder(out)
	for {
		var size uint32
		if err := binary.Read(in, binary.BigEndian, &size); err == io.EOF {
			return out.Flush()
		} else if err != nil {
			return err
		}
		document := make([]byte, size)
		if _, err := io.ReadFull(in, document); err != nil {
			return err
		}
		if err := lines.Encode(one(read, document)); err != nil {
			return err
		}
		if in.Buffered() == 0 { // somebody may wait for this answer before the next question
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
}

func one(read reader, document []byte) (answer result) {
	defer func() {
		if panicked := recover(); panicked != nil {
			answer = result{Error: fmt.Sprintf("panic: %v", panicked)}
		}
	}()
	value, err := read(document)
	if err != nil {
		return result{Value: value, Error: "refused: " + err.Error()}
	}
	return result{Value: value}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "readers:", err)
	os.Exit(2)
}
