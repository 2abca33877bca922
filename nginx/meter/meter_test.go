package meter

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/traffic"
	"github.com/sluice-ingress/sluice/test/logged"
)

var few = traffic.Bounds{Times: []float64{.1, 1}, Lengths: []float64{100}, Sizes: []float64{1000}}

// worker writes what NGINX does.
func worker(t *testing.T, dir string) *os.File {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(dir, nginx.RequestLog), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func write(t *testing.T, to *os.File, lines ...string) {
	t.Helper()
	if _, err := to.WriteString(strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
}

const get = "0.100\t70\t300\t0.090\t0.001\t0.080\t200\tGET\ta.test\t\ta.test\tshop\tweb\tsvc\t80\t/x\n"

var labels = traffic.Labels{Status: "200", Method: "GET", Host: "a.test", Namespace: "shop", Ingress: "web", Service: "svc", Path: "/x"}

func ask(t *testing.T, m *Meter, taken string) (string, []traffic.Series) {
	t.Helper()
	name, series, err := m.Ask(t.Context(), traffic.Question{Taken: taken, Bounds: few})
	if err != nil {
		t.Fatal(err)
	}
	return name, series
}

func requests(series []traffic.Series) (n float64) {
	for _, s := range series {
		n += s.Requests
	}
	return n
}

func TestWhatALineAdds(t *testing.T) {
	nothing := [][]float64{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0}, {0, 0}, {0, 0}}
	all := [][]float64{{1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0}, {0, 1}, {1, 0}}
	alone := [][]float64{{1, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {1, 0}, {0, 1}, {1, 0}}
	with := func(change func(*traffic.Labels)) traffic.Labels {
		l := labels
		change(&l)
		return l
	}
	for name, c := range map[string]struct {
		line    string
		labels  traffic.Labels
		sums    []float64
		buckets [][]float64
	}{
		"a request":        {get, labels, []float64{.1, .001, .08, .09, 70, 300, 300}, all},
		"none of a pod":    {strings.Replace(get, "0.090\t0.001\t0.080", "-\t-\t-", 1), labels, []float64{.1, 0, 0, 0, 70, 300, 300}, alone},
		"several tries":    {strings.Replace(get, "0.090\t0.001\t0.080", "0.010, 0.080\t0.000, 0.001\t-, 0.070", 1), labels, []float64{.1, 0, 0, 0, 70, 300, 300}, alone},
		"several groups":   {strings.Replace(get, "0.090\t0.001\t0.080", "0.010 : 0.080\t0.000 : 0.001\t0.001 : 0.070", 1), labels, []float64{.1, 0, 0, 0, 70, 300, 300}, alone},
		"no numbers":       {strings.Replace(get, "0.100\t70\t300\t0.090\t0.001\t0.080", "\t\t\t\t\t", 1), labels, make([]float64, 7), nothing},
		"minutes":          {strings.Replace(get, "0.100", "61.500", 1), labels, []float64{61.5, .001, .08, .09, 70, 300, 300}, [][]float64{{0, 0, 1}, {1, 0, 0}, {1, 0, 0}, {1, 0, 0}, {1, 0}, {0, 1}, {1, 0}}},
		"a canary":         {strings.Replace(get, "\t\ta.test", "\tshop-canary-80\ta.test", 1), with(func(l *traffic.Labels) { l.Canary = "shop-canary-80" }), []float64{.1, .001, .08, .09, 70, 300, 300}, all},
		"a made-up method": {strings.Replace(get, "GET", "STEAL", 1), with(func(l *traffic.Labels) { l.Method = "others" }), []float64{.1, .001, .08, .09, 70, 300, 300}, all},
		"a path like that": {strings.Replace(get, "/x", "/\xff?a b", 1), with(func(l *traffic.Labels) { l.Path = "/�?a b" }), []float64{.1, .001, .08, .09, 70, 300, 300}, all},
		"of no location":   {get[:strings.Index(get, "\t\ta.test")] + "\t\n", traffic.Labels{Status: "200", Method: "GET", Host: "a.test"}, []float64{.1, .001, .08, .09, 70, 300, 300}, all},
		"of a wildcard": {
			strings.Replace(get[:strings.Index(get, "\t\ta.test")], "a.test", `~^(?<subdomain>[\w-]+)\.a\.test$`, 1) + "\t\n",
			traffic.Labels{Status: "200", Method: "GET", Host: "*.a.test"}, []float64{.1, .001, .08, .09, 70, 300, 300}, all,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tally := newTally(few)
			tally.add([]byte(c.line))
			want := []traffic.Series{{Labels: c.labels, Counts: traffic.Counts{Requests: 1, Sums: c.sums, Buckets: c.buckets}}}
			if diff := cmp.Diff(want, tally.take(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLinesThatMakeNoSense(t *testing.T) {
	dir, log := t.TempDir(), &logged.Text{}
	m := New(dir, slog.New(slog.NewTextHandler(log, nil)))
	write(t, worker(t, dir), "\n", "x\n", strings.Repeat("\t", 20)+"\n", strings.Replace(get, "\tshop", "", 1), strings.Replace(get, "200\tGET", "2000\tGET", 1), get)
	if _, series := ask(t, m, ""); requests(series) != 1 || log.Count("lines=5") != 1 {
		t.Errorf("%v requests; the log is\n%s", requests(series), log.String())
	}
}

// A report that nobody has got is told again, with what came after.
func TestReportsAreToldUntilTheyAreTaken(t *testing.T) {
	dir := t.TempDir()
	m := New(dir, slog.New(slog.DiscardHandler))
	if _, series := ask(t, m, ""); len(series) != 0 {
		t.Errorf("before there is a log there are %v", series)
	}
	w := worker(t, dir)
	write(t, w, get, get)
	first, series := ask(t, m, "")
	if requests(series) != 2 {
		t.Errorf("%v requests, want 2", requests(series))
	}
	write(t, w, get, get[:20])
	second, series := ask(t, m, "of another meter")
	if requests(series) != 3 || second == first {
		t.Errorf("%v requests, want those of before again, but not half a line; %s, then %s", requests(series), first, second)
	}
	write(t, w, get[20:])
	third, series := ask(t, m, second)
	if requests(series) != 1 {
		t.Errorf("%v requests, want the one that is whole now", requests(series))
	}
	if _, series = ask(t, m, third); len(series) != 0 {
		t.Errorf("%v requests, want none", requests(series))
	}
	if _, _, err := m.Ask(t.Context(), traffic.Question{}); err == nil {
		t.Error("no bounds will do")
	}
	write(t, w, get)
	if _, series, err := m.Ask(t.Context(), traffic.Question{Bounds: traffic.DefaultBounds()}); err != nil || requests(series) != 1 {
		t.Errorf("%v requests by other bounds, %v", requests(series), err)
	}
}

func TestTheLogTakesNoSpace(t *testing.T) {
	dir := t.TempDir()
	m := New(dir, slog.New(slog.DiscardHandler))
	w := worker(t, dir)
	for n := range 3 {
		write(t, w, strings.Repeat(get, 20_000))
		if _, series := ask(t, m, m.told); requests(series) != 20_000 {
			t.Fatalf("round %d: %v requests", n, requests(series))
		}
		if blocks := allocated(t, w); blocks > 64<<10 {
			t.Errorf("round %d: %d bytes are in use", n, blocks)
		}
	}
	m.mu.Lock()
	m.at = mostFile // as if it had grown to that
	m.release(0)
	m.mu.Unlock()
	if info, err := w.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("a file that is too long does not begin anew: %v, %v", info, err)
	}
	write(t, w, get)
	if _, series := ask(t, m, m.told); requests(series) != 1 {
		t.Errorf("%v requests after that", requests(series))
	}
	m.Clear()
	if _, err := os.Stat(filepath.Join(dir, nginx.RequestLog)); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestALogThatCannotBeReadIsSaidOnce(t *testing.T) {
	dir, log := t.TempDir(), &logged.Text{}
	m := New(dir, slog.New(slog.NewTextHandler(log, nil)))
	if err := os.Mkdir(filepath.Join(dir, nginx.RequestLog), 0o700); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, series := ask(t, m, m.told); len(series) != 0 {
			t.Errorf("%v requests", requests(series))
		}
	}
	if log.Count("requests are not counted") != 1 {
		t.Errorf("the log is\n%s", log.String())
	}
}

// Clients make up methods, tenants paths.
func TestSeriesAreBounded(t *testing.T) {
	tally := newTally(few)
	for n := range mostSeries + 10 {
		tally.add([]byte(strings.Replace(get, "/x", fmt.Sprint("/", n), 1)))
	}
	for n := range mostTails {
		tally.add([]byte(strings.Replace(get, "GET", fmt.Sprint("M", n), 1)))
	}
	if len(tally.tails) > mostTails {
		t.Errorf("%d ends of lines are remembered", len(tally.tails))
	}
	series := tally.take()
	if n := requests(series); len(series) != mostSeries+1 || n != mostSeries+10+mostTails {
		t.Errorf("%v requests in %d series", n, len(series))
	}
}

// Workers write while it is read, by whoever asks.
func TestNothingIsLostWhileWorkersWrite(t *testing.T) {
	dir := t.TempDir()
	m := New(dir, slog.New(slog.DiscardHandler))
	const workers, lines = 4, 5000
	ctx, cancel := context.WithCancel(t.Context())
	var running, writing sync.WaitGroup
	running.Go(func() { m.Run(ctx) })
	for range workers {
		w := worker(t, dir)
		writing.Go(func() {
			for range lines / 50 {
				if _, err := w.WriteString(strings.Repeat(get, 50)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all, taken := 0.0, ""
	collect := func() {
		name, series := ask(t, m, taken)
		taken, all = name, all+requests(series)
	}
	collect()
	writing.Wait()
	collect()
	cancel()
	running.Wait()
	if all != workers*lines {
		t.Errorf("%v requests, want %d", all, workers*lines)
	}
}

func FuzzLine(f *testing.F) {
	f.Add(get)
	f.Add("-\t\t.\t0.0001\t-, -\t9.99x\t404\tGET\t_\t\n")
	f.Fuzz(func(t *testing.T, line string) {
		tally := newTally(few)
		tally.add([]byte(line))
		for _, s := range tally.take() {
			if s.Requests < 1 || len(s.Status) != 3 {
				t.Errorf("%+v", s)
			}
			for i, sum := range s.Sums {
				if sum < 0 || len(s.Buckets[i]) != len(traffic.Histograms[i].Bounds(few))+1 {
					t.Errorf("%+v", s)
				}
			}
		}
	})
}

func BenchmarkLines(b *testing.B) {
	lines := []byte(strings.Repeat(get, 1000))
	tally := newTally(traffic.DefaultBounds())
	b.SetBytes(int64(len(lines)))
	for b.Loop() {
		tally.add(lines)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/request")
}
