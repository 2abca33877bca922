// Package load sends requests to the hosts of test/fleet and measures the answers: as many as possible, with wrk for
// HTTP/1.1 and h2load for HTTP/2, or at a constant rate; and it holds sessions of WebSocket.
package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sluice-ingress/sluice/test/fleet"
)

// Target is where requests go.
type Target struct {
	Port  int // for HTTP; the next is for HTTPS
	Hosts int // requests go to host 0 … Hosts-1
}

// Style is how clients speak.
type Style struct {
	Name       string
	TLS        bool
	HTTP2      bool
	Connecting bool // a connection for each request
	// Headers are sent with each request, as in "Name: value"; over HTTP/1.1 only.
	Headers []string
}

// Full is what sending as much as possible came to.
type Full struct {
	Requests int64
	Took     time.Duration
	P99      time.Duration // of the time from a request to its answer
}

// Rate is in requests for each second.
func (f Full) Rate() float64 { return float64(f.Requests) / f.Took.Seconds() }

// Generator sends as much as possible. An answer that is not 200 is an error.
type Generator struct {
	Dir  string // for files
	CPUs string // processors to use, as in taskset(1); all if empty
}

// Send sends for a while.
func (g Generator) Send(ctx context.Context, to Target, style Style, d time.Duration) (Full, error) {
	if err := os.MkdirAll(g.Dir, 0o750); err != nil {
		return Full{}, err
	}
	if style.HTTP2 {
		return g.h2load(ctx, to, d)
	}
	return g.wrk(ctx, to, style, d)
}

func (g Generator) run(ctx context.Context, name string, args ...string) (string, error) {
	if g.CPUs != "" {
		name, args = "taskset", append([]string{"--cpu-list", g.CPUs, name}, args...)
	}
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{name}, args...), " "), err, out)
	}
	return string(out), nil
}

const wrkConnections = 50

// script makes wrk send to all hosts in turn, and report numbers instead of prose.
const script = `local requests, at = {}, 0
function init(args)
  for host in io.lines(args[1]) do
    for _, path in ipairs({"/", "/api/x"}) do
      local headers = {Host = host, ["User-Agent"] = "bench"}
      for i = 2, #args do
        local name, value = args[i]:match("^([^:]+): (.*)$")
        headers[name] = value
      end
      requests[#requests + 1] = wrk.format("GET", path, headers)
    end
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency)
  local e = summary.errors
  print(string.format("result %d %d %d %d", summary.requests, summary.duration, latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
`

func (g Generator) wrk(ctx context.Context, to Target, style Style, d time.Duration) (Full, error) {
	var hosts strings.Builder
	for n := range to.Hosts {
		fmt.Fprintln(&hosts, fleet.Host(n))
	}
	files := map[string]string{"hosts": hosts.String(), "wrk.lua": script}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(g.Dir, name), []byte(text), 0o600); err != nil {
			return Full{}, err
		}
	}
	address := fmt.Sprintf("http://127.0.0.1:%d", to.Port)
	if style.TLS {
		address = fmt.Sprintf("https://127.0.0.1:%d", to.Port+1)
	}
	args := []string{
		"--threads", "1", "--connections", strconv.Itoa(wrkConnections), "--duration", seconds(d), "--latency",
		"--script", filepath.Join(g.Dir, "wrk.lua"), address, "--", filepath.Join(g.Dir, "hosts"),
	}
	if style.Connecting {
		args = append(args, "Connection: close")
	}
	args = append(args, style.Headers...)
	out, err := g.run(ctx, "wrk", args...)
	if err != nil {
		return Full{}, err
	}
	_, numbers, found := strings.Cut(out, "result ")
	var requests, took, p99, failed int64
	if _, err := fmt.Sscan(numbers, &requests, &took, &p99, &failed); !found || err != nil {
		return Full{}, fmt.Errorf("wrk reports nothing: %s", out)
	}
	if failed > 0 || requests == 0 {
		return Full{}, fmt.Errorf("%d of %d requests failed:\n%s", failed, requests, out)
	}
	return Full{requests, time.Duration(took) * time.Microsecond, time.Duration(p99) * time.Microsecond}, nil
}

// seconds are what both programs take, whole ones.
func seconds(d time.Duration) string { return fmt.Sprintf("%.0f", max(1, d.Seconds())) + "s" }

// h2load sends to one host only, so several run, for some of the hosts.
const (
	h2Hosts       = 4
	h2Connections = 8  // over all hosts
	h2Streams     = 10 // at the same time on each of them
	// h2Requests is how many a connection of NGINX takes by default. h2load opens no other one after that, so it is
	// started again.
	h2Requests = 1000
)

func (g Generator) h2load(ctx context.Context, to Target, d time.Duration) (Full, error) {
	count := min(h2Hosts, to.Hosts)
	latencies := make([][]time.Duration, count)
	group, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for i := range count {
		group.Go(func() error {
			log := filepath.Join(g.Dir, fmt.Sprintf("h2load-%d.log", i))
			defer os.Remove(log)
			host := "https://" + fleet.Host(i*to.Hosts/count)
			for time.Since(start) < d {
				_ = os.Remove(log) // h2load appends to it; the first time there is none
				_, err := g.run(ctx, "h2load", "--clients", strconv.Itoa(h2Connections/count), "--requests", strconv.Itoa(h2Connections/count*h2Requests),
					"--max-concurrent-streams", strconv.Itoa(h2Streams), "--connect-to", fmt.Sprintf("127.0.0.1:%d", to.Port+1),
					"--header", "user-agent: bench", "--log-file", log, host+"/", host+"/api/x")
				if err != nil {
					return err
				}
				list, err := readLog(log)
				if err != nil {
					return err
				}
				latencies[i] = append(latencies[i], list...)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Full{}, err
	}
	took := time.Since(start)
	all := slices.Concat(latencies...)
	return Full{int64(len(all)), took, Quantile(all, 0.99)}, nil
}

// readLog reads h2load's log: start, status and time to the end of the answer, in microseconds.
func readLog(name string) ([]time.Duration, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var list []time.Duration
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var start, status, took int64
		if _, err := fmt.Sscan(lines.Text(), &start, &status, &took); err != nil {
			return nil, fmt.Errorf("read h2load's log: %w", err)
		}
		if status != 200 {
			return nil, fmt.Errorf("the status of an answer is %d", status)
		}
		list = append(list, time.Duration(took)*time.Microsecond)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read h2load's log: %w", err)
	}
	if len(list) == 0 {
		return nil, errors.New("h2load got no answer")
	}
	return list, nil
}

// Quantile is the value below which that share of the list is; 0 if the list is empty. The list is sorted afterwards.
func Quantile[T time.Duration | float64](list []T, share float64) T {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[min(len(list)-1, int(share*float64(len(list))))]
}
