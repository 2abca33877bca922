package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/customtemplates"
	"github.com/sluice-ingress/sluice/controller/lastgood"
	"github.com/sluice-ingress/sluice/controller/manifests"
	"github.com/sluice-ingress/sluice/controller/maxmind"
	"github.com/sluice-ingress/sluice/controller/metrics"
	"github.com/sluice-ingress/sluice/controller/ocsp"
	"github.com/sluice-ingress/sluice/controller/selfsigned"
	"github.com/sluice-ingress/sluice/controller/settings"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/geoip"
	"github.com/sluice-ingress/sluice/nginx/routing"
	"github.com/sluice-ingress/sluice/templates"
)

// controllerFlags are the flags of the daemon.
type controllerFlags struct {
	settings.Selection
	settings.Process
	clusterFlags
	webhookFlags
	healthFlags
	metricsFlags
	statusPageFlags
	maxmind.Flags
	logFlags
	inert       inertFlags
	manifests   string
	templateDir string
	socket      string
	binary      string
	oldWorkers  int
	resolvConf  string
	grace       int
	afterGrace  int
	syncRate    float64
	version     bool
}

func (f *controllerFlags) register(flags *pflag.FlagSet) {
	f.Selection.Register(flags)
	f.Process.Register(flags)
	f.clusterFlags.register(flags)
	f.webhookFlags.register(flags)
	f.healthFlags.register(flags)
	f.metricsFlags.register(flags)
	f.statusPageFlags.register(flags)
	f.Flags.Register(flags)
	f.logFlags.register(flags)
	f.inert.register(flags)
	flags.StringVar(&f.manifests, "manifests", "", "serve the objects of this directory instead of a cluster's")
	flags.StringVar(&f.templateDir, "template-dir", "/etc/nginx/template", "directory with templates that replace those built in; watched")
	flags.StringVar(&f.socket, "dataplane-socket", "", "socket of a sluice dataplane, which runs NGINX; empty: the controller runs NGINX itself")
	settings.AddBinary(flags, &f.binary)
	settings.AddOldWorkers(flags, &f.oldWorkers)
	flags.StringVar(&f.resolvConf, "resolv-conf", "/etc/resolv.conf", "name servers that ExternalName Services are resolved with")
	flags.IntVar(&f.grace, "shutdown-grace-period", 0, "seconds to go on serving, not ready, before NGINX is stopped; 0 is until the Service of --publish-service no longer has this pod")
	flags.IntVar(&f.afterGrace, "post-shutdown-grace-period", 0, "seconds to wait after NGINX has stopped")
	flags.Float64Var(&f.syncRate, "sync-rate-limit", 0, "reloads per second at most; 0 is one at once, and more and more seldom in a series of changes. Endpoints and certificates never wait")
	flags.BoolVar(&f.version, "version", false, "print the version, also NGINX's, and exit")
}

func controllerCommand() *cobra.Command {
	var f controllerFlags
	cmd := &cobra.Command{
		Use:   "controller [--manifests DIR]",
		Short: "Run NGINX and keep it as the objects of a cluster, or of manifests, say",
		// Manifests for ingress-nginx start this program.
		Aliases: []string{controllerLink},
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.version {
				return printVersions(cmd, f.binary)
			}
			if err := f.check(); err != nil {
				return err
			}
			log := f.logger()
			f.inert.report(cmd.Flags(), log)
			return runController(cmd.Context(), f, log)
		},
	}
	f.register(cmd.Flags())
	return cmd
}

// check finds what no single flag shows.
func (f *controllerFlags) check() error {
	switch {
	case f.grace < 0 || f.afterGrace < 0:
		return errors.New("--shutdown-grace-period and --post-shutdown-grace-period are numbers of seconds, not negative")
	case !strings.HasPrefix(f.healthPath, "/"):
		return fmt.Errorf("--health-check-path: %q does not begin with a slash", f.healthPath)
	case f.syncRate < 0:
		return errors.New("--sync-rate-limit is a rate, not negative")
	case f.manifests != "" && f.webhookFlags.address != "":
		return errors.New("--validating-webhook needs a cluster, which asks it; --manifests has none")
	case f.manifests != "":
		return errors.Join(f.Flags.Check(), f.metricsFlags.check(), f.statusPageFlags.check())
	}
	return errors.Join(f.clusterFlags.check(), f.webhookFlags.check(), f.Flags.Check(), f.metricsFlags.check(), f.statusPageFlags.check())
}

func runController(ctx context.Context, f controllerFlags, log *slog.Logger) error {
	listener, err := net.Listen("tcp", net.JoinHostPort(f.host, strconv.Itoa(f.port)))
	if err != nil {
		return fmt.Errorf("listen for health checks: %w", err)
	}
	d, err := newDaemon(f, log)
	if err != nil {
		return err
	}
	if f.manifests != "" {
		err = d.followManifests(f)
	} else {
		err = d.followCluster(ctx, f)
	}
	if err != nil {
		return err
	}
	if f.profiling {
		d.parts = append(d.parts, func(ctx context.Context) error { return serveProfiles(ctx, f.profilerAddress, f.profilerPort, log) })
	}
	return d.run(ctx, listener, f.healthPath)
}

// newDaemon makes what is the same wherever objects come from.
func newDaemon(f controllerFlags, log *slog.Logger) (*daemon, error) {
	custom, err := customtemplates.Open(f.templateDir, log)
	if err != nil {
		return nil, err
	}
	options, err := daemonOptions(f, log)
	if err != nil {
		return nil, err
	}
	measured := metrics.New(metrics.Identity{
		Namespace: f.pod.Namespace, Class: f.ControllerClass(), Pod: f.pod.Name,
		Release: release, Build: revision(), Repository: "https://" + repository,
	})
	d := &daemon{log: log, metrics: measured, grace: seconds(f.grace), afterGrace: seconds(f.afterGrace)}
	if err := d.showStatus(f); err != nil {
		return nil, err
	}
	d.databases = maxmind.Open(maxmind.Options{Wanted: options.Translate.Databases, Download: f.Download(), NoModule: f.Lacks(geoip.Module), Log: log})
	replan := make(chan struct{}, 1)
	here := d.startEngine(f)
	f.metricsFlags.measure(measured, d.engine, log)
	measured.AskEngine(func() metrics.Engine {
		status := d.engine.Status()
		return metrics.Engine{Generation: status.Generation, Old: status.OldGenerations}
	})
	d.stapler = ocsp.New(ocsp.Options{Log: log, Asked: func(r ocsp.Result) { measured.AskedResponder(string(r)) }})
	d.loop = &controller.Controller{
		Engine: d.engine, Log: log, Observer: d.observing(), Replan: replan, Stapled: d.stapler.Changes(), Pace: pace(f.syncRate),
		Keeper: lastgood.New(f.StateDir, log),
		Options: func() controller.Options {
			o := options
			o.Templates, o.Translate.Databases, o.Staples = custom.Templates(), d.databases.Databases(), d.stapler.Staples()
			around := here()
			o.Render.Workers, o.Render.OpenFiles = cmp.Or(f.Workers, around.CPUs), around.OpenFiles
			return o
		},
	}
	d.parts = append(d.parts, custom.Run, d.databases.Run, d.stapler.Run, pass(custom.Changes(), replan), pass(d.databases.Changes(), replan), d.engine.Run)
	return d, nil
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// pace makes pauses between reloads of a rate per second; zero is the loop's own.
func pace(rate float64) controller.Pace {
	if rate == 0 {
		return controller.Pace{}
	}
	pause := time.Duration(float64(time.Second) / rate)
	return controller.Pace{First: pause, Longest: pause}
}

// followManifests makes the daemon serve the objects of a directory.
func (d *daemon) followManifests(f controllerFlags) error {
	source, err := manifests.Open(f.manifests, d.log)
	if err != nil {
		return err
	}
	d.loop.Source = source
	d.parts = append(d.parts, source.Run, d.follow)
	return nil
}

// ports are those that the controller and NGINX listen on, and for what.
func (f *controllerFlags) ports() map[int]string {
	all := f.Process.Ports()
	all[f.port] = "health checks"
	if f.profiling {
		all[f.profilerPort] = "profiles"
	}
	if port := f.statusPageFlags.listensOn(); port != 0 {
		all[port] = "the status page"
	}
	if _, port, err := net.SplitHostPort(f.webhookFlags.address); err == nil {
		if number, err := strconv.Atoi(port); err == nil {
			all[number] = "the admission webhook"
		}
	}
	return all
}

func daemonOptions(f controllerFlags, log *slog.Logger) (controller.Options, error) {
	translation, err := f.Selection.Options(f.manifests != "")
	if err != nil {
		return controller.Options{}, err
	}
	if translation.SelfSigned, err = selfsigned.Keep(f.StateDir, time.Now(), log); err != nil {
		return controller.Options{}, err
	}
	services, err := f.Streams(f.ports())
	if err != nil {
		return controller.Options{}, err
	}
	translation.Settings, translation.NoFirewall = surroundings(f.resolvConf), f.Lacks(nginx.FirewallModule)
	render := f.Process.Options()
	render.HealthPath, render.CountsRequests = f.healthPath, f.metricsFlags.enabled
	return controller.Options{
		Translate: translation, Streams: services, Render: render, Memory: templates.NewMemory(),
		Routing: f.Process.Routing(), Routes: routing.NewMemory(),
	}, nil
}
