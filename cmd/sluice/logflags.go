package main

import (
	"flag"
	"log/slog"
	"os"

	"github.com/spf13/pflag"
	"k8s.io/klog/v2"
)

// logFlags are --verbose and those of klog, which manifests for ingress-nginx may have.
type logFlags struct {
	verbose bool
	klog    flag.FlagSet
}

func (f *logFlags) register(flags *pflag.FlagSet) {
	flags.BoolVar(&f.verbose, "verbose", false, "log more")
	klog.InitFlags(&f.klog)
	flags.AddGoFlagSet(&f.klog)
	f.klog.VisitAll(func(k *flag.Flag) {
		flags.Lookup(k.Name).Hidden = true
	})
	v := flags.Lookup("v")
	v.Hidden, v.Usage = false, "how much client-go logs; 4 and more is --verbose too. klog's other flags are accepted, and have no effect on our own log"
}

// logger logs to standard error, and what client-go logs as well.
func (f *logFlags) logger() *slog.Logger {
	level := slog.LevelInfo
	if f.verbose || klog.V(4).Enabled() {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	klog.SetSlogLogger(log.With("from", "client-go"))
	return log
}
