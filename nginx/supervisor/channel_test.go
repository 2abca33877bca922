package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// lua answers on a control socket as state.lua does.
type lua struct {
	mu      sync.Mutex
	all     dynamic.Update
	posts   []dynamic.Update
	refuse  int // this many updates with 507
	isLossy bool
}

func (l *lua) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Method == http.MethodGet {
		fmt.Fprintf(w, `{"generation":%d,"incomplete":%v}`, l.all.Generation, l.isLossy)
		return
	}
	var u dynamic.Update
	if err := json.NewDecoder(r.Body).Decode(&u); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.posts = append(l.posts, u)
	code := http.StatusOK
	switch {
	case u.Generation <= l.all.Generation, l.isLossy && !u.Reset:
		code = http.StatusConflict
	case l.refuse > 0:
		l.refuse--
		code, l.isLossy, l.all.Generation = http.StatusInsufficientStorage, true, u.Generation
	default:
		if u.Reset {
			l.all, l.isLossy = dynamic.Update{}, false
		}
		fold(&l.all, u)
	}
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"generation":%d,"error":"something"}`, l.all.Generation)
}

// sent returns the updates since the last call.
func (l *lua) sent() []dynamic.Update {
	l.mu.Lock()
	defer l.mu.Unlock()
	posts := l.posts
	l.posts = nil
	return posts
}

func (l *lua) has(t *testing.T, s dynamic.State) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if want := dynamic.Full(s, 0).Backends; len(l.all.Backends)+len(want) > 0 && !reflect.DeepEqual(l.all.Backends, want) {
		t.Errorf("NGINX has %v, want %v", l.all.Backends, want)
	}
}

type trial struct {
	*channel
	lua    *lua
	close  func() // stops answering
	isUp   bool
	hasOld bool
}

// newTrial gives a channel to an NGINX that runs already.
func newTrial(t *testing.T) *trial {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	tr := &trial{lua: &lua{}, isUp: true}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: tr.lua}}
	server.Start()
	t.Cleanup(server.Close)
	tr.close = server.Close
	tr.channel = &channel{
		control: newControl(filepath.Join(dir, "s")),
		journal: &journal{path: filepath.Join(dir, "state.jsonl"), log: slog.New(slog.DiscardHandler)},
		observe: func(int, int, time.Duration, error) {},
		isUp:    func() bool { return tr.isUp },
		hasOld:  func() bool { return tr.hasOld },
	}
	t.Cleanup(func() { _ = tr.journal.flush() }) // and so wait for it
	tr.hasStarted.Store(true)
	return tr
}

func TestPushSendsOnlyWhatChangedAndSettleRemoves(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	one, two := app("10.0.0.1", "10.0.0.2"), app("10.0.0.3")
	for _, step := range []struct {
		name string
		do   func() error
		want func(u dynamic.Update) bool
		has  dynamic.State
	}{
		{"the first is full", func() error { return tr.push(ctx, one) },
			func(u dynamic.Update) bool { return u.Reset && len(u.Backends) == 2 }, one},
		{"a change, no removal", func() error { return tr.push(ctx, two) },
			func(u dynamic.Update) bool { return !u.Reset && len(u.Backends) == 1 && u.Removed == nil }, app("10.0.0.3", "10.0.0.2")},
		{"nothing new", func() error { return tr.push(ctx, two) }, nil, app("10.0.0.3", "10.0.0.2")},
		{"the removal", func() error { return tr.settle(ctx) },
			func(u dynamic.Update) bool { return len(u.Backends) == 0 && len(u.Removed.Backends) == 1 }, two},
		{"nothing to remove", func() error { return tr.settle(ctx) }, nil, two},
		{"what was removed comes back", func() error { return tr.push(ctx, one) },
			func(u dynamic.Update) bool { return len(u.Backends) == 2 }, one},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		sent := tr.lua.sent()
		if step.want == nil && len(sent) > 0 || step.want != nil && (len(sent) != 1 || !step.want(sent[0])) {
			t.Errorf("%s: sent %+v", step.name, sent)
		}
		tr.lua.has(t, step.has)
	}
	if err := tr.journal.flush(); err != nil {
		t.Fatal(err)
	}
	all, _ := read(t, tr.journal.path)
	if !reflect.DeepEqual(all.Backends, maps.Collect(one.Backends.All())) || all.Generation != tr.acknowledged.Load() {
		t.Errorf("the file gives generation %d and %v", all.Generation, all.Backends)
	}
}

func TestPushContinuesAnotherHistory(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	tr.lua.all.Generation = 20041
	if err := tr.push(ctx, app("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if sent := tr.lua.sent(); len(sent) != 2 || !sent[1].Reset || sent[1].Generation != 20042 {
		t.Errorf("sent %+v", sent)
	}
	// Somebody else wrote.
	tr.lua.all.Generation = 20099
	if err := tr.push(ctx, app("10.0.0.2")); err != nil {
		t.Fatal(err)
	}
	if sent := tr.lua.sent(); len(sent) != 2 || sent[0].Reset || !sent[1].Reset || sent[1].Generation != 20100 {
		t.Errorf("sent %+v", sent)
	}
	if got := tr.acknowledged.Load(); got != 20100 {
		t.Errorf("generation %d is acknowledged", got)
	}
	tr.lua.has(t, app("10.0.0.2"))
}

func TestPushStartsOverAfterARefusal(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	if err := tr.push(ctx, app("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	tr.lua.refuse = 1
	if err := tr.push(ctx, app("10.0.0.2")); err != nil {
		t.Fatal(err)
	}
	tr.lua.has(t, app("10.0.0.2"))
	tr.lua.sent()
	tr.lua.refuse = 2
	if err := tr.push(ctx, app("10.0.0.3")); err == nil {
		t.Fatal("a refusal was not reported")
	}
	if sent := tr.lua.sent(); len(sent) != 2 || !sent[1].Reset || tr.isComplete.Load() {
		t.Errorf("sent %+v", sent)
	}
	if err := tr.push(ctx, app("10.0.0.3")); err != nil || !tr.isComplete.Load() {
		t.Fatal(err)
	}
	tr.lua.has(t, app("10.0.0.3"))
}

func TestPushBeforeTheStartIsOnDiskAtOnce(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	tr.hasStarted.Store(false)
	for _, a := range []string{"10.0.0.1", "10.0.0.2"} {
		if err := tr.push(ctx, app(a)); err != nil {
			t.Fatal(err)
		}
		if all, lines := read(t, tr.journal.path); lines != 1 || all.Backends["app0"].Endpoints[0].Address != a {
			t.Errorf("the file gives %v", all.Backends)
		}
	}
	if sent := tr.lua.sent(); len(sent) > 0 {
		t.Errorf("sent %+v", sent)
	}
}

func TestPushWhileNGINXIsDownIsDeliveredLater(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	if err := tr.push(ctx, app("10.0.0.1", "10.0.0.2")); err != nil {
		t.Fatal(err)
	}
	tr.lua.refuse, tr.isUp = 1, false
	if err := tr.push(ctx, app("10.0.0.3")); err != nil {
		t.Fatal(err)
	}
	if err := tr.prepare(); err != nil || tr.isComplete.Load() {
		t.Fatalf("complete: %v, %v", tr.isComplete.Load(), err)
	}
	if all, _ := read(t, tr.journal.path); all.Backends["app0"].Endpoints[0].Address != "10.0.0.3" || len(all.Backends) != 2 {
		t.Errorf("the file gives %v", all.Backends)
	}
	tr.isUp = true
	if err := tr.resend(ctx); err != nil || !tr.isComplete.Load() {
		t.Fatal(err)
	}
	tr.lua.has(t, app("10.0.0.3", "10.0.0.2")) // the removal was not settled
	if err := tr.settle(ctx); err != nil {
		t.Fatal(err)
	}
	tr.lua.has(t, app("10.0.0.3"))
}

func TestPushReportsAnNGINXThatDoesNotAnswer(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	if err := tr.push(ctx, app("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	tr.close()
	if err := tr.push(ctx, app("10.0.0.2")); err == nil {
		t.Fatal("no error")
	}
}

func TestResendBeforeAnyPushLeavesTheFileAlone(t *testing.T) {
	tr := newTrial(t)
	if err := tr.resend(context.Background()); err != nil {
		t.Fatal(err)
	}
	if sent := tr.lua.sent(); len(sent) > 0 {
		t.Errorf("sent %+v", sent)
	}
}

// routed is a state with hosts whose routes lead to shapes.
func routed(shapes map[string]string) dynamic.State {
	s := app("10.0.0.1")
	for host, shape := range shapes {
		s.Routes.Hosts = s.Routes.Hosts.With(host, &dynamic.Host{Prefix: map[string]int{"/": 0}, Routes: []dynamic.Route{{Path: "/", Shape: shape}}, Shapes: []string{shape}})
	}
	return s
}

// shapes are those that NGINX's routes lead to, by host.
func (tr *trial) shapes() map[string]string {
	tr.lua.mu.Lock()
	defer tr.lua.mu.Unlock()
	got := map[string]string{}
	for host, entry := range tr.lua.all.Routes {
		got[host] = entry.Routes[0].Shape
	}
	return got
}

func TestRoutesWaitForTheirShapes(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	for _, step := range []struct {
		name string
		do   func() error
		want map[string]string // what NGINX has: shapes by host
	}{
		{"nothing is live", func() error { return tr.push(ctx, routed(map[string]string{"a": "@1"})) }, nil},
		{"its shape is", func() error { return tr.permit(ctx, []string{"@1"}) }, map[string]string{"a": "@1"}},
		{"one known, one new", func() error {
			return tr.push(ctx, routed(map[string]string{"a": "@2", "b": "@1", "c": "@2"}))
		}, map[string]string{"a": "@1", "b": "@1"}},
		{"again", func() error { return tr.resend(ctx) }, map[string]string{"a": "@1", "b": "@1"}},
		{"another configuration", func() error { return tr.permit(ctx, []string{"@1", "@2"}) }, map[string]string{"a": "@2", "b": "@1", "c": "@2"}},
		{"one is gone", func() error { return tr.push(ctx, routed(map[string]string{"a": "@2"})) }, map[string]string{"a": "@2"}},
		{"it changes", func() error { return tr.push(ctx, routed(map[string]string{"a": "@3"})) }, map[string]string{"a": "@2"}},
		{"and once more", func() error { return tr.push(ctx, routed(map[string]string{"a": "@4"})) }, map[string]string{"a": "@2"}},
		{"the configuration of the change before", func() error { return tr.permit(ctx, []string{"@2", "@3"}) }, map[string]string{"a": "@3"}},
		{"that of the last change", func() error { return tr.permit(ctx, []string{"@3", "@4"}) }, map[string]string{"a": "@4"}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, tr.shapes(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: NGINX has (-want +got):\n%s", step.name, diff)
		}
	}
}

// A host that moves to another server block has routes in both for as long as some worker may look there.
func TestRoutesOfHostsThatMove(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	const guarded = "0123456789abcdef/a"
	both := map[string]string{"a": "@1", "b": "@1", guarded: "@g"}
	push := func(shapes map[string]string) func() error {
		return func() error { return tr.push(ctx, routed(shapes)) }
	}
	settle := func(hasOld bool) func() error {
		return func() error {
			tr.hasOld = hasOld
			return tr.settle(ctx)
		}
	}
	for _, step := range []struct {
		name string
		do   func() error
		want map[string]string // what NGINX has: shapes by key
	}{
		{"the shape is live", func() error { return tr.permit(ctx, []string{"@1"}) }, nil},
		{"two hosts", push(map[string]string{"a": "@1", "b": "@1"}), map[string]string{"a": "@1", "b": "@1"}},
		{"one moves", push(map[string]string{guarded: "@g", "b": "@1"}), map[string]string{"a": "@1", "b": "@1"}},
		{"just before its block is live", func() error { return tr.sendAhead(ctx, []string{"@1", "@g"}) }, both},
		{"a push meanwhile", push(map[string]string{guarded: "@g", "b": "@1"}), both},
		{"it is live", func() error { return tr.permit(ctx, []string{"@1", "@g"}) }, both},
		{"former workers serve", settle(true), both},
		{"none does", settle(false), map[string]string{"b": "@1", guarded: "@g"}},
		{"it moves back", push(map[string]string{"a": "@1", "b": "@1"}), both},
		{"its block is no more", func() error { return tr.permit(ctx, []string{"@1"}) }, both},
		{"all is done", settle(false), map[string]string{"a": "@1", "b": "@1"}},
		{"it moves", push(map[string]string{guarded: "@g", "b": "@1"}), map[string]string{"a": "@1", "b": "@1"}},
		{"NGINX is told", func() error { return tr.sendAhead(ctx, []string{"@1", "@g"}) }, both},
		{"and refuses; the host goes", push(map[string]string{"b": "@1"}), map[string]string{"b": "@1"}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, tr.shapes(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: NGINX has (-want +got):\n%s", step.name, diff)
		}
	}
}

// What NGINX has read from the file, it need not be sent.
func TestConfirm(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	if !tr.confirm(ctx) {
		t.Error("something is missing although nothing was pushed")
	}
	tr.hasStarted.Store(false)
	if err := tr.push(ctx, app("10.0.0.1", "10.0.0.2")); err != nil {
		t.Fatal(err)
	}
	if err := tr.prepare(); err != nil {
		t.Fatal(err)
	}
	if tr.confirm(ctx) || tr.isComplete.Load() {
		t.Error("an NGINX that has read nothing has everything")
	}
	tr.lua.all, _ = read(t, tr.journal.path)
	tr.lua.isLossy = true
	if tr.confirm(ctx) {
		t.Error("an NGINX that has lost something has everything")
	}
	tr.lua.isLossy = false
	if !tr.confirm(ctx) || !tr.isComplete.Load() || tr.acknowledged.Load() != tr.lua.all.Generation {
		t.Error("what NGINX has read is not confirmed")
	}
	if sent := tr.lua.sent(); len(sent) > 0 {
		t.Errorf("sent %+v", sent)
	}
}

// What is pushed while NGINX starts is all that it is sent then, and the file has no more than that either.
func TestConfirmAfterAPush(t *testing.T) {
	tr, ctx := newTrial(t), context.Background()
	tr.hasStarted.Store(false)
	if err := tr.push(ctx, app("10.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := tr.prepare(); err != nil {
		t.Fatal(err)
	}
	started := tr.started.Load().generation
	tr.isUp, tr.lua.refuse = false, 2
	for _, s := range []dynamic.State{app("10.0.0.1", "10.0.0.2", "10.0.0.3"), app("10.0.0.1", "10.0.0.4")} {
		if err := tr.push(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	tr.lua.sent()
	tr.lua.all, tr.lua.isLossy = dynamic.Full(app("10.0.0.1"), started), false
	tr.isUp = true
	if !tr.confirm(ctx) {
		t.Fatal("what NGINX has read is not confirmed")
	}
	if sent := tr.lua.sent(); len(sent) != 1 || sent[0].Reset || len(sent[0].Backends) != 1 {
		t.Errorf("sent %+v", sent)
	}
	tr.lua.has(t, app("10.0.0.1", "10.0.0.4"))
	if err := tr.journal.flush(); err != nil {
		t.Fatal(err)
	}
	if all, _ := read(t, tr.journal.path); len(all.Backends) != 2 {
		t.Errorf("the file has %v", all.Backends)
	}
}
