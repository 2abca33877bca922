// Command echo is an HTTP server that says who it is: it stands for images in tests.
//
// GET /          200 and JSON: pod, namespace, node, address, and what was asked
// GET /ready     200, or 503 after GET /unready
// GET /files/... what the container's file system has there
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", os.Getenv("POD_IP")+":8080", "address")
	linger := flag.Duration("linger", 0, "go on serving for so long after a SIGTERM")
	flag.Parse()

	var unready atomic.Bool
	mux := http.NewServeMux()
	mux.HandleFunc("/", echo)
	mux.Handle("/files/", http.StripPrefix("/files", http.FileServer(http.Dir("/"))))
	mux.HandleFunc("/unready", func(http.ResponseWriter, *http.Request) { unready.Store(true) })
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if unready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: time.Minute}

	terminated, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	done := make(chan error)
	go func() {
		<-terminated.Done()
		log.Println("asked to end")
		time.Sleep(*linger)
		done <- server.Shutdown(context.Background())
	}()
	log.Println("listening on", *listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	hostname := os.Getenv("HOSTNAME")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client went
		"pod": first(os.Getenv("POD_NAME"), hostname), "namespace": os.Getenv("POD_NAMESPACE"), "node": os.Getenv("NODE_NAME"),
		"address": os.Getenv("POD_IP"), "client": r.RemoteAddr, "user": os.Getuid(), "process": os.Getpid(),
		"method": r.Method, "path": r.RequestURI, "host": r.Host, "proto": r.Proto, "header": r.Header,
	})
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
