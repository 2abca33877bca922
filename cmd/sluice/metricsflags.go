package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/pflag"

	"github.com/sluice-ingress/sluice/controller/metrics"
	"github.com/sluice-ingress/sluice/nginx/traffic"
)

// metricsFlags are the flags about metrics of requests.
type metricsFlags struct {
	enabled       bool
	perHost       bool
	perUndefined  bool
	statusClasses bool
	excluded      []string
	bounds        traffic.Bounds
}

func (f *metricsFlags) register(flags *pflag.FlagSet) {
	def := traffic.DefaultBounds()
	flags.BoolVar(&f.enabled, "enable-metrics", false, "count requests, and tell of NGINX's processes; metrics of the controller are always there")
	flags.BoolVar(&f.perHost, "metrics-per-host", true, "tell hosts apart in metrics of requests")
	flags.BoolVar(&f.perUndefined, "metrics-per-undefined-host", false, "count requests to hosts that no Ingress names, all as host _; needs --metrics-per-host, without which they are counted")
	flags.BoolVar(&f.statusClasses, "report-status-classes", false, "tell only classes of status apart in metrics, as 2xx")
	flags.StringSliceVar(&f.excluded, "exclude-socket-metrics", nil, "metrics of requests that are left out, with or without their prefix")
	flags.Float64SliceVar(&f.bounds.Times, "time-buckets", def.Times, "upper bounds of histograms of times, in seconds")
	flags.Float64SliceVar(&f.bounds.Lengths, "length-buckets", def.Lengths, "upper bounds of histograms of lengths, in bytes")
	flags.Float64SliceVar(&f.bounds.Sizes, "size-buckets", def.Sizes, "upper bounds of the histogram of bytes sent")
}

// check finds what no single flag shows.
func (f *metricsFlags) check() error {
	if err := f.bounds.Check(); err != nil {
		return fmt.Errorf("--time-buckets, --length-buckets and --size-buckets: %w", err)
	}
	excluded, err := metrics.Excludable(f.excluded)
	if err != nil {
		return fmt.Errorf("--exclude-socket-metrics: %w", err)
	}
	f.excluded = excluded
	return nil
}

// measure has the metrics of requests added to all others.
func (f *metricsFlags) measure(to *metrics.Metrics, e engine, log *slog.Logger) {
	if f.enabled {
		to.Requests(metrics.RequestOptions{
			Measure: e.Measure, Bounds: f.bounds, PerHost: f.perHost, OnlyNamed: f.perHost && !f.perUndefined,
			StatusClasses: f.statusClasses, Excluded: f.excluded, Log: log,
		})
	}
}
