package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sluice-ingress/sluice/nginx/traffic"
)

// nginxMetrics are what NGINX and its processes say of themselves.
type nginxMetrics struct {
	connections, accepted, requests, processes, cpu, read, written, resident, memory, oldest *prometheus.Desc

	report traffic.Report // the last one
	isTold bool           // there was one
	// Counts over all NGINXs and all processes that there have been, and the last word of each that is there.
	total   traffic.Connections
	used    traffic.Process
	earlier map[processID]traffic.Process
}

// processID tells a process from a later one of the same number.
type processID struct {
	pid   int
	start float64
}

func newNGINXMetrics(describe func(name, help string, labels ...string) *prometheus.Desc) nginxMetrics {
	const prefix = "nginx_process_"
	return nginxMetrics{
		connections: describe(prefix+"connections", "Connections of clients at present.", "state"),
		accepted:    describe(prefix+"connections_total", "Connections of clients.", "state"),
		requests:    describe(prefix+"requests_total", "Requests, those of the controller included."),
		processes:   describe(prefix+"num_procs", "Processes of NGINX."),
		cpu:         describe(prefix+"cpu_seconds_total", "CPU time of all processes."),
		read:        describe(prefix+"read_bytes_total", "Bytes that all processes read."),
		written:     describe(prefix+"write_bytes_total", "Bytes that all processes wrote."),
		resident:    describe(prefix+"resident_memory_bytes", "Memory of all processes; what they share counts for each."),
		memory:      describe(prefix+"virtual_memory_bytes", "Address space of all processes."),
		oldest:      describe(prefix+"oldest_start_time_seconds", "When the oldest process was started, unix time."),
	}
}

func (n *nginxMetrics) all() []*prometheus.Desc {
	return []*prometheus.Desc{n.connections, n.accepted, n.requests, n.processes, n.cpu, n.read, n.written, n.resident, n.memory, n.oldest}
}

// take notes a report.
func (n *nginxMetrics) take(now traffic.Report) {
	before := n.report.Connections
	if now.Connections.Requests < before.Requests {
		before = traffic.Connections{} // another NGINX
	}
	n.total.Accepted += max(0, now.Connections.Accepted-before.Accepted)
	n.total.Handled += max(0, now.Connections.Handled-before.Handled)
	n.total.Requests += max(0, now.Connections.Requests-before.Requests)
	present := make(map[processID]traffic.Process, len(now.Processes))
	for _, p := range now.Processes {
		id := processID{p.PID, p.Start}
		earlier := n.earlier[id]
		n.used.CPU += max(0, p.CPU-earlier.CPU)
		n.used.Read += max(0, p.Read-earlier.Read)
		n.used.Written += max(0, p.Written-earlier.Written)
		present[id] = p
	}
	n.earlier, n.report, n.isTold = present, now, true
}

// tell tells the metrics, if there was a report.
func (n *nginxMetrics) tell(metrics chan<- prometheus.Metric) {
	if !n.isTold {
		return
	}
	one := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	now := n.report.Connections
	one(n.connections, prometheus.GaugeValue, now.Active, "active")
	one(n.connections, prometheus.GaugeValue, now.Reading, "reading")
	one(n.connections, prometheus.GaugeValue, now.Writing, "writing")
	one(n.connections, prometheus.GaugeValue, now.Waiting, "waiting")
	one(n.accepted, prometheus.CounterValue, n.total.Accepted, "accepted")
	one(n.accepted, prometheus.CounterValue, n.total.Handled, "handled")
	one(n.requests, prometheus.CounterValue, n.total.Requests)
	resident, memory, oldest := 0.0, 0.0, 0.0
	for _, p := range n.report.Processes {
		resident, memory = resident+p.Resident, memory+p.Memory
		if oldest == 0 || p.Start < oldest {
			oldest = p.Start
		}
	}
	one(n.processes, prometheus.GaugeValue, float64(len(n.report.Processes)))
	one(n.cpu, prometheus.CounterValue, n.used.CPU)
	one(n.read, prometheus.CounterValue, n.used.Read)
	one(n.written, prometheus.CounterValue, n.used.Written)
	one(n.resident, prometheus.GaugeValue, resident)
	one(n.memory, prometheus.GaugeValue, memory)
	one(n.oldest, prometheus.GaugeValue, oldest)
}
