package annotations_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/golden"
)

const badValuesFile = "../docs/bad-values.md"

// TestBadValues keeps the table of bad values in step with what plans make of them. No annotation is without a bad value, and
// none of these passes without a Problem that names the annotation.
func TestBadValues(t *testing.T) {
	want := badValues(t)
	if golden.Updating() {
		if err := os.WriteFile(badValuesFile, []byte(want), 0o644); err != nil { //nolint:gosec // it is for everyone
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(badValuesFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(got), "\n"), strings.Split(want, "\n")); diff != "" {
		t.Errorf("%s is stale; go test ./annotations -update writes it (-is +should be):\n%s", badValuesFile, diff)
	}
}

const badValuesIntro = `# Bad values

<!-- Written by go test ./annotations -update; do not edit. -->

What a bad value of each annotation does: each row is the plan for an Ingress with one path and this annotation. Tried are typing errors,
numbers beyond all limits, an attempt to break out of the configuration, a line end, a reference to nothing, and a text that is too long;
shown is the first of those that do the same. The attempt is refused or taken as a text by every annotation.

- **default**: the same is served as without the annotation, byte for byte.
- **503**: the path answers 503 until the value is mended.
- **403**: the whole host answers 403 until the value is mended.
- **nobody instead**: the path is served as without the annotation, but nobody is there to answer in the place that the annotation is for.
- **last good version**: the change is not made. Without a last good version the Ingress is not served.
`

// tried are values that are bad for some annotations. Each is bad for many, the last for all.
var tried = []string{
	"maybe", "-1", "99999999999999999999", attack, "a\nb", "$nope", "shop/none", "0", strings.Repeat("x", 256<<10+1),
}

// attack would end a directive, and a block, if it were not quoted.
const attack = `x"; } evil {`

func badValues(t *testing.T) string {
	var b strings.Builder
	b.WriteString(badValuesIntro)
	without := planWith(t, "", "", cluster.Fallback{})
	feature := ""
	for _, e := range annotations.Reference() {
		if e.Key == "" {
			continue
		}
		if e.Feature != feature {
			feature = e.Feature
			badHeading(&b, feature)
		}
		b.WriteString(badRows(t, without, e.Key, tried))
	}
	var missing []string
	for _, names := range annotations.Missing() {
		missing = append(missing, names...)
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		badHeading(&b, "Annotations of ingress-nginx that are not supported yet")
	}
	for _, key := range missing {
		b.WriteString(badRows(t, without, key, []string{"maybe"}))
	}
	return b.String()
}

// hasEvil tells whether NGINX would read what the attack is after.
func hasEvil(t *testing.T, text string) bool {
	t.Helper()
	list, err := nginx.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var isEvil func(nginx.Parsed) bool
	isEvil = func(d nginx.Parsed) bool { return d.Name() == "evil" || slices.ContainsFunc(d.Block, isEvil) }
	return slices.ContainsFunc(list, isEvil)
}

func badHeading(b *strings.Builder, title string) {
	fmt.Fprintf(b, "\n## %s\n\n| Annotation | Bad value | Served | Problem | Message |\n|---|---|---|---|---|\n", title)
}

// badRows tries the values that are given. Those which do what another has done are left out.
func badRows(t *testing.T, without controller.Plan, key string, values []string) string {
	t.Helper()
	var b strings.Builder
	var seen []string
	for _, value := range values {
		if len(value) > 100 && len(seen) > 0 {
			continue
		}
		plan := planWith(t, key, value, cluster.Fallback{})
		if text, _ := plan.Files.Get("nginx.conf"); value == attack && hasEvil(t, string(text)) {
			t.Errorf("%s: %q is a directive", key, value)
		}
		problem, found := problemOf(plan, key)
		if !found {
			continue
		}
		what := served(t, without, plan, key, value)
		if kind := what + string(problem.Reason); !slices.Contains(seen, kind) {
			seen = append(seen, kind)
			fmt.Fprintf(&b, "| `%s` | %s | %s | [%s](reasons.md#%s) | %s |\n",
				key, shown(value), what, problem.Reason, strings.ToLower(string(problem.Reason)), cell(problem.Message))
		}
	}
	if len(seen) == 0 {
		t.Errorf("%s: no value is bad", key)
	}
	return b.String()
}

const badIngress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop, annotations: {%s}}
spec:
  rules:
  - host: bad.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: echo, port: {number: 80}}}}]}
`

// planWith plans the Ingress with one annotation, or none. Fallback is what was good before.
func planWith(t *testing.T, key, value string, fallback cluster.Fallback) controller.Plan {
	t.Helper()
	annotation := ""
	if key != "" {
		annotation = "nginx.ingress.kubernetes.io/" + key + ": " + strconv.Quote(value)
	}
	c := golden.New(t, key, &txtar.Archive{Files: []txtar.File{{Name: "ingress.yaml", Data: fmt.Appendf(nil, badIngress, annotation)}}})
	s := c.Snapshot()
	s.Fallback = fallback
	plan, err := c.Options.Plan(s)
	if err != nil {
		t.Fatalf("%s: %.80q cannot be written: %v", key, value, err)
	}
	return plan
}

// problemOf finds the Problem with an annotation.
func problemOf(plan controller.Plan, key string) (translate.Problem, bool) {
	i := slices.IndexFunc(plan.Problems, func(p translate.Problem) bool {
		return p.Object.Name == "web" && p.Field == "metadata.annotations[nginx.ingress.kubernetes.io/"+key+"]"
	})
	if i < 0 {
		return translate.Problem{}, false
	}
	return plan.Problems[i], true
}

// served is what becomes of the path.
func served(t *testing.T, without, plan controller.Plan, key, value string) string {
	t.Helper()
	for _, server := range plan.Config.Servers {
		if server.Name != "bad.example.com" {
			continue
		}
		switch denied := server.Locations[0].Denied; {
		case denied && server.Directives != nil:
			return "403"
		case denied:
			return "503"
		case isSame(without, plan):
			return "default"
		case server.Locations[0].Fallback != "" && !hasEndpoints(plan, server.Locations[0].Fallback):
			return "nobody instead"
		}
		t.Errorf("%s: %.80q is served in another way than without it", key, value)
		return "?"
	}
	if !isSame(without, planWith(t, key, value, without.Good)) {
		t.Errorf("%s: with %.80q the last good version is not served", key, value)
	}
	return "last good version"
}

func hasEndpoints(plan controller.Plan, backend string) bool {
	entry := plan.Dynamic.Backends.At(backend)
	return len(entry.Endpoints)+len(entry.Names) > 0
}

func isSame(a, b controller.Plan) bool {
	return a.Files.Generation == b.Files.Generation && reflect.DeepEqual(a.Dynamic, b.Dynamic)
}

// shown is a value as the table has it.
func shown(value string) string {
	if len(value) > 100 {
		return fmt.Sprintf("%d bytes", len(value))
	}
	quoted := strconv.Quote(value)
	return code(strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`))
}
