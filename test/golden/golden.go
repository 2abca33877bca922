// Package golden reads test cases that are one text file each: objects in, configuration and Problems out,
// and requests with the answers a real NGINX has to give.
//
// A case is a txtar archive. Its comment says what it shows. Sections:
//
//	ingress.yaml, objects.yaml  objects beside those of base.yaml
//	configmap.yaml              the controller's ConfigMap
//	options                     lines of flag=value, see Case.options
//	want/servers/HOST           the server block of a host, without its first and last lines
//	want/configmap              lines of nginx.conf that the ConfigMap takes away and adds
//	want/upstreams              upstreams.conf
//	want/streams                the stream block, and streams.conf
//	want/state                  the dynamic state, certificates left out
//	want/shapes                 the server that all hosts without settings of their own share, in dynamic mode
//	want/logs                   what the http level says of logs
//	want/problems               one line per Problem
//	requests                    see Request
package golden

import (
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/streams"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/geoip"
	"github.com/sluice-ingress/sluice/templates"
)

var update = flag.Bool("update", false, "write what comes out into the cases")

// Updating tells whether tests shall write what comes out instead of comparing.
func Updating() bool { return *update }

//go:embed base.yaml
var base []byte

// Case is one test case.
type Case struct {
	Path     string
	Archive  *txtar.Archive
	Objects  cluster.Objects
	Notes    []cluster.Note
	Options  controller.Options
	Requests []Request
}

// Now is the time in all cases.
var Now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// Render are the options with which cases are rendered.
var Render = templates.Options{
	StateDir: "/run/sluice", LuaDir: "/etc/nginx/lua", Workers: 2, OpenFiles: 4096,
	ModulesDir: "/usr/lib/nginx/modules",
	Modules: []string{
		"/usr/lib/nginx/modules/ndk_http_module.so", "/usr/lib/nginx/modules/ngx_http_lua_module.so",
		"/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so",
	},
	StreamModules:   []string{"/usr/lib/nginx/modules/ngx_stream_module.so", "/usr/lib/nginx/modules/ngx_stream_js_module.so"},
	ShutdownTimeout: 10 * time.Second, AccessLog: "/var/log/nginx/access.log", ErrorLog: "/var/log/nginx/error.log",
	HTTPPort: 8080, HTTPSPort: 8443, StreamPort: 10247,
}

// Files lists the cases below a directory.
func Files(t testing.TB, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases in %s (%v)", dir, err)
	}
	return files
}

// CheckAll checks every case of a directory.
func CheckAll(t *testing.T, dir string) {
	t.Helper()
	for _, path := range Files(t, dir) {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { Load(t, path).Check(t) })
	}
}

// Load reads a case.
func Load(t testing.TB, path string) Case {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return New(t, path, archive)
}

// New reads the sections of a case.
func New(t testing.TB, path string, archive *txtar.Archive) Case {
	t.Helper()
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := Case{Path: path, Archive: archive, Options: controller.Options{
		Translate: translate.Options{ReportUnclaimed: true, SelfSigned: SelfSigned, Selection: cluster.Selection{WithoutClass: true}},
		Render:    Render, Templates: set, Streams: streams.Options{Reserved: map[int]string{8080: "HTTP", 8443: "HTTPS", 10247: "--stream-port"}},
	}}
	c.add(t, "base.yaml", base)
	for _, f := range archive.Files {
		switch {
		case f.Name == "configmap.yaml":
			c.Options.Translate.ConfigMap = cluster.Name{Namespace: "ingress-nginx", Name: "controller"}
			c.add(t, f.Name, f.Data)
		case strings.HasSuffix(f.Name, ".yaml"):
			c.add(t, f.Name, f.Data)
		case f.Name == "options":
			c.options(t, string(f.Data))
		case f.Name == "requests":
			if c.Requests, err = parseRequests(string(f.Data)); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
		case !strings.HasPrefix(f.Name, "want/"):
			t.Fatalf("%s: section %s is unknown", path, f.Name)
		}
	}
	return c
}

func (c *Case) add(t testing.TB, name string, data []byte) {
	objects, notes := cluster.Decode(name, fill(data))
	c.Objects = c.Objects.Merge(objects)
	c.Notes = append(c.Notes, notes...)
	if name == "base.yaml" && len(notes) > 0 {
		t.Fatalf("base.yaml: %v", notes)
	}
}

// options reads flags; missing-edition, which is one of --maxmind-edition-ids that is not there; and zone and node, where the
// controller runs with topology-aware routing.
func (c *Case) options(t testing.TB, text string) {
	o := &c.Options.Translate
	for _, line := range strings.Fields(text) {
		key, value, _ := strings.Cut(line, "=")
		namespace, name, _ := strings.Cut(value, "/")
		switch key {
		case "default-backend-service":
			o.DefaultBackend = cluster.Name{Namespace: namespace, Name: name}
		case "default-ssl-certificate":
			o.DefaultSecret = cluster.Name{Namespace: namespace, Name: name}
		case "tcp-services-configmap":
			c.Options.Streams.TCP = cluster.Name{Namespace: namespace, Name: name}
		case "udp-services-configmap":
			c.Options.Streams.UDP = cluster.Name{Namespace: namespace, Name: name}
		case "enable-ssl-passthrough":
			o.Passthrough = true
		case "disable-catch-all":
			o.Selection.DisableCatchAll = true
		case "disable-svc-external-name":
			o.DisableExternalName = true
		case "watch-namespace":
			o.Selection.WatchNamespace = value
		case "watch-namespace-selector":
			selector, err := labels.Parse(value)
			if err != nil {
				t.Fatalf("%s: %v", c.Path, err)
			}
			o.Selection.Namespaces = selector
		case "routing":
			if value != "dynamic" {
				t.Fatalf("%s: there is no routing %s", c.Path, value)
			}
			c.Options.Routing = controller.Dynamic
		case "maxmind-edition-ids":
			var err error
			if o.Databases, err = geoip.Wanted(value, geoip.Directory); err != nil {
				t.Fatalf("%s: %v", c.Path, err)
			}
		case "missing-edition":
			for i, d := range o.Databases {
				if d.Edition == value {
					o.Databases[i].Flaw = "does not exist"
				}
			}
		case "zone":
			o.Zone = value
		case "node":
			o.Node = value
		default:
			t.Fatalf("%s: option %s is unknown", c.Path, key)
		}
	}
}

// Snapshot returns the objects of the case.
func (c Case) Snapshot() cluster.Snapshot {
	s := cluster.FromObjects(c.Objects)
	s.Notes, s.Now = c.Notes, Now
	return s
}

// Plan plans the case.
func (c Case) Plan(t testing.TB) controller.Plan {
	t.Helper()
	plan, err := c.Options.Plan(c.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// Check compares what comes out with the case's want sections, or writes them with -update.
func (c Case) Check(t *testing.T) {
	t.Helper()
	plan := c.Plan(t)
	if !slices.ContainsFunc(c.Archive.Files, func(f txtar.File) bool { return f.Name == "want/problems" }) {
		c.Archive.Files = append(c.Archive.Files, txtar.File{Name: "want/problems"})
		if !*update && len(plan.Problems) > 0 {
			t.Errorf("there are Problems:\n%s", problems(plan))
		}
	}
	for i := range c.Archive.Files {
		f := &c.Archive.Files[i]
		what, is := strings.CutPrefix(f.Name, "want/")
		if !is {
			continue
		}
		got := c.section(t, plan, what)
		if *update {
			f.Data = []byte(got)
		} else if diff := cmp.Diff(strings.Split(string(f.Data), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s differs (-want +got); go test -update writes it:\n%s", f.Name, diff)
		}
	}
	if *update {
		c.write(t)
	}
}

func (c Case) write(t *testing.T) {
	c.Archive.Files = slices.DeleteFunc(c.Archive.Files, func(f txtar.File) bool {
		return f.Name == "want/problems" && len(f.Data) == 0
	})
	if err := os.WriteFile(c.Path, txtar.Format(c.Archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (c Case) section(t *testing.T, plan controller.Plan, what string) string {
	switch host, isServer := strings.CutPrefix(what, "servers/"); {
	case isServer:
		text, err := c.Options.Templates.Server(plan.Config, host, c.Options.Render)
		if err != nil {
			return err.Error() + "\n"
		}
		return dedent(text)
	case what == "shapes":
		return c.section(t, plan, "servers/_")
	case what == "configmap":
		without := c
		without.Options.Translate.ConfigMap = cluster.Name{}
		return changed(without.Plan(t), plan)
	case what == "upstreams":
		text, _ := plan.Files.Get("upstreams.conf")
		return string(text)
	case what == "streams":
		main, _ := plan.Files.Get("nginx.conf")
		_, block, _ := strings.Cut(string(main), "\nstream {\n")
		text, _ := plan.Files.Get("streams.conf")
		return "stream {\n" + block + "# streams.conf\n" + string(text)
	case what == "logs":
		text, err := plan.Config.HTTP.AccessLog.Directives(c.Options.Render.AccessLog).Encode("")
		if err != nil {
			return err.Error() + "\n"
		}
		return text
	case what == "state":
		return state(t, plan.Dynamic)
	case what == "problems":
		return problems(plan)
	}
	t.Fatalf("%s: section want/%s is unknown", c.Path, what)
	return ""
}

// dedent drops the lines of the server block that every server has, and the indent.
func dedent(text string) string {
	var out []string
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		inner, is := strings.CutPrefix(line, "    ")
		if is && !strings.HasPrefix(inner, "listen ") {
			out = append(out, inner)
		}
	}
	return strings.Join(out, "\n") + "\n"
}

// changed are the lines of nginx.conf that only one of the plans has, each once. That the plans' generations differ goes
// without saying.
func changed(before, after controller.Plan) string {
	lines := func(p controller.Plan) []string {
		text, _ := p.Files.Get("nginx.conf")
		return strings.Split(strings.ReplaceAll(string(text), p.Files.Generation, ""), "\n")
	}
	var b strings.Builder
	only := func(mark string, list, others []string) {
		seen := map[string]bool{}
		for _, line := range list {
			if !seen[line] && !slices.Contains(others, line) {
				fmt.Fprintf(&b, "%s %s\n", mark, line)
			}
			seen[line] = true
		}
	}
	only("-", lines(before), lines(after))
	only("+", lines(after), lines(before))
	return b.String()
}

func problems(plan controller.Plan) string {
	var b strings.Builder
	for _, p := range plan.Problems {
		fmt.Fprintf(&b, "%s %s\n", p.Severity, p.Object)
		if p.File != "" {
			fmt.Fprintf(&b, "  %s:%d\n", p.File, p.Line)
		}
		fmt.Fprintf(&b, "  %s\n  %s: %s\n", p.Field, p.Reason, p.Message)
	}
	return b.String()
}

func state(t *testing.T, s dynamic.State) string {
	update := dynamic.Full(s, 1)
	update.Certificates, update.Settings = nil, nil
	text, err := json.MarshalIndent(update, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n"
}
