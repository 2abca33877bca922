package charts_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// metric is how Prometheus stores a metric of the controller.
type metric struct {
	kind   string
	labels []string
}

// metrics are those in docs/metrics.md, which a test of its own compares with what is registered.
func metrics(t testing.TB) map[string]metric {
	t.Helper()
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	// These are of Prometheus' own collectors.
	all := map[string]metric{"process_cpu_seconds_total": {kind: "counter"}, "process_resident_memory_bytes": {kind: "gauge"}}
	row := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| (.*?) \\|")
	for _, found := range row.FindAllStringSubmatch(string(page), -1) {
		m := metric{kind: found[2]}
		for _, label := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(found[3], -1) {
			m.labels = append(m.labels, label[1])
		}
		if strings.HasPrefix(found[1], "nginx_ingress_controller_ssl_") {
			m.labels = append(m.labels, "class")
		} else if strings.HasPrefix(found[1], "nginx_ingress_controller_") {
			m.labels = append(m.labels, "controller_namespace", "controller_class", "controller_pod")
		}
		all[found[1]] = m
	}
	if len(all) < 50 {
		t.Fatalf("docs/metrics.md has only %d metrics", len(all))
	}
	return all
}

// labelsOf are the labels of series of a name, and whether there are such series.
func labelsOf(all map[string]metric, name string) ([]string, bool) {
	// Those of the target that all Prometheus have; what they hide of the metric gets the prefix exported_.
	target := []string{"job", "instance", "namespace"}
	m, found := all[name]
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if whole, cut := strings.CutSuffix(name, suffix); cut && all[whole].kind == "histogram" {
			m, found = all[whole], true
			m.labels = append(slices.Clone(m.labels), "le")
			if suffix != "_bucket" {
				m.labels = all[whole].labels
			}
			return withTarget(m.labels, target), true
		}
	}
	return withTarget(m.labels, target), found && m.kind != "histogram"
}

func withTarget(own, target []string) []string {
	made := slices.Concat(own, target)
	for _, label := range own {
		if slices.Contains(target, label) {
			made = append(made, "exported_"+label)
		}
	}
	return made
}

// misuse are names and labels in an expression that nothing exposes.
func misuse(all map[string]metric, expression string) (wrong []string, err error) {
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expression)
	if err != nil {
		return nil, err
	}
	// A label may be grouped by if any selector below has it.
	var walk func(n parser.Node) []string
	walk = func(n parser.Node) []string {
		var known []string
		for child := range parser.ChildrenIter(n) {
			known = append(known, walk(child)...)
		}
		switch n := n.(type) {
		case *parser.VectorSelector:
			own, exists := labelsOf(all, n.Name)
			if !exists {
				wrong = append(wrong, "metric "+n.Name)
			}
			for _, m := range n.LabelMatchers {
				if m.Name != model.MetricNameLabel && !slices.Contains(own, m.Name) {
					wrong = append(wrong, "label "+m.Name+" of "+n.Name)
				}
			}
			return own
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				if !slices.Contains(known, label) {
					wrong = append(wrong, "label "+label)
				}
			}
			if !n.Without {
				return n.Grouping
			}
		}
		return known
	}
	walk(tree)
	return wrong, nil
}

func TestMisuseIsFound(t *testing.T) {
	all := metrics(t)
	for expression, want := range map[string][]string{
		`sum by (job, ingress, exported_namespace) (rate(nginx_ingress_controller_requests{status=~"5.."}[5m]))`: nil,
		`histogram_quantile(0.9, sum by (le) (rate(sluice_plan_duration_seconds_bucket[5m])))`:                   nil,
		`sluice_plan_duration_seconds_sum{le="1"}`:                                                               {"label le of sluice_plan_duration_seconds_sum"},
		`sluice_plan_duration_seconds`:                                                                           {"metric sluice_plan_duration_seconds"},
		`nginx_ingress_controller_request`:                                                                       {"metric nginx_ingress_controller_request"},
		`sum by (host) (sluice_ingresses)`:                                                                       {"label host"},
		`sum by (kind) (sum by (job) (sluice_quarantined_objects{kin="Ingress"}))`:                               {"label kin of sluice_quarantined_objects", "label kind"},
	} {
		got, err := misuse(all, expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expression, diff)
		}
	}
	if _, err := misuse(all, `sum(rate(sluice_ingresses[5m])`); err == nil {
		t.Error("what lacks a bracket is an expression")
	}
}

// alert is a rule as files/alerts.yaml has it.
type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

func alerts(t testing.TB) []alert {
	t.Helper()
	text, err := os.ReadFile(chartDir + "/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list []alert
	if err := yaml.UnmarshalStrict(text, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) == 0 {
		t.Fatal("there are no alerts")
	}
	return list
}

// ofPrometheus are the functions of Prometheus' templates that alerts use.
var ofPrometheus = template.FuncMap{"humanize": fmt.Sprint, "humanizeDuration": fmt.Sprint, "humanizePercentage": fmt.Sprint}

// TestAlerts wants each alert to go by what there is, to say something to people, and to be in the schema.
func TestAlerts(t *testing.T) {
	all := metrics(t)
	var names []string
	quoted := regexp.MustCompile(`\$labels\.(\w+)`)
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
		wrong, err := misuse(all, a.Expr)
		if err != nil || len(wrong) > 0 {
			t.Errorf("%s: %q is not there, or %v", a.Alert, wrong, err)
		}
		if a.Labels["severity"] == "" || a.Annotations["summary"] == "" || a.Annotations["description"] == "" {
			t.Errorf("%s has no severity, summary or description", a.Alert)
		}
		for name, text := range a.Annotations {
			if _, err := template.New(name).Funcs(ofPrometheus).Parse("{{ $labels := .Labels }}{{ $value := .Value }}" + text); err != nil {
				t.Errorf("%s: %v", a.Alert, err)
			}
		}
		for _, label := range quoted.FindAllStringSubmatch(a.Annotations["description"], -1) {
			if !regexp.MustCompile(`by \([^)]*\b` + label[1] + `\b`).MatchString(a.Expr) {
				t.Errorf("%s speaks of the label %s, which it does not keep", a.Alert, label[1])
			}
		}
	}
	var schema struct {
		Properties struct {
			Controller struct {
				Properties struct {
					Metrics struct {
						Properties struct {
							PrometheusRule struct {
								Properties struct {
									DefaultRules struct {
										Properties struct {
											Disabled struct{ Items struct{ Enum []string } }
										}
									}
								}
							}
						}
					}
				}
			}
		}
	}
	text, err := os.ReadFile(chartDir + "/values.schema.json")
	if err == nil {
		err = json.Unmarshal(text, &schema)
	}
	if err != nil {
		t.Fatal(err)
	}
	listed := schema.Properties.Controller.Properties.Metrics.Properties.PrometheusRule.Properties.DefaultRules.Properties.Disabled.Items.Enum
	if diff := gocmp.Diff(names, listed); diff != "" {
		t.Errorf("values.schema.json lists other alerts (-alerts +schema):\n%s", diff)
	}
}

// variable stands for what Grafana puts in place of variables.
var variable = strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*", "$ingress", ".*", "$host", ".*")

// TestDashboards wants each panel to show what there is, and each variable to be known.
func TestDashboards(t *testing.T) {
	files, err := filepath.Glob(chartDir + "/files/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no dashboards: %v", err)
	}
	all, uids := metrics(t), map[string]bool{}
	for _, file := range files {
		var dashboard struct {
			UID        string
			Templating struct {
				List []struct{ Name, Query string }
			}
			Panels []struct {
				Title   string
				Type    string
				Targets []struct{ Expr string }
			}
		}
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &dashboard)
		}
		if err != nil {
			t.Fatal(err)
		}
		if dashboard.UID == "" || uids[dashboard.UID] {
			t.Errorf("%s has no uid of its own", file)
		}
		uids[dashboard.UID] = true
		known := map[string]bool{"__rate_interval": true}
		for _, v := range dashboard.Templating.List {
			known[v.Name] = true
			ask := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(v.Query)
			if v.Name == "datasource" {
				continue
			}
			if ask == nil {
				t.Fatalf("%s: variable %s asks %q", file, v.Name, v.Query)
			}
			checkPanel(t, all, file+": variable "+v.Name, "sum by ("+ask[2]+") ("+ask[1]+")", known)
		}
		for _, panel := range dashboard.Panels {
			if panel.Type != "row" && len(panel.Targets) == 0 {
				t.Errorf("%s: %s shows nothing", file, panel.Title)
			}
			for _, target := range panel.Targets {
				checkPanel(t, all, file+": "+panel.Title, target.Expr, known)
			}
		}
	}
}

func checkPanel(t *testing.T, all map[string]metric, where, expression string, known map[string]bool) {
	t.Helper()
	for _, used := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(expression, -1) {
		if !known[used[1]] {
			t.Errorf("%s: nobody knows $%s", where, used[1])
		}
	}
	wrong, err := misuse(all, variable.Replace(expression))
	if err != nil || len(wrong) > 0 {
		t.Errorf("%s: %s: %q is not there, or %v", where, expression, wrong, err)
	}
}

// TestAlertsAreChosen has the values that decide which alerts there are, beside a user's own rules.
func TestAlertsAreChosen(t *testing.T) {
	var names []string
	for _, a := range alerts(t) {
		names = append(names, a.Alert)
	}
	for values, want := range map[string]map[string][]string{
		`{enabled: true}`: {},
		`{enabled: true, rules: [{alert: Mine, expr: vector(1)}]}`:                                                                {"sluice": {"Mine"}},
		`{enabled: true, rules: [{alert: Mine, expr: vector(1)}], defaultRules: {enabled: true}}`:                                 {"sluice": {"Mine"}, "sluice-default": names},
		`{enabled: true, defaultRules: {enabled: true, disabled: [` + strings.Join(names[1:], ", ") + `]}}`:                       {"sluice-default": names[:1]},
		`{enabled: true, defaultRules: {enabled: true, labels: {severity: page}, disabled: [` + names[0] + `]}}`:                  {"sluice-default": names[1:]},
		`{enabled: true, defaultRules: {enabled: true, disabled: [` + strings.Join(names, ", ") + `]}, additionalLabels: {a: b}}`: {},
	} {
		r := render(t, installation{values: controllerValues(t, `{metrics: {enabled: true, prometheusRule: `+values+`}}`)})
		got := map[string][]string{}
		for _, object := range r.objects {
			if object.GetKind() != "PrometheusRule" {
				continue
			}
			groups, _, err := unstructured.NestedSlice(object.Object, "spec", "groups")
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range groups {
				group := group.(map[string]any)
				for _, rule := range group["rules"].([]any) {
					rule := rule.(map[string]any)
					got[group["name"].(string)] = append(got[group["name"].(string)], rule["alert"].(string))
					if severity, _, _ := unstructured.NestedString(rule, "labels", "severity"); strings.Contains(values, "page") && severity != "page" {
						t.Errorf("%s: %s has severity %s", values, rule["alert"], severity)
					}
				}
			}
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s: the rules are others (-want +got):\n%s", values, diff)
		}
	}
}
