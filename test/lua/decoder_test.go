// Package lua has the tests of what runs in NGINX's workers. Most are Lua, see run.lua.
package lua

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLuaState: whatever document comes, workers take it as a whole or not at all, nothing raises an error, and they can read what is
// stored then.
func FuzzLuaState(f *testing.F) {
	documents, err := filepath.Glob("../../nginx/dynamic/testdata/*.json")
	if err != nil || len(documents) == 0 {
		f.Fatalf("no documents (%v)", err)
	}
	for _, path := range documents {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range []string{
		``, `{}`, `null`, `[]`, `{"version":1}`, `{"version":1,"reset":true}`, `{"version":2}`, `{"version":1,"removed":{"backends":["a"],"routes":["x"]}}`,
		`{"version":1,"backends":{"a":{"endpoints":[{"address":"10.0.0.1","port":1e3}]}}}`, `{"version":1,"backends":{"a":{"endpoints":[{"address":"::1","port":-0.5}]}}}`,
		`{"version":1,"routes":{"a":{"routes":[{"shape":"@a"},null],"same_as":"b"}},"names":[{"key":"~a","host":"a"}]}`,
	} {
		f.Add([]byte(text))
	}
	workers := start(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		switch answer := workers.take(t, text); answer {
		case "applied", "refused", "no JSON":
		default:
			t.Errorf("%q: %s", text, answer)
		}
	})
}

// workers are a program that answers documents as workers would; see take.lua.
type workers struct {
	documents io.Writer
	answers   *bufio.Reader
}

func start(f *testing.F) workers {
	f.Helper()
	cmd := exec.Command("luajit", "-joff", "test/lua/take.lua")
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	documents, err := cmd.StdinPipe()
	if err != nil {
		f.Fatal(err)
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		f.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.Fatalf("start LuaJIT: %v", err)
	}
	f.Cleanup(func() {
		documents.Close()
		_ = cmd.Wait() // a failure has been seen
	})
	return workers{documents, bufio.NewReader(answers)}
}

func (w workers) take(t *testing.T, document []byte) string {
	t.Helper()
	if _, err := fmt.Fprintf(w.documents, "%d\n%s", len(document), document); err != nil {
		t.Fatalf("send a document: %v", err)
	}
	answer, err := w.answers.ReadString('\n')
	if err != nil {
		t.Fatalf("no answer to %q: %v", document, err)
	}
	return strings.TrimSuffix(answer, "\n")
}
