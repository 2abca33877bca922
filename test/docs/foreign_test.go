package docs_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/yaml"

	"github.com/sluice-ingress/sluice/controller/metrics"
)

// foreignTables say of each flag, metric and value of the chart that ingress-nginx has how ours compares. Flags come from
// docs/flags.md, which the program writes of itself, metrics from the registry, values from the schema of the chart.
func foreignTables(t *testing.T, s states) []string {
	t.Helper()
	flags := flagStates(t)
	var ofFlags [][2]string
	for name, state := range flags {
		if noted := s.of("--" + name); noted != "same" && !strings.HasPrefix(state, "no effect") {
			state = strings.TrimPrefix(state+"; "+noted, "same; ")
		}
		ofFlags = append(ofFlags, [2]string{"--" + name, state})
	}
	return slices.Concat(
		named("flag", "[flags.md](flags.md) says what each does.", ofFlags),
		named("metric", "[metrics.md](metrics.md) says what each tells, and which bounds series have.", metricStates(t)),
		named("value of the chart", "[charts/sluice](../charts/sluice/README.md#values) says what each does, and which there are besides.", valueStates(t, flags)))
}

func named(of, more string, rows [][2]string) []string {
	lines := []string{"", "## Every " + of, "", more, "", "| Name | State |", "|---|---|"}
	slices.SortFunc(rows, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	for _, row := range rows {
		lines = append(lines, fmt.Sprintf("| `%s` | %s |", row[0], row[1]))
	}
	return lines
}

var ofFlag = regexp.MustCompile("^\\| `--([a-z0-9-]+)`")

// flagStates are those of ingress-nginx's flags, by name.
func flagStates(t *testing.T) map[string]string {
	t.Helper()
	found, heading := map[string]string{}, ""
	elsewhere := regexp.MustCompile("`?([^ |]*?)`? \\(there `([^`]*)`\\)")
	for _, line := range read(t, "docs/flags.md").lines {
		if title, is := strings.CutPrefix(line, "## "); is {
			heading = title
		}
		name := ofFlag.FindStringSubmatch(line)
		if name == nil {
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		switch heading {
		case "Flags of ingress-nginx":
			found[name[1]] = "same"
			if other := elsewhere.FindStringSubmatch(cells[1]); other != nil {
				found[name[1]] = fmt.Sprintf("same, but for the default: `%s`, there `%s`", other[1], other[2])
			}
		case "Flags of ingress-nginx without effect":
			found[name[1]] = "no effect: " + cells[1]
		}
	}
	if len(found) != 72 {
		t.Fatalf("docs/flags.md has %d flags of ingress-nginx, which are 72", len(found))
	}
	return found
}

// metricStates compare names, types and labels of metrics with those that are registered.
func metricStates(t *testing.T) [][2]string {
	t.Helper()
	text, err := os.ReadFile("testdata/ingress-nginx-1.15.1-metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	here, kinds := registered(), documentedKinds(t)
	var rows [][2]string
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		name, kind, labels := words[0], words[1], words[2:]
		own, is := here[name]
		state := "same"
		switch diff := cmp.Diff(slices.Sorted(slices.Values(labels)), own); {
		case !is:
			state = "not supported"
		case kinds[name] != kind:
			state = fmt.Sprintf("differs: is a %s, there a %s", kinds[name], kind)
		case diff != "":
			state = fmt.Sprintf("differs: has the labels `%s`, there `%s`", strings.Join(own, "`, `"), strings.Join(labels, "`, `"))
		case slices.Contains(own, "status"):
			state = "same; [more is counted](#different-by-design)"
		case name == "nginx_ingress_controller_ssl_expire_time_seconds":
			state = "same; [differs](#different-by-design) without elections"
		}
		rows = append(rows, [2]string{name, state})
	}
	if len(rows) != 36 {
		t.Fatalf("ingress-nginx 1.15.1 has 36 metrics, this list %d", len(rows))
	}
	return rows
}

// registered are the labels of all metrics, constant ones too, by name and in order.
func registered() map[string][]string {
	all := metrics.New(metrics.Identity{Namespace: "n", Class: "c", Pod: "p"})
	all.Admission()
	all.Requests(metrics.RequestOptions{PerHost: true})
	descriptions := make(chan *prometheus.Desc)
	go func() {
		all.Registry.Describe(descriptions)
		close(descriptions)
	}()
	described := regexp.MustCompile(`fqName: "(\w+)".*constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)
	found := map[string][]string{}
	for d := range descriptions {
		parts := described.FindStringSubmatch(d.String())
		labels := []string{}
		for _, label := range strings.FieldsFunc(parts[2]+","+parts[3], func(r rune) bool { return r == ',' }) {
			name, _, _ := strings.Cut(label, "=")
			labels = append(labels, strings.TrimSpace(name))
		}
		slices.Sort(labels)
		found[parts[1]] = labels
	}
	return found
}

// documentedKinds are the types of metrics in docs/metrics.md.
func documentedKinds(t *testing.T) map[string]string {
	t.Helper()
	kinds := map[string]string{}
	row := regexp.MustCompile("^\\| `(\\w+)` \\| (\\w+) \\|")
	for _, line := range read(t, "docs/metrics.md").lines {
		if found := row.FindStringSubmatch(line); found != nil {
			kinds[found[1]] = found[2]
		}
	}
	return kinds
}

// property is the part of JSON Schema that says what a value is.
type property struct {
	Ref         string              `json:"$ref"`
	Description string              `json:"description"`
	Properties  map[string]property `json:"properties"`
}

// values are those of the chart, by name.
func (p property) values(name string, into map[string]property) {
	for key, child := range p.Properties {
		child.values(strings.TrimPrefix(name+"."+key, "."), into)
	}
	if p.Properties == nil {
		into[name] = p
	}
}

// otherwise is how a description says that ingress-nginx's chart does another thing.
var otherwise = regexp.MustCompile(`In ingress-nginx: |of ingress-nginx are refused|default of ingress-nginx`)

// valueStates compare names of values with those of the schema. What a description says of ingress-nginx counts.
func valueStates(t *testing.T, flags map[string]string) [][2]string {
	t.Helper()
	var root property
	var inert map[string]struct{ Why string }
	for name, into := range map[string]any{"values.schema.json": &root, "files/no-effect.yaml": &inert} {
		text, err := os.ReadFile(filepath.Join(top, "charts/sluice", name))
		if err == nil && filepath.Ext(name) == ".json" {
			err = json.Unmarshal(text, into)
		} else if err == nil {
			err = yaml.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	known := map[string]property{}
	root.values("", known)
	text, err := os.ReadFile(filepath.Join(top, "charts/testdata/ingress-nginx-4.15.1-values.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var rows [][2]string
	for _, name := range strings.Fields(string(text)) {
		rows = append(rows, [2]string{name, valueState(name, known, flags, func(part string) string { return inert[part].Why })})
	}
	if len(rows) < 300 || !slices.ContainsFunc(slices.Collect(maps.Keys(known)), func(name string) bool { return name == "controller.config" }) {
		t.Fatalf("there are %d values, of %d", len(rows), len(known))
	}
	return rows
}

func valueState(name string, known map[string]property, flags map[string]string, inert func(string) string) string {
	// A value may be part of one that is passed on, or has no effect, as a whole.
	for part := name; part != ""; part = part[:max(0, strings.LastIndexByte(part, '.'))] {
		if why := inert(part); why != "" {
			return "no effect: " + why
		}
	}
	for part := name; part != ""; part = part[:max(0, strings.LastIndexByte(part, '.'))] {
		p, is := known[part]
		if !is {
			continue
		}
		if f := regexp.MustCompile("^[^`]*`--([a-z-]+)[=`]").FindStringSubmatch(p.Description); f != nil && strings.HasPrefix(flags[f[1]], "no effect") {
			return flags[f[1]]
		}
		switch {
		case strings.HasPrefix(p.Description, "Refused"):
			return "not supported: " + strings.ToLower(p.Description[:1]) + strings.TrimSuffix(p.Description[1:], ".")
		case otherwise.MatchString(p.Description):
			return "[differs](../charts/sluice/README.md#values)"
		}
		return "same"
	}
	return "not supported"
}
