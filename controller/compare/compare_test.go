package compare_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/compare"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
)

// snapshot is what files say.
func snapshot(files map[string][]byte) cluster.Snapshot {
	fsys := fstest.MapFS{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: text}
	}
	objects, notes := cluster.Load(fsys)
	s := cluster.FromObjects(objects)
	s.Notes, s.Places, s.Now = notes, objects.Places(), golden.Now
	return s
}

func options(t testing.TB) controller.Options {
	t.Helper()
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return controller.Options{
		Translate: translate.Options{Selection: cluster.Selection{ClassesOptional: true}, ConfigMap: cluster.Name{Namespace: "ingress", Name: "controller"}},
		Render:    golden.Render, Templates: set,
	}
}

func report(t testing.TB, old, new map[string][]byte) compare.Report {
	t.Helper()
	r, err := compare.Snapshots(options(t), snapshot(old), snapshot(new))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestCases compares the sections old/NAME of each case with its sections new/NAME. What both have is in all others.
func TestCases(t *testing.T) {
	golden.CheckFormats(t, "testdata", func(t *testing.T, files map[string][]byte) func(io.Writer, string) error {
		old, new := map[string][]byte{}, map[string][]byte{}
		for name, text := range files {
			switch {
			case strings.HasPrefix(name, "old/"):
				old[name] = text
			case strings.HasPrefix(name, "new/"):
				new[name] = text
			default:
				old[name], new[name] = text, text
			}
		}
		r := report(t, old, new)
		if back := report(t, new, old); back.IsEmpty() != r.IsEmpty() {
			t.Errorf("there are %d changes, but %d back", len(r.Changes), len(back.Changes))
		}
		return func(w io.Writer, format string) error { return compare.Formats[format](w, r) }
	})
}

// TestOneAndTheSame compares every golden of the features with itself.
func TestOneAndTheSame(t *testing.T) {
	for _, dir := range []string{"../../annotations/testdata", "../translate/testdata", "../streams/testdata"} {
		for _, path := range golden.Files(t, dir) {
			c := golden.Load(t, path)
			r, err := compare.Snapshots(c.Options, c.Snapshot(), golden.Load(t, path).Snapshot())
			if err != nil {
				t.Fatal(err)
			}
			if !r.IsEmpty() {
				t.Errorf("%s differs from itself: %+v", path, r)
			}
		}
	}
}

// TestNoChangeIsMissed takes one annotation after the other off the Ingresses of all goldens: what changes nginx.conf is told of as a
// change for somebody, with that annotation among what is responsible.
func TestNoChangeIsMissed(t *testing.T) {
	for _, path := range golden.Files(t, "../../annotations/testdata") {
		c := golden.Load(t, path)
		whole := c.Snapshot()
		for _, ing := range whole.Ingresses {
			for _, key := range slices.Sorted(maps.Keys(ing.Annotations)) {
				without := ing.DeepCopy()
				delete(without.Annotations, key)
				r, err := compare.Snapshots(c.Options, whole, whole.Applied(cluster.Lists{Ingresses: []*networkingv1.Ingress{without}}))
				if err != nil {
					t.Fatal(err)
				}
				isNamed := slices.ContainsFunc(r.Changes, func(c compare.Change) bool {
					return slices.ContainsFunc(c.From, func(f compare.Field) bool { return f.Source.Field == "metadata.annotations["+key+"]" })
				})
				if r.Lines.Added+r.Lines.Removed > 0 && !isNamed {
					t.Errorf("%s: %s of %s changes nginx.conf, but is named by none of %+v", filepath.Base(path), key, ing.Name, r.Changes)
				}
			}
		}
	}
}

// hostile is text that means something wherever it stands.
const hostile = "x|y`z<script>@all [a](http://b.example) ![i](//c) --> \x1b[31m\n::error::\n```\n| a | b |\r#1 www.evil.example \\"

// FuzzFormats holds that what users write makes neither lines nor markup.
func FuzzFormats(f *testing.F) {
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, text string) {
		manifest := func(key, value string) map[string][]byte {
			return map[string][]byte{"a.yaml": fmt.Appendf(nil, `{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "a", "namespace": "b", "annotations": {%q: %q}},
  "spec": {"rules": [{"host": "a.example", "http": {"paths": [{"path": %q, "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}]}}`, key, value, "/"+value)}
		}
		r := report(t, manifest("nginx.ingress.kubernetes.io/permanent-redirect", "/"), manifest("nginx.ingress.kubernetes.io/permanent-redirect", text))
		var out bytes.Buffer
		if err := compare.Formats["text"](&out, r); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(out.String(), "\x1b\r") || strings.Contains(out.String(), "\n::") {
			t.Errorf("the text has what moves cursors:\n%q", out.String())
		}
		out.Reset()
		if err := compare.Formats["markdown"](&out, r); err != nil {
			t.Fatal(err)
		}
		checkMarkdown(t, out.String())
	})
}

// own is what the format writes itself: lines of it have nothing else but inert text.
var own = regexp.MustCompile(`^(### What changes|Nothing changes\.|\d+ changes for clients, \d+ new Problems\. [A-Za-z :*,]+\.|(\| (added|removed|changed)?[^|]*)?(\|[^|]*)*\||<details><summary>[A-Za-z0-9 .:,]+</summary>|</details>|- <code>[^<]*</code>|Other files that change: <code>[^<]*</code>|)$`)

// code is inert text.
var code = regexp.MustCompile(`<code>([^<>|&` + "`" + `*_\[\]#@:.!\\]|&#\d+;)*</code>`)

// checkMarkdown finds text that could be read as markup.
func checkMarkdown(t *testing.T, text string) {
	t.Helper()
	fence := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case fence != "":
			if line == fence {
				fence = ""
			} else if !strings.ContainsAny(line[:1], "@+- ") || strings.Contains(line, fence) {
				t.Errorf("in the block of lines stands %q", line)
			}
		case strings.HasPrefix(line, "```"):
			fence = strings.TrimSuffix(line, "diff")
		case !own.MatchString(line):
			t.Errorf("%q is no line of the format", line)
		default:
			if rest := code.ReplaceAllString(line, ""); strings.HasPrefix(line, "| ") && strings.Trim(strings.NewReplacer("<br>", "", "added", "", "removed", "", "changed", "").Replace(rest), "| ") != "" && !strings.HasPrefix(line, "| | Host") {
				t.Errorf("a row has %q besides inert text", rest)
			}
		}
	}
	if fence != "" {
		t.Error("the block of lines does not end")
	}
}
