// Command controlplane runs a Kubernetes without container engine until Ctrl-C, or while a command runs.
//
//	controlplane [-dir DIR] [-netns NAME] [-nodes N] [-images FILE] [-services=false] [-dns=false] [-publish LISTEN=ADDRESS]... [COMMAND ARG...]
//	controlplane -dir DIR kill|start COMPONENT      of a running one; COMPONENT: kube-apiserver, node-1, …
//
// Without a COMMAND it prints the path of the kubeconfig and "ready". A COMMAND runs in the network namespace with
// KUBECONFIG set, and its exit code is that of controlplane.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sluice-ingress/sluice/test/e2e/controlplane"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

// options are those of the command line. The same program runs a second time inside the namespace with the same options.
type options struct {
	cluster controlplane.Cluster
	netns   string
	publish publications
	inside  bool
	command []string
}

func parse(args []string) (*options, error) {
	o := &options{cluster: controlplane.Cluster{Log: slog.Default()}}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o.cluster.Programs = filepath.Dir(program)
	flags := flag.NewFlagSet("controlplane", flag.ContinueOnError)
	flags.StringVar(&o.cluster.Dir, "dir", "", "where its files are; a temporary directory when empty")
	flags.StringVar(&o.netns, "netns", fmt.Sprintf("sluice-e2e-%d", os.Getpid()), "name of the network namespace")
	flags.IntVar(&o.cluster.Nodes, "nodes", 1, "how many")
	flags.StringVar(&o.cluster.Images, "images", filepath.Join(o.cluster.Programs, "../../test/e2e/images.yaml"), "which process stands for which image")
	flags.Var(&o.publish, "publish", "LISTEN=ADDRESS: listen outside the namespace for an address inside; may be repeated")
	flags.BoolVar(&o.cluster.Services, "services", true, "answer at the addresses of Services, and give addresses to load balancers")
	flags.BoolVar(&o.cluster.Names, "dns", true, "run a name server for pods")
	flags.IntVar(&o.cluster.Port, "port", 0, "port of the API server; any when 0")
	flags.BoolVar(&o.inside, "inside", false, "for itself: this is the one inside the namespace")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	o.command = flags.Args()
	return o, nil
}

func run(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	switch {
	case o.inside:
		return o.runInside(ctx)
	case len(o.command) == 2 && (o.command[0] == "kill" || o.command[0] == "start"):
		return o.control(ctx)
	default:
		return o.runOutside(ctx)
	}
}

func (o *options) control(ctx context.Context) error {
	control := controlplane.Control{Dir: o.cluster.Dir}
	if o.command[0] == "kill" {
		return control.Kill(ctx, o.command[1])
	}
	return control.Start(ctx, o.command[1])
}

// runOutside opens the ports of this machine and makes the namespace, in which it runs this program again.
func (o *options) runOutside(ctx context.Context) error {
	if err := controlplane.AdoptOrphans(); err != nil {
		return err
	}
	defer controlplane.KillOrphans()
	if o.cluster.Dir == "" {
		dir, err := os.MkdirTemp("", "sluice-e2e-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.cluster.Dir = dir
	}
	dir, err := filepath.Abs(o.cluster.Dir)
	if err != nil {
		return err
	}
	port, files, err := o.listen()
	if err != nil {
		return err
	}
	args := []string{"-inside", "-dir", dir, "-netns", o.netns, "-nodes", fmt.Sprint(o.cluster.Nodes), "-images", o.cluster.Images, "-port", fmt.Sprint(port),
		fmt.Sprintf("-services=%t", o.cluster.Services), fmt.Sprintf("-dns=%t", o.cluster.Names)}
	for _, p := range o.publish {
		args = append(args, "-publish", p)
	}
	inside := exec.Command("/proc/self/exe", append(append(args, "--"), o.command...)...)
	inside.Stdin, inside.Stdout, inside.Stderr, inside.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, files
	return controlplane.Enclose(ctx, o.netns, inside)
}

// listen opens the port of the API server and the published ones, in this order.
func (o *options) listen() (port int, files []*os.File, err error) {
	addresses := []string{fmt.Sprintf("127.0.0.1:%d", o.cluster.Port)}
	for _, p := range o.publish {
		from, _, _ := strings.Cut(p, "=")
		addresses = append(addresses, from)
	}
	for _, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return 0, nil, err
		}
		if port == 0 {
			port = listener.Addr().(*net.TCPAddr).Port
		}
		file, err := listener.(*net.TCPListener).File()
		if err != nil {
			return 0, nil, err
		}
		files = append(files, file)
	}
	return port, files, nil
}

func (o *options) runInside(ctx context.Context) error {
	defer os.Remove(filepath.Join("/run/netns", o.netns)) // in case that the one outside was killed
	if err := controlplane.AdoptOrphans(); err != nil {
		return err
	}
	defer controlplane.KillOrphans()
	o.cluster.Forward = map[string]net.Listener{}
	for i, to := range append([]string{fmt.Sprintf("=127.0.0.1:%d", o.cluster.Port)}, o.publish...) {
		const firstExtraFile = 3
		file := os.NewFile(uintptr(firstExtraFile+i), to)
		listener, err := net.FileListener(file)
		if err != nil {
			return fmt.Errorf("the listener for %s: %w", to, err)
		}
		file.Close()
		_, to, _ = strings.Cut(to, "=")
		o.cluster.Forward[to] = listener
	}
	return o.cluster.Run(ctx, func(ctx context.Context) error {
		if len(o.command) > 0 {
			return o.cluster.Command(ctx, o.command...).Run()
		}
		fmt.Printf("%s\nready\n", o.cluster.Kubeconfig())
		<-ctx.Done()
		return nil
	})
}

type publications []string

func (p *publications) String() string { return strings.Join(*p, " ") }

func (p *publications) Set(text string) error {
	if from, to, is := strings.Cut(text, "="); !is || from == "" || to == "" {
		return errors.New("want LISTEN=ADDRESS")
	}
	*p = append(*p, text)
	return nil
}
