package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-ingress/sluice/controller/settings"
	"github.com/sluice-ingress/sluice/nginx/dataplane"
	"github.com/sluice-ingress/sluice/nginx/spans"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
)

// dataplaneFlags are the flags of what runs NGINX for a controller in another container.
type dataplaneFlags struct {
	logFlags
	socket     string
	stateDir   string
	binary     string
	oldWorkers int
	shutdown   time.Duration
}

func (f *dataplaneFlags) register(flags *pflag.FlagSet) {
	f.logFlags.register(flags)
	flags.StringVar(&f.socket, "dataplane-socket", "/run/sluice-dataplane/dataplane.sock", "socket for the controller")
	settings.AddStateDir(flags, &f.stateDir)
	settings.AddBinary(flags, &f.binary)
	settings.AddOldWorkers(flags, &f.oldWorkers)
	settings.AddShutdown(flags, &f.shutdown)
}

func dataplaneCommand() *cobra.Command {
	var f dataplaneFlags
	cmd := &cobra.Command{
		Use:   "dataplane",
		Short: "Run NGINX for a controller in another container, without access to the cluster",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runDataplane(cmd.Context(), f, f.logger()) },
	}
	f.register(cmd.Flags())
	return cmd
}

// runDataplane runs NGINX until the context ends and the controller says that nobody sends requests any more, and then
// until these are finished. The controller is answered meanwhile.
func runDataplane(ctx context.Context, f dataplaneFlags, log *slog.Logger) error {
	feed := &dataplane.Feed{}
	engine := supervisor.New(supervisor.Options{
		Binary: f.binary, Dir: f.stateDir, Log: log, ShutdownGrace: f.shutdown, MaxOldGenerations: f.oldWorkers, Observer: feed.Observer(),
	})
	if err := engine.Recover(); err != nil {
		log.Warn("NGINX starts without the state of before", "error", err)
	}
	listener, err := dataplane.Listen(f.socket)
	if err != nil {
		return err
	}
	server := dataplane.NewServer(engine, feed, surroundingsOf(f.stateDir), log)
	background, stopServer := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServer()
	all, serving := errgroup.WithContext(background)
	all.Go(func() error { return server.Serve(serving, listener) })

	running, stopNGINX := context.WithCancel(serving)
	all.Go(func() error {
		defer stopServer() // the controller learns by it that NGINX is gone
		return engine.Run(running)
	})
	all.Go(func() error { return spans.New(f.stateDir, log).Run(running) })
	all.Go(func() error {
		if err := engine.Resume(running); err != nil && running.Err() == nil {
			log.Error("NGINX does not serve what was live before; waiting for the controller", "error", err)
		}
		return nil
	})
	all.Go(func() error {
		defer stopNGINX()
		select {
		case <-ctx.Done():
		case <-serving.Done():
			return nil
		}
		if err := engine.Leave(serving); err != nil {
			log.Warn("clients are not told that their connections end", "error", err)
		}
		server.AwaitRelease(serving)
		return nil
	})
	return all.Wait()
}
