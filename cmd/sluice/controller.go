package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/customtemplates"
	"github.com/sluice-ingress/sluice/controller/health"
	"github.com/sluice-ingress/sluice/controller/manifests"
	"github.com/sluice-ingress/sluice/controller/metrics"
	"github.com/sluice-ingress/sluice/controller/selfsigned"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/templates"
)

// controllerFlags are the flags of the daemon.
type controllerFlags struct {
	selectionFlags
	processFlags
	manifests   string
	templateDir string
	binary      string
	healthHost  string
	healthPort  int
	oldWorkers  int
	resolvConf  string
	verbose     bool
}

func (f *controllerFlags) register(flags *pflag.FlagSet) {
	f.selectionFlags.register(flags)
	f.processFlags.register(flags)
	flags.StringVar(&f.manifests, "manifests", "", "serve the objects of this directory instead of a cluster's")
	flags.StringVar(&f.templateDir, "template-dir", "/etc/nginx/template", "directory with templates that replace those built in; watched")
	flags.StringVar(&f.binary, "nginx-binary", "/usr/sbin/nginx", "NGINX")
	flags.StringVar(&f.healthHost, "healthz-host", "", "address for health checks and metrics; all if empty")
	flags.IntVar(&f.healthPort, "healthz-port", 10254, "port for health checks and metrics")
	flags.IntVar(&f.oldWorkers, "max-old-worker-generations", 4, "generations of old workers that may finish requests at the same time")
	flags.StringVar(&f.resolvConf, "resolv-conf", "/etc/resolv.conf", "name servers that ExternalName Services are resolved with")
	flags.BoolVar(&f.verbose, "verbose", false, "log more")
}

func controllerCommand() *cobra.Command {
	var f controllerFlags
	cmd := &cobra.Command{
		Use:   "controller --manifests DIR",
		Short: "Run NGINX and keep it as the objects say",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return runController(cmd.Context(), f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func runController(ctx context.Context, f controllerFlags) error {
	if f.manifests == "" {
		return errors.New("--manifests is required: this version serves manifests, not yet a cluster")
	}
	log := newLogger(f.verbose)
	if f.workers == 0 {
		f.workers = runtime.GOMAXPROCS(0) // Go honours the cgroup's quota
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(f.healthHost, strconv.Itoa(f.healthPort)))
	if err != nil {
		return fmt.Errorf("listen for health checks: %w", err)
	}
	source, err := manifests.Open(f.manifests, log)
	if err != nil {
		return err
	}
	custom, err := customtemplates.Open(f.templateDir, log)
	if err != nil {
		return err
	}
	options, err := daemonOptions(f)
	if err != nil {
		return err
	}
	measured := metrics.New()
	engine := supervisor.New(supervisor.Options{
		Binary: f.binary, Dir: f.stateDir, Log: log, ShutdownGrace: f.shutdown, MaxOldGenerations: f.oldWorkers,
		Observer: supervisor.Observer{
			Tested: measured.Tested, Reloaded: measured.Reloaded, Pushed: measured.Pushed, Restarted: measured.Restarted,
		},
	})
	loop := &controller.Controller{
		Source: source, Engine: engine, Log: log, Observer: measured, Replan: custom.Changes(),
		Options: func() controller.Options {
			o := options
			o.Templates = custom.Templates()
			return o
		},
	}
	handler := health.Handler(health.Probes{
		Live:  func() error { return live(loop) },
		Ready: func() error { return ready(engine) },
	}, measured.Registry)
	return runAll(ctx, source, custom, engine, loop, func(ctx context.Context) error { return health.Serve(ctx, listener, handler) })
}

// runAll runs the parts of the daemon until the context ends or one of them fails. Health checks go on
// while NGINX drains.
func runAll(ctx context.Context, source *manifests.Source, custom *customtemplates.Source, engine *supervisor.Supervisor, loop *controller.Controller, serveHealth func(context.Context) error) error {
	background, stop := context.WithCancel(context.Background())
	defer stop()
	var others errgroup.Group
	others.Go(func() error { return serveHealth(background) })

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return source.Run(ctx) })
	group.Go(func() error { return custom.Run(ctx) })
	group.Go(func() error { return engine.Run(ctx) })
	group.Go(func() error { loop.Run(ctx); return nil })
	err := group.Wait()
	stop()
	return errors.Join(err, others.Wait())
}

func daemonOptions(f controllerFlags) (controller.Options, error) {
	translation, err := f.selectionFlags.options()
	if err != nil {
		return controller.Options{}, err
	}
	if translation.SelfSigned, err = selfsigned.New(time.Now()); err != nil {
		return controller.Options{}, err
	}
	translation.Settings = surroundings(f.resolvConf)
	render := f.processFlags.options()
	render.OpenFiles = openFiles()
	return controller.Options{Translate: translation, Render: render, Memory: templates.NewMemory()}, nil
}

// openFiles is how many files a worker may have open: what the process may, less a reserve, as in
// ingress-nginx.
func openFiles() int {
	const reserve, least, most = 1024, 1024, 1 << 20
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return least
	}
	return int(min(max(limit.Max, least+reserve)-reserve, most))
}

// surroundings reads what workers need to resolve names. Without a readable resolv.conf no name resolves.
func surroundings(resolvConf string) dynamic.Settings {
	var s dynamic.Settings
	if c, err := dns.ClientConfigFromFile(resolvConf); err == nil {
		for _, server := range c.Servers {
			s.Nameservers = append(s.Nameservers, net.JoinHostPort(server, c.Port))
		}
		s.Search, s.Ndots = c.Search, c.Ndots
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return s
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok {
			s.OwnAddresses = append(s.OwnAddresses, n.IP.String())
		}
	}
	return s
}

// stuck is how long a plan may take before the controller counts as dead.
const stuck = 2 * time.Minute

func live(loop *controller.Controller) error {
	if d := loop.Stalled(); d > stuck {
		return fmt.Errorf("making a plan takes since %s", d.Round(time.Second))
	}
	return nil
}

func ready(engine *supervisor.Supervisor) error {
	if !engine.Status().Ready {
		return errors.New("NGINX does not serve a complete state yet")
	}
	return nil
}

func newLogger(verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
