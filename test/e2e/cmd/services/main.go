// Command services stands for kube-proxy, a cloud's controller of load balancers, and the cluster's name server.
package main

import (
	"context"
	"flag"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/sluice-ingress/sluice/test/e2e/services"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		slog.Error("services", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	server := &services.Server{Log: slog.Default()}
	var kubeconfig string
	flag.StringVar(&kubeconfig, "kubeconfig", "", "who it is, and where the API server")
	flag.BoolVar(&server.Forward, "forward", false, "listen on the addresses of Services")
	flag.TextVar(&server.LoadBalancers, "balancers", netip.Prefix{}, "where addresses of load balancers come from; none are given when left out")
	flag.TextVar(&server.Names, "names", netip.Addr{}, "where the name server listens; there is none when left out")
	flag.Parse()

	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // the API server has its own limits
	if server.Client, err = kubernetes.NewForConfig(config); err != nil {
		return err
	}
	return server.Run(ctx)
}
