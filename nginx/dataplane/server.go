package dataplane

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/sluice-ingress/sluice/nginx/inspect"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/nginx/traffic"
)

// Server is what a controller drives NGINX through. One controller does at a time, the one that came last.
type Server struct {
	engine       *supervisor.Supervisor
	feed         *Feed
	surroundings Surroundings
	log          *slog.Logger
	unattended   time.Duration

	mu       sync.Mutex
	session  *session      // nil if no controller is connected
	released bool          // the last one that was said that nobody sends requests any more
	stopping bool          // we have been told to stop
	changed  chan struct{} // closed when one of these changes

	passed uint64 // requests that were answered in order with events; under applying
	// applying is held over a configuration, and pushing over state: neither waits for the other.
	applying, pushing sync.Mutex
	measuring         sync.Mutex
	looking           sync.Mutex // held while workers are asked for people
}

// NewServer prepares a server for a supervisor whose Observer is that of the feed.
func NewServer(engine *supervisor.Supervisor, feed *Feed, surroundings Surroundings, log *slog.Logger) *Server {
	return &Server{engine: engine, feed: feed, surroundings: surroundings, log: log, unattended: unattended, changed: make(chan struct{})}
}

// Listen makes the socket. Its user and group may connect, nobody else; the directory is the caller's. One that is left of a
// process that has ended is replaced.
func Listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the socket: %w", err)
	}
	private := path + ".new" // nobody knows this one
	if err := os.Remove(private); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove an old socket: %w", err)
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen for the controller: %w", err)
	}
	listener.SetUnlinkOnClose(false)
	err = os.Chmod(private, 0o660)
	if err == nil {
		err = os.Rename(private, path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make the controller's socket: %w", err), listener.Close())
	}
	return listener, nil
}

// Serve answers on the listener until the context ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /session", s.serveSession)
	mux.HandleFunc("POST /state", s.inSession(&s.pushing, s.takeState))
	mux.HandleFunc("POST /settle", s.inSession(&s.pushing, s.settle))
	mux.HandleFunc("POST /configuration", s.inSession(&s.applying, s.applyConfiguration))
	mux.HandleFunc("POST /test", s.inSession(&s.applying, s.testConfiguration))
	mux.HandleFunc("GET /status", s.inSession(new(sync.Mutex), s.tellStatus)) // waits for nothing
	mux.HandleFunc("POST /measures", s.inSession(&s.measuring, s.measure))
	mux.HandleFunc("POST /workers", s.inSession(&s.looking, s.look))
	mux.HandleFunc("POST /release", s.inSession(new(sync.Mutex), s.release))
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the controller: %w", err)
	}
	return nil
}

// session is one controller's time.
type session struct {
	id    string
	end   context.CancelFunc
	state held // under pushing
	files sent // under applying
}

// serveSession tells a controller what happens until one of us goes.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request) {
	if spoken := r.URL.Query().Get("protocol"); spoken != strconv.Itoa(protocol) {
		s.log.Error("a controller speaks another protocol; both containers have to have the same image", "protocol", spoken, "ours", protocol)
		reply(w, http.StatusHTTPVersionNotSupported, answer{Error: fmt.Sprintf("the data plane speaks protocol %d", protocol)})
		return
	}
	ctx, end := context.WithCancel(r.Context())
	defer end()
	now := &session{id: rand.Text(), end: end}
	s.begin(now)
	defer s.finish(now)
	events := s.feed.follow()
	out := json.NewEncoder(w)
	next := event{Hello: &hello{now.id, s.surroundings}}
	for {
		if out.Encode(next) != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		select {
		case next = <-events:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) begin(now *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session != nil {
		s.log.Warn("another controller takes the place of the one that is connected")
		s.session.end()
	}
	s.session, s.released = now, false
	s.notify()
	s.log.Info("a controller is connected")
}

func (s *Server) finish(former *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == former {
		s.session = nil
		s.notify()
		s.log.Info("no controller is connected; NGINX goes on with what it has")
	}
}

func (s *Server) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// unattended is how long NGINX serves when it shall stop and no controller says when nobody sends requests any more: what
// a cluster takes to notice that the pod ends.
const unattended = 10 * time.Second

// AwaitRelease is called when NGINX shall stop, and returns when it may: when the controller says that nobody sends requests
// any more, some seconds after the last controller has gone without that word, or when the context ends.
func (s *Server) AwaitRelease(ctx context.Context) {
	for {
		s.mu.Lock()
		s.stopping = true
		released, isConnected, changed := s.released, s.session != nil, s.changed
		s.mu.Unlock()
		if released {
			return
		}
		alone := context.Background()
		if !isConnected {
			s.log.Warn("no controller says when to stop; serving on for a moment", "for", s.unattended)
			short, cancel := context.WithTimeout(alone, s.unattended)
			defer cancel()
			alone = short
		}
		select {
		case <-changed:
		case <-alone.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// inSession serves requests of the present session, one at a time of those that share a lock. A session may end while its
// request waits.
func (s *Server) inSession(lock sync.Locker, serve func(http.ResponseWriter, *http.Request, *session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		s.mu.Lock()
		now := s.session
		s.mu.Unlock()
		if now == nil || r.Header.Get(sessionHeader) != now.id {
			reply(w, http.StatusConflict, answer{Error: "the session has ended"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, documentLimit)
		serve(w, r, now)
	}
}

func (s *Server) tellStatus(w http.ResponseWriter, _ *http.Request, _ *session) {
	now := s.engine.Status()
	reply(w, http.StatusOK, answer{Status: &status{
		Generation: now.Generation, StateGeneration: now.StateGeneration, PID: now.PID, OldGenerations: now.OldGenerations,
		Ready: now.Ready, LastError: text(now.LastError),
	}})
}

func (s *Server) measure(w http.ResponseWriter, r *http.Request, _ *session) {
	var q traffic.Question
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		replyTo(w, fmt.Errorf("read what is asked of requests: %w", err))
		return
	}
	report, err := s.engine.Measure(r.Context(), q)
	if err != nil {
		finishWith(w, err)
		return
	}
	reply(w, http.StatusOK, answer{Traffic: &report})
}

// look asks workers about themselves and some backends.
func (s *Server) look(w http.ResponseWriter, r *http.Request, _ *session) {
	var backends []string
	if err := json.NewDecoder(r.Body).Decode(&backends); err != nil {
		replyTo(w, fmt.Errorf("read which backends are asked for: %w", err))
		return
	}
	report, err := inspect.In(s.surroundings.StateDir).Report(r.Context(), backends)
	if err != nil {
		finishWith(w, err)
		return
	}
	reply(w, http.StatusOK, answer{Workers: &report})
}

// release only ends an NGINX that was told to stop: a controller may end alone.
func (s *Server) release(w http.ResponseWriter, _ *http.Request, _ *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = true
	s.notify()
	reply(w, http.StatusOK, answer{Stopping: s.stopping})
}

func reply(w http.ResponseWriter, code int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(a) // who does not listen has gone
}
