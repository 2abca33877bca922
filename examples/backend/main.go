// Command backend plays the pods of the example shop: one HTTP server on each address it is given, each answering with
// what it was asked.
//
//	backend -listen 127.0.10.1:9000=catalog -listen 127.0.10.2:9000=catalog -listen 127.0.11.1:9000=cart
//
// See [pod] for what a request may ask of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// gracePeriod is how long requests may take to finish once the program is told to stop.
const gracePeriod = 10 * time.Second

func main() {
	log.SetFlags(0)
	log.SetPrefix("backend: ")

	var pods podList
	flag.Var(&pods, "listen", "`ADDRESS=SERVICE`: serve as a pod of the Service on this host:port; may be repeated")
	flag.Parse()
	if len(pods) == 0 || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, pods); err != nil {
		log.Fatal(err)
	}
}

// run serves all pods until ctx ends, then lets running requests finish. It listens on all addresses before it serves
// on any, so that a taken address costs nobody a request.
func run(ctx context.Context, pods []pod) error {
	var listeners []net.Listener
	for _, pod := range pods {
		listener, err := net.Listen("tcp", pod.address)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return fmt.Errorf("pod of %s: %w", pod.service, err)
		}
		listeners = append(listeners, listener)
	}

	ended := make(chan error, len(pods))
	var servers []*http.Server
	for i, pod := range pods {
		pod.address = listeners[i].Addr().String() // the real one where port 0 was asked for
		server := &http.Server{Handler: pod, ReadHeaderTimeout: 10 * time.Second}
		servers = append(servers, server)
		log.Printf("pod of %s on %s", pod.service, pod.address)
		go func() { ended <- server.Serve(listeners[i]) }()
	}

	var failed error
	select {
	case <-ctx.Done():
	case failed = <-ended:
	}
	return errors.Join(failed, shutdown(servers))
}

// shutdown stops all servers at the same time.
func shutdown(servers []*http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), gracePeriod)
	defer cancel()
	results := make(chan error)
	for _, server := range servers {
		go func() { results <- server.Shutdown(ctx) }()
	}
	var errs []error
	for range servers {
		errs = append(errs, <-results)
	}
	return errors.Join(errs...)
}

// podList collects the -listen flags.
type podList []pod

func (l *podList) String() string {
	var words []string
	for _, pod := range *l {
		words = append(words, pod.address+"="+pod.service)
	}
	return strings.Join(words, " ")
}

func (l *podList) Set(value string) error {
	address, service, found := strings.Cut(value, "=")
	if !found || service == "" {
		return errors.New("want ADDRESS=SERVICE, as in 127.0.10.1:9000=catalog")
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return err
	}
	*l = append(*l, pod{address: address, service: service})
	return nil
}
