package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestAddressesRestAsLongAsPossible(t *testing.T) {
	a := newAddresses(netip.MustParsePrefix("10.244.1.0/29"))
	take := func() string {
		address, err := a.take()
		if err != nil {
			return err.Error()
		}
		return address.String()
	}
	var got []string
	for range 3 {
		got = append(got, take())
	}
	a.giveBack(netip.MustParseAddr("10.244.1.1"))
	for range 5 {
		got = append(got, take())
	}
	a.giveBack(netip.MustParseAddr("10.244.1.4"))
	got = append(got, take())
	want := []string{
		"10.244.1.1", "10.244.1.2", "10.244.1.3", "10.244.1.4", "10.244.1.5", "10.244.1.6", "10.244.1.1",
		"all addresses of 10.244.1.0/29 are taken", "10.244.1.4",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestImagesAreFoundWithAndWithoutTag(t *testing.T) {
	file := filepath.Join(t.TempDir(), "images.yaml")
	text := "example/echo: {entrypoint: [./echo]}\nexample/echo:old: {entrypoint: [/old]}\n'registry:5000/echo': {root: ../root}\n" +
		"set: {root: $SLUICE_E2E_TEST_ROOT/files}\nunset: {root: $SLUICE_E2E_TEST_UNSET}\n"
	t.Setenv("SLUICE_E2E_TEST_ROOT", "/image")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	images, err := ReadImages(file)
	if err != nil {
		t.Fatal(err)
	}
	here := filepath.Dir(file)
	for name, want := range map[string]string{
		"example/echo": here + "/echo", "example/echo:1.0@sha256:abc": here + "/echo", "example/echo:old": "/old",
		"registry:5000/echo": filepath.Dir(here) + "/root", "registry:5000/echo:1": filepath.Dir(here) + "/root", "set": "/image/files",
		"registry": "no process is known for image registry", "unset:1": "no files are known for image unset:1: SLUICE_E2E_TEST_UNSET is not set",
	} {
		image, err := images.find(name)
		got := image.Root
		switch {
		case err != nil:
			got = err.Error()
		case len(image.Entrypoint) > 0:
			got = image.Entrypoint[0]
		}
		if got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

func TestPhase(t *testing.T) {
	waiting := func() *container { return newContainer(nil, &corev1.Container{}, false) }
	running := func() *container {
		c := waiting()
		c.status.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
		return c
	}
	ended := func(code int32) *container {
		c := waiting()
		c.over = true
		c.status.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
		return c
	}
	restarting := waiting()
	restarting.status.RestartCount = 1
	type list = []*container
	for name, test := range map[string]struct {
		inits, containers list
		want              corev1.PodPhase
	}{
		"just made":         {nil, list{waiting(), waiting()}, corev1.PodPending},
		"one runs":          {nil, list{running(), waiting()}, corev1.PodPending},
		"all run":           {nil, list{running(), running()}, corev1.PodRunning},
		"between restarts":  {nil, list{restarting, running()}, corev1.PodRunning},
		"one has finished":  {nil, list{ended(0), running()}, corev1.PodRunning},
		"all have finished": {nil, list{ended(0), ended(0)}, corev1.PodSucceeded},
		"one failed":        {nil, list{ended(0), ended(1)}, corev1.PodFailed},
		"preparing":         {list{running()}, list{waiting()}, corev1.PodPending},
		"prepared":          {list{ended(0)}, list{running()}, corev1.PodRunning},
		"could not prepare": {list{ended(1)}, list{waiting()}, corev1.PodFailed},
	} {
		if got := phase(test.inits, test.containers); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestACommandReplacesTheEntrypointAndArgsTheArguments(t *testing.T) {
	image := Image{Entrypoint: []string{"/entry"}, Args: []string{"default"}}
	known := func(name string) string { return "<" + name + ">" }
	for _, test := range []struct {
		command, args, want []string
	}{
		{nil, nil, []string{"/entry", "default"}},
		{nil, []string{"$(A)"}, []string{"/entry", "<A>"}},
		{[]string{"/other"}, nil, []string{"/other"}},
		{[]string{"/other"}, []string{"b", "$$(A)"}, []string{"/other", "b", "$(A)"}},
	} {
		got := command(image, &corev1.Container{Command: test.command, Args: test.args}, known)
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("command %q and args %q: %q, want %q", test.command, test.args, got, test.want)
		}
	}
}
