// Package component is the programs that a Kubernetes control plane consists of. Each runs in a process of its own, as
// they share neither flags nor global state well. It adds nothing to them.
package component

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// Run runs the component until it ends or gets a signal, and returns the exit code.
func Run(name string, args []string) (int, error) {
	var command *cobra.Command
	switch name {
	case "etcd":
		if err := runEtcd(args); err != nil {
			return 1, err
		}
		return 0, nil
	case "kube-apiserver":
		command = apiserver.NewAPIServerCommand()
	case "kube-controller-manager":
		command = controllermanager.NewControllerManagerCommand()
	case "kube-scheduler":
		command = scheduler.NewSchedulerCommand()
	default:
		return 2, fmt.Errorf("there is no component %q", name)
	}
	command.SetArgs(args)
	return cli.Run(command), nil
}
