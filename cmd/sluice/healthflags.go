package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"

	"github.com/spf13/pflag"
)

// healthFlags are the flags about looking at the daemon from outside.
type healthFlags struct {
	host            string
	port            int
	healthPath      string
	profiling       bool
	profilerAddress net.IP
	profilerPort    int
}

func (f *healthFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.host, "healthz-host", "", "address for health checks and metrics; all if empty")
	flags.IntVar(&f.port, "healthz-port", 10254, "port for health checks and metrics")
	flags.StringVar(&f.healthPath, "health-check-path", "/healthz", "path that answers 200 while the controller gets on and NGINX serves, and on the HTTP and HTTPS ports for hosts that nobody names")
	flags.BoolVar(&f.profiling, "profiling", true, "serve Go's profiles at /debug/pprof/")
	flags.IPVar(&f.profilerAddress, "profiler-address", net.IPv4(127, 0, 0, 1), "address for profiles")
	flags.IntVar(&f.profilerPort, "profiler-port", 10245, "port for profiles")
}

// serveProfiles serves /debug/pprof/ until the context ends, without the command line: a licence key may be in it, and whoever
// takes over NGINX's container reaches this port. That its port is taken is no reason to stop serving users.
func serveProfiles(ctx context.Context, address net.IP, port int, log *slog.Logger) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(address.String(), strconv.Itoa(port)))
	if err != nil {
		log.Warn("there are no profiles", "error", err)
		return nil
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve profiles: %w", err)
	}
	return nil
}
