package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx/traffic"
)

const measureTimeout = 5 * time.Second

// Measure tells which requests were served, and what NGINX says of its connections and processes. What counts requests has to be
// in the configuration; see package meter and templates.Options.
func (s *Supervisor) Measure(ctx context.Context, q traffic.Question) (traffic.Report, error) {
	instance := s.current()
	if !instance.isUp() {
		return traffic.Report{}, errors.New("count requests: NGINX does not run")
	}
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	text, code, err := s.control.read(ctx, http.MethodGet, "/v1/connections", nil, answerLimit)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("status %d", code)
	}
	var report traffic.Report
	if err == nil {
		report.Connections, err = readConnections(string(text))
	}
	if err != nil {
		return traffic.Report{}, fmt.Errorf("ask NGINX for its connections: %w", err)
	}
	if report.Name, report.Series, err = s.meter.Ask(ctx, q); err != nil {
		return traffic.Report{}, err
	}
	report.Processes = measure(append(inGroup(instance.pid), s.old.all()...))
	return report, nil
}

// readConnections reads what stub_status says.
func readConnections(text string) (traffic.Connections, error) {
	var c traffic.Connections
	_, err := fmt.Sscanf(text, "Active connections: %f\nserver accepts handled requests\n %f %f %f\nReading: %f Writing: %f Waiting: %f",
		&c.Active, &c.Accepted, &c.Handled, &c.Requests, &c.Reading, &c.Writing, &c.Waiting)
	if err != nil {
		return c, fmt.Errorf("read %q: %w", text, err)
	}
	return c, nil
}

// ticks are how many of proc_pid_stat(5) make a second, on all architectures that Go runs on.
const ticks = 100

// measure tells what processes use. One that ends meanwhile is left out; so are those files that we may not read.
func measure(list []process) []traffic.Process {
	booted := bootTime()
	seen := map[int]bool{}
	var all []traffic.Process
	for _, p := range list {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/stat")
		if err != nil || seen[p.pid] {
			continue
		}
		seen[p.pid] = true
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 22 {
			continue
		}
		number := func(n int) float64 { f, _ := strconv.ParseFloat(fields[n], 64); return f } // of the kernel
		one := traffic.Process{
			PID: p.pid, Start: booted + float64(p.start)/ticks, CPU: (number(11) + number(12)) / ticks,
			Memory: number(20), Resident: number(21) * float64(os.Getpagesize()),
		}
		one.Read, one.Written = filesOf(p.pid)
		all = append(all, one)
	}
	return all
}

// filesOf are the bytes that a process has read and written, as proc_pid_io(5) has them.
func filesOf(pid int) (read, written float64) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/io")
	if err != nil {
		return 0, 0
	}
	return field(string(text), "rchar: "), field(string(text), "wchar: ")
}

// bootTime is when the machine was started, unix time.
func bootTime() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	return field(string(text), "btime ")
}

// field is the number behind a word that begins a line; 0 if there is none.
func field(text, word string) float64 {
	_, rest, found := strings.Cut("\n"+text, "\n"+word)
	if !found {
		return 0
	}
	line, _, _ := strings.Cut(rest, "\n")
	number, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
	if err != nil {
		return 0
	}
	return number
}
