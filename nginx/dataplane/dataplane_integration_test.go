//go:build integration

package dataplane

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/persistent"
)

func TestWhatIsSentIsServed(t *testing.T) {
	p := newPod(t)
	plane, c := p.dataPlane(), p.controller()
	<-c.Connected()
	if diff := cmp.Diff(Surroundings{p.state(), 3, 4096}, c.Surroundings()); diff != "" {
		t.Errorf("-wanted +got:\n%s", diff)
	}
	if c.Status().Ready {
		t.Error("ready before anything was sent")
	}
	c.mustPush(backend(t, "blue"))
	c.mustApply(p.files("one"))
	c.mustSettle()
	mustGet(t, "/", "one")
	mustGet(t, "/app", "blue")
	if got := c.Status(); !got.Ready || got.Generation != "one" || got.PID == 0 {
		t.Errorf("the status is %+v", got)
	}
	report, err := c.Report(t.Context(), []string{"app", "nobody"})
	if err != nil || len(report.Workers) == 0 || report.Workers[0].Configuration != "one" || len(report.Backends) != 1 || report.Backends["app"] == nil {
		t.Errorf("workers say %+v, %v", report, err)
	}
	key, err := os.ReadFile(filepath.Join(p.state(), "conf/current/default.key"))
	if err != nil || string(key) != "\x00\xff not text" {
		t.Errorf("a file has come as %q, %v", key, err)
	}
	if info, err := os.Stat(filepath.Join(p.state(), "conf/current/default.key")); err != nil || info.Mode() != 0o600 {
		t.Errorf("and everybody may read it: %v, %v", info, err)
	}
	if got, want := c.told(2), []string{"tested <nil>", "reloaded test <nil>"}; !cmp.Equal(got, want) {
		t.Errorf("these were observed: %q", got)
	}
	if info, err := os.Stat(p.socket()); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	if got := plane.engine.Status(); got.Generation != "one" {
		t.Errorf("the supervisor is in another state: %+v", got)
	}
}

// The verdict is the very one that a supervisor in this process gives.
func TestARefusalSaysWhereAndWhy(t *testing.T) {
	p := newPod(t)
	p.dataPlane()
	c := p.controller()
	c.mustApply(p.files("one"))
	c.told(2)
	bad := p.files("two", "nonsense;")
	web := &nginx.Server{Locations: []*nginx.Location{{Owner: "Ingress shop/web"}}}
	bad.Layout = nginx.Layout{{Server: web, Span: nginx.Span{First: 1, Lines: 1000}, Parts: []nginx.Span{{First: 0, Lines: 1000}}}}
	var tested *supervisor.ConfigError
	if err := c.Test(context.Background(), bad); !errors.As(err, &tested) {
		t.Errorf("a test says %v", err)
	}
	if err := c.Test(context.Background(), p.files("three")); err != nil {
		t.Errorf("a test of a good one says %v", err)
	}
	c.told(2)
	err := c.Apply(context.Background(), bad, "test")
	var verdict *supervisor.ConfigError
	if !errors.As(err, &verdict) {
		t.Fatalf("the error is %v", err)
	}
	if verdict.File != "nginx.conf" || verdict.Line == 0 || verdict.Object != "Ingress shop/web" || !strings.Contains(verdict.Message, `unknown directive "nonsense"`) {
		t.Errorf("the verdict is %+v", *verdict)
	}
	if got := c.told(1)[0]; !strings.HasPrefix(got, "tested NGINX refuses") {
		t.Errorf("this was observed: %q", got)
	}
	mustGet(t, "/", "one")
	if got := c.Status(); got.LastError == nil || got.Generation != "one" {
		t.Errorf("the status is %+v", got)
	}
	if err := c.Apply(context.Background(), nginx.Files{Generation: "../x"}, "test"); err == nil || errors.As(err, &verdict) {
		t.Errorf("an impossible configuration gives %v", err)
	}
}

// many is a state with as many backends, beside that of the test.
func many(of dynamic.State, n int) dynamic.State {
	all := map[string]dynamic.Backend{}
	for i := range n {
		all[fmt.Sprint("shop_", i)] = dynamic.Backend{Endpoints: []dynamic.Endpoint{{Address: "192.0.2.1", Port: 1000 + i}}}
	}
	all["app"] = of.Backends.At("app")
	return dynamic.State{Backends: persistent.Of(all)}
}

func TestAChangeCostsWhatChanged(t *testing.T) {
	p := newPod(t)
	plane, c := p.dataPlane(), p.controller()
	blue, green := backend(t, "blue"), backend(t, "green")
	c.mustPush(many(blue, 20000))
	c.mustApply(p.files("one"))
	<-c.Connected()
	all := plane.received.Load()
	c.mustPush(many(green, 20000))
	change := plane.received.Load() - all
	f := p.files("one")
	f.List[1].Content = append(f.List[1].Content, ' ')
	c.mustApply(f)
	refresh := plane.received.Load() - all - change
	mustGet(t, "/app", "green")
	t.Logf("measured: %d bytes for all, %d for another endpoint, %d for another file of one line", all, change, refresh)
	if change > 1000 || refresh > 2000 {
		t.Errorf("a change costs too much")
	}
	c.mustPush(backend(t, "red"))
	c.mustSettle()
	if n := plane.holds().Backends.Len(); n != 1 {
		t.Errorf("%d backends are left", n)
	}
	mustGet(t, "/app", "red")
}

func TestADataPlaneThatStartsAnewGetsEverythingAgain(t *testing.T) {
	for name, lose := range map[string]func(*pod){
		"its volume is there": func(*pod) {},
		"its volume is lost": func(p *pod) {
			if err := os.RemoveAll(p.state()); err != nil {
				p.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPod(t)
			plane, c := p.dataPlane(), p.controller()
			c.mustPush(backend(t, "blue"))
			c.mustApply(p.files("one"))
			plane.stop()
			within(t, 5*time.Second, "not ready", func() bool { return !c.Status().Ready })
			c.mustPush(backend(t, "green")) // is kept
			lose(p)
			p.dataPlane()
			within(t, 10*time.Second, "ready again", func() bool { return c.Status().Ready })
			mustGet(t, "/", "one")
			mustGet(t, "/app", "green")
			c.mustApply(p.files("two"))
			mustGet(t, "/", "two")
		})
	}
}

// One that starts while the controller plans waits for nothing else than the socket.
func TestAConfigurationWaitsForTheDataPlane(t *testing.T) {
	p := newPod(t)
	c := p.controller()
	c.mustPush(backend(t, "blue"))
	applied := make(chan error, 1)
	go func() { applied <- c.Apply(context.Background(), p.files("one"), "test") }()
	p.dataPlane()
	if err := <-applied; err != nil {
		t.Fatal(err)
	}
	mustGet(t, "/app", "blue")
}

func TestANewControllerGoesOnWithWhatIsLive(t *testing.T) {
	p := newPod(t)
	plane, first := p.dataPlane(), p.controller()
	blue := backend(t, "blue")
	first.mustPush(many(blue, 10))
	first.mustApply(p.files("one"))
	before := plane.engine.Status()
	first.kill()
	mustGet(t, "/app", "blue")

	c := p.controller()
	c.mustPush(blue)
	c.mustApply(p.files("one"))
	c.mustSettle()
	within(t, 5*time.Second, "ready", func() bool { return c.Status().Ready })
	mustGet(t, "/app", "blue")
	if got := c.Status(); got.PID != before.PID || got.OldGenerations != 0 {
		t.Errorf("NGINX was reloaded or started: %+v", got)
	}
	if len(c.events) > 0 {
		t.Errorf("this was observed: %q", c.told(len(c.events)))
	}
	if held := plane.holds().Backends; held.Len() != 1 {
		t.Errorf("the former controller's backends are still there: %v", held)
	}
}

// Two controllers can only be there by mistake, or if one hangs: what it still says must not count.
func TestTheNewestControllerCounts(t *testing.T) {
	p := newPod(t)
	p.dataPlane()
	first := p.controller()
	first.mustPush(backend(t, "blue"))
	first.mustApply(p.files("one"))
	old := first.current()
	first.kill()
	second := p.controller()
	second.mustPush(backend(t, "green"))
	second.mustApply(p.files("two"))
	if err := first.sendState(context.Background(), &link{id: old.id, ctx: context.Background()}, backend(t, "red")); err == nil {
		t.Error("a session that has ended was listened to")
	}
	mustGet(t, "/app", "green")
}

func TestPairsThatDoNotFitSaySo(t *testing.T) {
	p := newPod(t)
	p.dataPlane()
	c := p.controller(func(o *Options) { o.StateDir = "/elsewhere" })
	within(t, 5*time.Second, "an error", func() bool {
		err := c.Status().LastError
		return err != nil && strings.Contains(err.Error(), `has the state directory`)
	})
	response, err := c.http.Get("http://dataplane/session?protocol=99")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got, want := refusal(response).Error(), fmt.Sprintf("the data plane speaks protocol %d, and the controller protocol %[1]d; both containers have to have the same image", protocol); got != want {
		t.Errorf("another version is refused by %q", got)
	}
}

func TestNGINXStopsWhenTheControllerSaysSo(t *testing.T) {
	p := newPod(t)
	plane, c := p.dataPlane(), p.controller()
	c.mustPush(backend(t, "blue"))
	c.mustApply(p.files("one"))
	released := make(chan struct{})
	go func() { plane.AwaitRelease(context.Background()); close(released) }()
	within(t, 5*time.Second, "told to stop", plane.isStopping)
	mustGet(t, "/app", "blue")
	c.end()
	<-released
	mustGet(t, "/app", "blue") // who asked us stops NGINX
	select {
	case <-c.ended:
		t.Error("the controller has ended before NGINX")
	default:
	}
	plane.stop()
	<-c.ended
}

// holds is what the present session has sent.
func (s *Server) holds() dynamic.State {
	s.pushing.Lock()
	defer s.pushing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.session.state.state
}

func (s *Server) isStopping() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopping
}

func TestAControllerThatEndsAloneLeavesNGINXAlone(t *testing.T) {
	p := newPod(t)
	plane, c := p.dataPlane(), p.controller()
	c.mustPush(backend(t, "blue"))
	c.mustApply(p.files("one"))
	c.end()
	<-c.ended
	mustGet(t, "/app", "blue")

	// Should the data plane be told only now, as signals are slow, it need not wait for anybody.
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if plane.AwaitRelease(ctx); ctx.Err() != nil {
		t.Error("it waits although nobody sends requests any more")
	}

	next := p.controller() // which has said no goodbye
	<-next.Connected()
	short, stop := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer stop()
	if plane.AwaitRelease(short); short.Err() == nil {
		t.Error("it does not wait for the controller that is there")
	}
}

func TestWithoutAControllerNGINXServesOnForAMoment(t *testing.T) {
	p := newPod(t)
	plane, c := p.dataPlane(func(s *Server) { s.unattended = 300 * time.Millisecond }), p.controller()
	<-c.Connected()
	c.kill()
	started := time.Now()
	plane.AwaitRelease(context.Background())
	if took := time.Since(started); took < 300*time.Millisecond || took > 5*time.Second {
		t.Errorf("it waited for %v", took)
	}
}

func TestNoKeyIsLogged(t *testing.T) {
	const key = "a very private key"
	p := newPod(t)
	plane, c := p.dataPlane(), p.controller()
	state := backend(t, "blue")
	state.Certificates = state.Certificates.With("one", nginx.Certificate{Chain: "chain", Key: nginx.NewSecret(key)})
	state.Hosts = state.Hosts.With("a.example.com", "one")
	c.mustPush(state)
	c.mustApply(p.files("one"))
	c.mustApply(p.files("two"))
	if err := c.Apply(context.Background(), p.files("bad", "nonsense;"), "test"); err == nil {
		t.Error("it was taken")
	}
	request, err := c.call(context.Background(), c.current(), "POST", "/state", strings.NewReader(`{"version": 1, "generation": "`+key+`"}`))
	if err == nil || strings.Contains(err.Error()+request.Error, key) {
		t.Errorf("a broken document gives %v", err)
	}
	plane.stop()
	if strings.Contains(p.log.String(), key) {
		t.Error("the key is in the log")
	}
}
