//go:build e2e

package e2e_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestAnImageWithFilesOfItsOwnSeesNothingOfThisMachine(t *testing.T) {
	c := newCluster(t)
	suite.Apply(t, c.namespace, echo)
	c.waitReady(3)
	c.patch("echo", `{"spec": {"replicas": 1, "template": {"spec": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["server"]}],
		"containers": [{"name": "echo", "image": "example/alone", "securityContext": {"readOnlyRootFilesystem": true, "runAsNonRoot": true}}]}}}}`)
	c.waitGeneration()
	address := c.waitReady(1)[0]
	names := func(dir string) []string {
		var all []string
		for _, found := range regexp.MustCompile(`<a href="[^"]+">([^<]+)</a>`).FindAllStringSubmatch(c.file(address, dir), -1) {
			all = append(all, found[1])
		}
		slices.Sort(all)
		return all
	}
	if got := names("/"); !slices.Contains(got, "echo") || slices.Contains(got, "usr/") {
		t.Errorf("/ holds %v", got)
	}
	devices := []string{"fd", "full", "null", "ptmx", "pts/", "random", "shm/", "stderr", "stdin", "stdout", "tty", "urandom", "zero"}
	if got := names("/dev/"); !slices.Equal(got, devices) {
		t.Errorf("/dev holds %v, want %v", got, devices)
	}
	if got := c.file(address, "/etc/hosts"); !strings.Contains(got, address+"\techo-") || !strings.Contains(got, "10.0.0.1\tserver\n") {
		t.Errorf("/etc/hosts holds %q", got)
	}
	answer, err := c.ask(address, "/")
	if err != nil || answer["user"] != 101.0 {
		t.Errorf("the user is %v, %v", answer["user"], err)
	}
}
