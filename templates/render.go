// Package templates lays out the words of package nginx as text: nginx.conf and the files beside it.
//
// It turns an nginx.Config into nginx.Files. It decides nothing: no policy is in a condition here or in a
// template. Every action of every template, ours or a user's, is escaped by the encoder of package
// nginx; see escape.go.
package templates

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

//go:embed *.tmpl
var embedded embed.FS

// Names are the names of the template files, the first being the whole.
var Names = []string{"nginx.tmpl", "http.tmpl", "server.tmpl", "location.tmpl", "shape.tmpl", "upstream.tmpl", "stream.tmpl"}

// Set is a set of templates, ready to render.
type Set struct{ set *template.Template }

// New parses our templates with some of them replaced, by name. A template that could print something
// unescaped is an error.
func New(replaced map[string]string) (*Set, error) {
	files := map[string]string{}
	for _, name := range Names {
		text, err := embedded.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read template %s: %w", name, err)
		}
		files[name] = string(text)
	}
	maps.Copy(files, replaced)
	set, err := parse(files)
	if err != nil {
		return nil, err
	}
	return &Set{set}, nil
}

// Options are the surroundings of a configuration: paths, ports and sizes of the process.
type Options struct {
	StateDir        string // sockets, state and temporary files
	LuaDir          string
	Modules         []string // files of dynamic modules
	ModulesDir      string   // where those are that not every configuration needs
	StreamModules   []string // likewise, if there are streams
	Workers         int      // worker processes; 0 is one per CPU of the machine
	OpenFiles       int      // per worker
	ShutdownTimeout time.Duration
	AccessLog       string
	ErrorLog        string
	HTTPPort        int
	HTTPSPort       int
	StreamPort      int // on loopback, where NGINX finds the endpoints of streams
	IPv6            bool
	HealthPath      string // answers 200 on hosts that nobody names; "" is /healthz
	CountsRequests  bool   // workers write the log that package meter reads
}

// Health is the path that answers 200.
func (o Options) Health() string { return cmp.Or(o.HealthPath, "/healthz") }

// Render writes a configuration. Memory makes later calls cheaper; it may be nil.
func (s *Set) Render(c nginx.Config, o Options, m *Memory) (nginx.Files, error) {
	if m == nil {
		m = NewMemory()
	}
	m.begin(s, o, c)
	r, err := s.renderer(c, o)
	if err != nil {
		return nginx.Files{}, err
	}
	r.memory = m
	if err := r.servers(); err != nil {
		return nginx.Files{}, err
	}
	if err := r.upstreams(); err != nil {
		return nginx.Files{}, err
	}
	return r.files()
}

// renderer holds what is being written.
type renderer struct {
	*recorder
	options Options
	config  nginx.Config
	memory  *Memory
	asked   []string // variables; see there

	serverTexts []string
}

func (s *Set) renderer(c nginx.Config, o Options) (*renderer, error) {
	recorder, err := record(s.set)
	return &renderer{recorder: recorder, options: o, config: c, asked: asked(c.HTTP)}, err
}

func (r *renderer) servers() error {
	m := r.memory
	if isOne(r.config.Servers, m.last.servers) {
		r.serverTexts = m.last.texts
		return nil
	}
	known := m.servers
	m.servers, m.last.servers, m.last.main = make(map[*nginx.Server]renderedServer, len(known)), nil, mainText{}
	for _, s := range r.config.Servers {
		text, is := known[s]
		if !is {
			var err error
			if text, err = r.server(s); err != nil {
				return fmt.Errorf("%s: %w", s.Owner, err)
			}
		}
		m.servers[s] = text
		r.serverTexts = append(r.serverTexts, text.text)
	}
	m.last.servers, m.last.texts = r.config.Servers, r.serverTexts
	return nil
}

func (r *renderer) server(s *nginx.Server) (renderedServer, error) {
	view := r.serverView(s)
	var parts []string
	var needs nginx.Directives
	for _, l := range s.Locations {
		needs = append(needs, l.Needs...)
		text, err := r.execute("location.tmpl", r.locationView(s, l))
		if err != nil {
			return renderedServer{}, fmt.Errorf("%s: %w", l.Owner, err)
		}
		view.Locations, parts = append(view.Locations, fragment(text)), append(parts, text)
	}
	for _, shape := range s.Shapes {
		needs = append(needs, shape.Needs...)
		text, err := r.execute("shape.tmpl", r.shapeView(shape))
		if err != nil {
			return renderedServer{}, fmt.Errorf("shape %s: %w", shape.Name, err)
		}
		view.Shapes, parts = append(view.Shapes, fragment(text)), append(parts, text)
	}
	text, err := r.execute("server.tmpl", view)
	if err != nil {
		return renderedServer{}, err
	}
	made := renderedServer{fragment(text), strings.Count(text, "\n") + len(separator), nginx.Spans(text, parts), nil}
	for _, d := range needs {
		text, err := d.Encode("  ")
		if err != nil {
			return renderedServer{}, err
		}
		made.needs = append(made.needs, text)
	}
	slices.Sort(made.needs)
	made.needs = slices.Compact(made.needs)
	return made, nil
}

// separator stands between the texts of servers.
const separator = "\n"

// layout finds the servers in nginx.conf. A template that leaves them out has none.
func (r *renderer) layout(text string) nginx.Layout {
	if len(r.serverTexts) == 0 {
		return nil
	}
	at := strings.Index(text, r.serverTexts[0])
	if at < 0 {
		return nil
	}
	layout, first := make(nginx.Layout, 0, len(r.serverTexts)), strings.Count(text[:at], "\n")
	for _, s := range r.config.Servers {
		made := r.memory.servers[s]
		layout = append(layout, nginx.Placed{Server: s, Span: nginx.Span{First: int32(first), Lines: int32(made.lines)}, Parts: made.parts})
		first += made.lines
	}
	return layout
}

// upstreams writes upstreams.conf. Endpoints are in the file, so that NGINX has them when it starts
// alone, but not in the hash: new ones reach the workers as data.
func (r *renderer) upstreams() error {
	m := r.memory
	if isOne(r.config.Upstreams, m.last.upstreams) {
		return nil
	}
	before := m.upstreams
	m.upstreams, m.last.upstreams = make(map[string]rememberedUpstream, len(before)), nil
	hash, text := sha256.New(), bytes.Buffer{}
	for _, u := range r.config.Upstreams {
		known := before[u.Name]
		if known.bare == "" || known.keepalive != u.Keepalive || len(u.Settings) > 0 || !slices.Equal(known.endpoints, u.Endpoints) {
			var err error
			if known, err = r.upstream(u); err != nil {
				return fmt.Errorf("upstream %s: %w", u.Name, err)
			}
		}
		m.upstreams[u.Name] = known
		hash.Write([]byte(known.bare))
		text.WriteString(known.text)
	}
	sum := hash.Sum(nil)
	if !bytes.Equal(sum, m.last.hash) {
		m.last.main = mainText{}
	}
	m.last.upstreams, m.last.upstreamText, m.last.hash = r.config.Upstreams, text.Bytes(), sum
	return nil
}

func (r *renderer) upstream(u *nginx.Upstream) (rememberedUpstream, error) {
	made := rememberedUpstream{keepalive: u.Keepalive, endpoints: u.Endpoints}
	all := r.config.HTTP.Keepalive
	view := upstreamView{
		Name: nginx.Verbatim(u.Name), Keepalive: u.Keepalive, Settings: u.Settings,
		KeepaliveTime: wholeHours(all.Time), KeepaliveTimeout: nginx.Seconds(all.Timeout), KeepaliveRequests: all.Requests,
	}
	var err error
	if made.bare, err = r.execute("upstream.tmpl", view); err != nil {
		return made, err
	}
	for _, e := range u.Endpoints {
		view.Endpoints = append(view.Endpoints, nginx.Verbatim(e))
	}
	made.text, err = r.execute("upstream.tmpl", view)
	return made, err
}

// wholeHours writes a time in hours if that is exact, as people do, and in seconds otherwise.
func wholeHours(d time.Duration) nginx.Arg {
	if hours := d / time.Hour; hours > 0 && d%time.Hour == 0 {
		return nginx.Concat(nginx.Int(int(hours)), nginx.Verbatim("h"))
	}
	return nginx.Seconds(d)
}

// files puts everything together.
func (r *renderer) files() (nginx.Files, error) {
	last := &r.memory.last
	if last.main.generation == "" {
		main, err := r.main()
		if err != nil {
			return nginx.Files{}, err
		}
		last.main = main
	}
	pair := r.config.HTTP.DefaultCertificate
	list := []nginx.File{
		{Name: "nginx.conf", Content: last.main.text},
		{Name: "upstreams.conf", Content: last.upstreamText},
		{Name: certificateFile, Content: []byte(pair.Chain)},
		{Name: keyFile, Content: []byte(pair.Key.Reveal()), Secret: true},
	}
	if len(last.main.errors) > 0 {
		list = append(list, nginx.File{Name: "errors.conf", Content: last.main.errors})
	}
	if !r.config.Streams.IsEmpty() {
		text, _, err := r.streams()
		if err != nil {
			return nginx.Files{}, err
		}
		list = append(list, nginx.File{Name: streamsFile, Content: []byte(text)})
	}
	list = append(list, last.main.files...)
	return nginx.Files{Generation: last.main.generation, Shapes: last.main.shapes, Layout: last.main.layout, List: list}, nil
}

// errorService is what all locations that ask error services have in common, guards of other locations have no say there;
// "" if there are none.
func (r *renderer) errorService() (string, error) {
	if !r.config.AsksErrorService() {
		return "", nil
	}
	list := nginx.Directives{
		nginx.D("allow", nginx.Verbatim("all")),
		nginx.D("proxy_intercept_errors", nginx.OnOff(false)),
		pass(nginx.HTTP1, nginx.ErrorUpstream),
	}
	list = append(list, setHeaders(nginx.HTTP1, r.config.HTTP.ErrorHeaders)...)
	text, err := list.Encode("")
	if err == nil {
		err = check(text, []printed{{0, len(text), directives, list}})
	}
	if err != nil {
		return "", fmt.Errorf("render errors.conf: %w", err)
	}
	return text, nil
}

// main writes nginx.conf. The configuration carries its own name, the hash of all else, so that workers can report which one
// they run.
func (r *renderer) main() (mainText, error) {
	view := r.mainView()
	text, err := r.execute("nginx.tmpl", view)
	if err != nil {
		return mainText{}, err
	}
	errors, err := r.errorService()
	if err != nil {
		return mainText{}, err
	}
	_, streams, err := r.streams()
	if err != nil {
		return mainText{}, err
	}
	files := r.config.Files()
	tracing := ""
	if t := r.config.HTTP.Tracing; t != nil {
		file, err := t.File()
		if err != nil {
			return mainText{}, fmt.Errorf("write %s: %w", nginx.TracingFile, err)
		}
		files, tracing = append(files, file), string(file.Content)
	}
	pair, sum := r.config.HTTP.DefaultCertificate, sha256.New()
	pieces := []string{text, errors, streams, tracing, string(r.memory.last.hash), pair.Chain, pair.Key.Reveal()}
	if versions := r.config.HTTP.ReadFiles; versions != "" {
		pieces = append(pieces, versions)
	}
	for _, piece := range pieces {
		fmt.Fprintf(sum, "%d\n%s", len(piece), piece)
	}
	view.Generation = hex.EncodeToString(sum.Sum(nil)[:16])
	text, err = r.execute("nginx.tmpl", view)
	return mainText{view.Generation, view.Shapes, []byte(text), r.layout(text), []byte(errors), files}, err
}

const (
	certificateFile = "default.crt"
	keyFile         = "default.key"
)

// Server writes the block of one host, as Render would.
func (s *Set) Server(c nginx.Config, host string, o Options) (string, error) {
	for _, server := range c.Servers {
		if server.Name == host {
			r, err := s.renderer(nginx.Config{HTTP: c.HTTP}, o)
			if err != nil {
				return "", err
			}
			text, err := r.server(server)
			return text.String(), err
		}
	}
	return "", fmt.Errorf("no host is called %q", host)
}
