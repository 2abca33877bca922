// Command node is the node agent: it plays the kubelet of one node.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-ingress/sluice/test/e2e/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("node", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	agent := &node.Agent{Log: slog.Default()}
	var kubeconfig, images string
	flag.StringVar(&kubeconfig, "kubeconfig", "", "who it is, and where the API server")
	flag.StringVar(&images, "images", "", "the file that says which process stands for which image")
	flag.StringVar(&agent.Name, "name", "node-1", "name of the Node")
	flag.StringVar(&agent.Dir, "dir", "", "where the files of running pods are")
	flag.StringVar(&agent.Logs, "logs", "", "where the output of pods is")
	flag.TextVar(&agent.IP, "ip", netip.Addr{}, "address of the node, which must be local")
	flag.TextVar(&agent.Pods, "pods", netip.Prefix{}, "where pods get addresses from")
	flag.TextVar(&agent.API, "api", netip.AddrPort{}, "where pods find the API server")
	flag.TextVar(&agent.DNS, "dns", netip.Addr{}, "where pods look for a name server")
	flag.Parse()

	program, err := os.Executable()
	if err != nil {
		return err
	}
	agent.Container = filepath.Join(filepath.Dir(program), "container")
	if agent.Images, err = node.ReadImages(images); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // the API server has its own limits
	if agent.Client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	return agent.Run(ctx)
}
