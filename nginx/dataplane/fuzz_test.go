package dataplane

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/persistent"
)

const secret = "xSECRETx"

// FuzzState: whatever documents come, they are taken or refused, nothing of them is in an error, what was held is as it was, and
// what is held then can be sent on as it is.
func FuzzState(f *testing.F) {
	documents, err := filepath.Glob("../dynamic/testdata/*.json")
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
		``, `{}`, `null`, `[]`, `{"version":1,"generation":6}`, `{"version":1,"generation":5,"reset":true}`, `{"version":2,"generation":6}`,
		`{"version":1,"generation":6}{"version":1,"generation":7,"removed":{"backends":["a"],"routes":["x"]}}{`,
		`{"version":1,"generation":6,"certificates":{"a":{"certificate":"C","key":"` + secret + `"}},"hosts":{"a":"a"}}`,
		`{"version":1,"generation":6,"certificates":{"a":{"key":["` + secret + `"]}}}`,
		`{"version":1,"generation":6,"routes":{"a":{"routes":[{"shape":"@a"},null],"same_as":"b"}},"names":[{"key":"~a","host":"a"}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		state := dynamic.State{Backends: persistent.Of(map[string]dynamic.Backend{"a": {Endpoints: []dynamic.Endpoint{{Address: "10.0.0.1", Port: 80}}}})}
		before := held{state, 5}
		next, err := before.take(bytes.NewReader(text))
		if before.state.Backends.Len() != 1 || before.state.Backends.At("a").Endpoints[0].Port != 80 {
			t.Fatal("what was held has changed")
		}
		if err != nil {
			if strings.Contains(err.Error(), "SECRET") {
				t.Fatalf("an error shows what came: %v", err)
			}
			return
		}
		for id, c := range next.state.Certificates.All() {
			if strings.Contains(fmt.Sprintf("%v %+v %#v", c.Key, c.Key, c.Key), secret) {
				t.Fatalf("the key of %q can be printed", id)
			}
		}
		passOn(t, next.state)
	})
}

// passOn sends a state as the client does, and takes it.
func passOn(t *testing.T, state dynamic.State) {
	t.Helper()
	var sent bytes.Buffer
	for _, u := range dynamic.Full(state, 1<<32).Parts(partEntries) {
		if err := json.NewEncoder(&sent).Encode(u); err != nil {
			t.Fatalf("what was taken cannot be sent: %v", err)
		}
	}
	text := sent.String()
	again, err := held{}.take(&sent)
	if err != nil {
		t.Fatalf("what was taken is refused when it is sent on: %v\n%s", err, text)
	}
	var twice bytes.Buffer
	for _, u := range dynamic.Full(again.state, 1<<32).Parts(partEntries) {
		if err := json.NewEncoder(&twice).Encode(u); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(text, twice.String()); diff != "" {
		t.Fatalf("it is another state when it has been sent on (-before +after):\n%s", diff)
	}
}

// FuzzConfiguration: whatever form comes, its files are those of the manifest, each with a content, or it is refused.
func FuzzConfiguration(f *testing.F) {
	for _, form := range [][]string{
		{`{"number":2,"generation":"g","files":[{"name":"nginx.conf"}]}`, "nginx.conf", "events {}"},
		{`{"base":1,"number":2,"generation":"g","files":[{"name":"a","kept":true},{"name":"b","secret":true}]}`, "b", secret},
		{`{"base":2,"number":2,"files":[{"name":"a","kept":true}]}`},
		{`{"base":1,"files":[{"name":"none","kept":true}]}`},
		{`{"files":[{"name":"../../x"},{"name":"../../x"}]}`, "../../x", "1", "../../x", "2"},
		{`{"files":[{"name":"a"}]}`, "b", ""},
		{`{`}, {``}, {`null`}, {`{"files":null}`},
	} {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		if err := w.SetBoundary(boundary); err != nil {
			f.Fatal(err)
		}
		for i := -1; i < len(form); i += 2 {
			name, content := manifestPart, form[0]
			if i > 0 {
				name, content = form[i], form[i+1]
			}
			if i == len(form)-1 && i > 0 {
				break
			}
			if err := w.WriteField(name, content); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(body.Bytes())
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		had := sent{1, nginx.Files{List: []nginx.File{{Name: "a", Content: []byte("old")}}}}
		next, _, err := had.take(multipart.NewReader(bytes.NewReader(body), boundary))
		if err != nil {
			if strings.Contains(err.Error(), secret) {
				t.Fatalf("an error shows what came: %v", err)
			}
			if !cmp.Equal(next, had, cmp.AllowUnexported(sent{})) {
				t.Fatal("a form that is refused has changed something")
			}
			return
		}
		for _, file := range next.files.List {
			if !bytes.Contains(body, file.Content) && string(file.Content) != "old" {
				t.Fatalf("file %q has a content that nobody sent", file.Name)
			}
		}
	})
}

const boundary = "boundary"
