package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		name         string
		args, want   []string
		isController bool
	}{
		{"nothing", []string{"sluice"}, []string{}, false},
		{"a command", []string{"/usr/bin/sluice", "controller", "--election-id=a"}, []string{"controller", "--election-id=a"}, true},
		{"another command", []string{"sluice", "render", "controller"}, []string{"render", "controller"}, false},
		{"ingress-nginx's arguments", []string{"sluice", "/nginx-ingress-controller", "--v=2"}, []string{"/nginx-ingress-controller", "--v=2"}, true},
		{"ingress-nginx's program", []string{"/nginx-ingress-controller", "--v=2"}, []string{"controller", "--v=2"}, true},
		{"ingress-nginx's hook", []string{"/wait-shutdown"}, []string{"wait-shutdown"}, false},
		{"the first process", []string{"/usr/bin/tini", "--", "/usr/bin/sluice", "controller"}, []string{"--", "/usr/bin/sluice", "controller"}, false},
		{"a process that hides its words", []string{""}, []string{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, commandLine(c.args)); diff != "" {
				t.Errorf("arguments (-want +got):\n%s", diff)
			}
			if got := isController(c.args); got != c.isController {
				t.Errorf("is the controller: %v, want %v", got, c.isController)
			}
		})
	}
}
