// Command component is all components of a Kubernetes control plane: component NAME ARG...
package main

import (
	"fmt"
	"os"

	"github.com/sluice-ingress/sluice/test/e2e/component"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "component: which? etcd, kube-apiserver, kube-controller-manager or kube-scheduler")
		os.Exit(2)
	}
	code, err := component.Run(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
	}
	os.Exit(code)
}
