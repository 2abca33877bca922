package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// input is what an offline command reads.
type input struct {
	objects cluster.Objects
	notes   []cluster.Note
	texts   map[string][]byte // by file
}

const standardInput = "<stdin>"

// registerInput adds the flag for what is read.
func registerInput(cmd *cobra.Command, paths *[]string) {
	cmd.Flags().StringArrayVarP(paths, "filename", "f", nil, "file or directory of manifests, - for standard input; may be repeated")
}

func readInput(paths []string, stdin io.Reader) (input, error) {
	in := input{texts: map[string][]byte{}}
	for _, path := range paths {
		var objects cluster.Objects
		var notes []cluster.Note
		if path == "-" {
			text, err := io.ReadAll(stdin)
			if err != nil {
				return in, fmt.Errorf("read standard input: %w", err)
			}
			in.texts[standardInput] = text
			objects, notes = cluster.Decode(standardInput, text)
		} else {
			if _, err := os.Stat(path); err != nil {
				return in, fmt.Errorf("read manifests: %w", err)
			}
			objects, notes = cluster.Load(anyPath{in.texts}, filepath.Clean(path))
		}
		in.objects = in.objects.Merge(objects)
		in.notes = append(in.notes, notes...)
	}
	return in, nil
}

// snapshot is what the manifests say, as of now.
func (in input) snapshot() cluster.Snapshot { return in.snapshotOf(in.objects.Lists()) }

// snapshotOf is so for other lists than those of the manifests.
func (in input) snapshotOf(lists cluster.Lists) cluster.Snapshot {
	s := cluster.New(lists)
	s.Notes, s.Places = in.notes, in.objects.Places()
	s.Now = time.Now()
	return s
}

// planManifests makes a plan for manifests.
func planManifests(o controller.Options, paths []string, stdin io.Reader) (controller.Plan, error) {
	in, err := readInput(paths, stdin)
	if err != nil {
		return controller.Plan{}, err
	}
	return o.Plan(in.snapshot())
}

// hasObjects tells whether there was any Kubernetes object, be it of a kind that is not for us.
func (in input) hasObjects() bool {
	for _, n := range in.notes {
		if n.Object != "" {
			return true
		}
	}
	return len(in.objects.Places()) > 0
}

// anyPath is the machine's file system with the paths that users write: also absolute ones and such with "..". It keeps
// the texts that are read.
type anyPath struct{ texts map[string][]byte }

func (p anyPath) Open(name string) (fs.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	return &kept{File: f, name: name, texts: p.texts}, nil
}

// kept is a file whose text is kept as it is read.
type kept struct {
	*os.File
	name  string
	text  bytes.Buffer
	texts map[string][]byte
}

func (k *kept) Read(into []byte) (int, error) {
	n, err := k.File.Read(into)
	k.text.Write(into[:n])
	k.texts[k.name] = k.text.Bytes()
	return n, err
}
