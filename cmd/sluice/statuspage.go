package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/pflag"

	"github.com/sluice-ingress/sluice/controller/statuspage"
	"github.com/sluice-ingress/sluice/nginx/dataplane"
	"github.com/sluice-ingress/sluice/nginx/inspect"
)

// statusPageFlags are the flags about the status page.
type statusPageFlags struct {
	address   string // where it listens, "" for no page
	tokenFile string
}

func (f *statusPageFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.address, "status-page-address", "", "address:port of a read-only page about routes, pods, certificates, Problems and reloads; empty is none. Other than loopback addresses need --status-page-token-file")
	flags.StringVar(&f.tokenFile, "status-page-token-file", "", "file with the token that readers of the status page need, at least 16 bytes; read again when it changes")
}

func (f *statusPageFlags) check() error {
	if f.address == "" {
		if f.tokenFile != "" {
			return errors.New("--status-page-token-file needs --status-page-address")
		}
		return nil
	}
	guard, err := f.guard()
	if err != nil {
		return fmt.Errorf("--status-page-address: %w", err)
	}
	if err := guard.CheckToken(); err != nil {
		return fmt.Errorf("--status-page-token-file: %w", err)
	}
	return nil
}

func (f *statusPageFlags) guard() (statuspage.Guard, error) {
	address, err := statuspage.Address(f.address, f.tokenFile != "")
	return statuspage.Guard{Address: address, TokenFile: f.tokenFile}, err
}

// listensOn is the port of the page, 0 for none.
func (f *statusPageFlags) listensOn() int {
	if guard, err := f.guard(); f.address != "" && err == nil {
		return int(guard.Address.Port())
	}
	return 0
}

// showStatus adds the status page, if there is to be one. It comes before the engine, which tells it what it does.
func (d *daemon) showStatus(f controllerFlags) error {
	if f.statusPageFlags.address == "" {
		return nil
	}
	guard, err := f.statusPageFlags.guard()
	if err != nil {
		return fmt.Errorf("--status-page-address: %w", err)
	}
	listener, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(guard.Address))
	if err != nil {
		return fmt.Errorf("listen for the status page: %w", err)
	}
	d.page = statuspage.New(statuspage.Options{
		Version: release, Ready: d.ready, Now: time.Now, Engine: d.engineStatus,
		Workers: func(ctx context.Context, backends []string) (inspect.Report, error) {
			if client, is := d.engine.(*dataplane.Client); is {
				return client.Report(ctx, backends)
			}
			return inspect.In(f.StateDir).Report(ctx, backends)
		},
	})
	handler := guard.Protect(d.page.Handler())
	d.parts = append(d.parts, func(ctx context.Context) error { return statuspage.Serve(ctx, listener, handler) })
	d.log.Info("there is a status page", "address", guard.Address.String(), "token", guard.TokenFile != "")
	return nil
}

func (d *daemon) engineStatus() statuspage.Engine {
	now := d.engine.Status()
	shown := statuspage.Engine{Generation: now.Generation, StateGeneration: now.StateGeneration, PID: now.PID, Draining: now.OldGenerations}
	if now.LastError != nil {
		shown.LastError = now.LastError.Error()
	}
	return shown
}
