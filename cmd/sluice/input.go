package main

import (
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/manifests"
)

// input is what an offline command reads.
type input struct {
	objects cluster.Objects
	notes   []cluster.Note
	texts   map[string][]byte // by file
}

// registerInput adds the flag for what is read.
func registerInput(cmd *cobra.Command, paths *[]string) {
	cmd.Flags().StringArrayVarP(paths, "filename", "f", nil, "file or directory of manifests, - for standard input; may be repeated")
}

func readInput(paths []string, stdin io.Reader) (input, error) {
	in := input{texts: map[string][]byte{}}
	var err error
	in.objects, in.notes, err = manifests.Read(paths, stdin, "", in.texts)
	return in, err
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
