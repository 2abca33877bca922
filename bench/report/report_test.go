package report_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-ingress/sluice/bench/report"
)

func sample() *report.Report {
	r := &report.Report{Commit: "abc", Machine: "2 processors <& more>", Subjects: []string{"by hand", "ours"}}
	for i, ingresses := range []int{1, 1000} {
		rate := r.Result(report.Result{Row: "HTTP/1.1", Ingresses: ingresses, Quantity: "throughput", Unit: "requests/s", Paired: true})
		rate.Add("by hand", 1000, 500, 2000)
		rate.Add("ours", 900, 460, 1800)
		late := r.Result(report.Result{Row: "new Ingress", Ingresses: ingresses, Quantity: "live", Unit: "ms", Quantiles: []float64{0.5, 0.99}, Curve: true})
		late.Add("by hand", 400, 200, 300)
		late.Add("ours", 0.25*float64(i+1))
	}
	r.Result(report.Result{Row: "churn", Ingresses: 1000, Quantity: "p99", Unit: "ms", Course: true}).Add("ours", 1, 2, 3)
	r.Result(report.Result{Row: "churn", Ingresses: 1000, Quantity: "failed", Unit: "requests"}).Add("by hand", 0)
	return r
}

// The ratio of what was measured in pairs is that of the pairs: 0.9, not 900 to 1000 by chance of the medians.
func TestTable(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
|             | Ingresses |            | unit       | by hand |             ours |
| ----------- | --------: | ---------- | ---------- | ------: | ---------------: |
| HTTP/1.1    |         1 | throughput | requests/s |    1000 |       900 (0.90) |
| new Ingress |         1 | live       | ms         |     300 | 0.250 (0.000833) |
| new Ingress |         1 | live, p99  | ms         |     400 | 0.250 (0.000625) |
| HTTP/1.1    |      1000 | throughput | requests/s |    1000 |       900 (0.90) |
| new Ingress |      1000 | live       | ms         |     300 |  0.500 (0.00167) |
| new Ingress |      1000 | live, p99  | ms         |     400 |  0.500 (0.00125) |
| churn       |      1000 | failed     | requests   |       0 |                – |
`, "\n")
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRatioIsThatOfPairs(t *testing.T) {
	r := &report.Report{Subjects: []string{"by hand", "ours"}}
	rate := r.Result(report.Result{Row: "a", Ingresses: 1, Quantity: "b", Paired: true})
	rate.Add("by hand", 100, 1000, 10)
	rate.Add("ours", 50, 500, 100)
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "100 (0.50)") {
		t.Errorf("the median of the ratios 0.5, 0.5 and 10 is not in\n%s", b.String())
	}
}

func TestJSONHasEverything(t *testing.T) {
	var b strings.Builder
	want := sample()
	if err := want.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got report.Report
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, &got, cmpopts.IgnoreUnexported(report.Result{})); diff != "" {
		t.Error(diff)
	}
}

func TestCurvesAreWellFormed(t *testing.T) {
	curves := sample().Curves()
	want := []string{"churn-p99.svg", "new-ingress-live-p50.svg", "new-ingress-live-p99.svg"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(curves))); diff != "" {
		t.Fatal(diff)
	}
	lines := 0
	decoder := xml.NewDecoder(strings.NewReader(curves["new-ingress-live-p50.svg"]))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, is := token.(xml.StartElement); is && e.Name.Local == "polyline" {
			lines++
			if points := strings.Fields(e.Attr[0].Value); len(points) != 2 {
				t.Errorf("a curve has the points %v, not two", points)
			}
		}
	}
	if lines != 2 {
		t.Errorf("%d curves, not 2", lines)
	}
}

// Samples without something are what its ratio is to, for the first subject too; others have none.
func TestRatioToTheSameWithout(t *testing.T) {
	r := &report.Report{Subjects: []string{"by hand", "ours"}}
	rate := r.Result(report.Result{Row: "with a", Ingresses: 1, Quantity: "b", Paired: true})
	rate.Add("by hand", 100)
	rate.AddWithout("by hand", 200)
	rate.Add("ours", 90, 50, 10)
	rate.AddWithout("ours", 100, 40, 20)
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"100 (0.50)", "50.0 (0.90)"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no %s in\n%s", want, b.String())
		}
	}
}

// What is measured again takes the place of what was, of the same subject.
func TestContinue(t *testing.T) {
	run := func(commit string, subjects ...string) *report.Report {
		return &report.Report{Commit: commit, Subjects: subjects}
	}
	like := report.Result{Row: "a", Ingresses: 1, Quantity: "b"}
	former := run("c1", "by hand", "ours")
	first := former.Result(like)
	first.Add("by hand", 1, 2)
	first.Add("ours", 3)
	first.AddWithout("ours", 4)
	now := run("c1", "by hand", "theirs")
	if err := now.Continue(former); err != nil {
		t.Fatal(err)
	}
	now.Result(like).Add("by hand", 5)
	now.Result(like).Add("by hand", 6)
	now.Result(like).Add("theirs", 7)
	want := map[string][]float64{"by hand": {5, 6}, "ours": {3}, "theirs": {7}}
	if diff := cmp.Diff(want, now.Result(like).Samples); diff != "" || len(now.Result(like).Without["ours"]) != 1 {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"by hand", "ours", "theirs"}, now.Subjects); diff != "" {
		t.Error(diff)
	}
	if run("c2", "ours").Continue(former) == nil {
		t.Error("two commits are mixed")
	}
}

func TestMedianOfAnEvenNumberFavoursNobody(t *testing.T) {
	r := &report.Report{Subjects: []string{"by hand", "ours"}}
	rate := r.Result(report.Result{Row: "a", Ingresses: 1, Quantity: "b", Paired: true})
	rate.Add("by hand", 100, 100, 100, 100)
	rate.Add("ours", 110, 80, 120, 70)
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "95.0 (0.95)") {
		t.Errorf("95, between 80 and 110, is not in\n%s", b.String())
	}
}

func TestThin(t *testing.T) {
	var samples []float64
	for i := range 60_000 {
		samples = append(samples, float64(i*7919%60_000)) // each number below it once
	}
	some := report.Thin(samples, 2000)
	for i, got := range some {
		if want := float64(30*i + 15); got != want {
			t.Fatalf("sample %d is %v, not %v", i, got, want)
		}
	}
	if few := report.Thin(samples[:5], 2000); len(some) != 2000 || !slices.Equal(few, samples[:5]) {
		t.Errorf("there are %d of many, and of five: %v", len(some), few)
	}
}
