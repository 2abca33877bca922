// Command echo is an HTTP server that says who it is: it stands for images in tests. It speaks HTTP/1.1 and, without TLS,
// HTTP/2. Every answer has the headers Echo-Pod and Echo-Address.
//
//	GET /             200 and JSON: pod, namespace, node, address, and what was asked; a WebSocket gets back what it sends
//	GET /?delay=2s    the same, later; with &status=503 another status, with &size=1000 that many bytes instead of JSON
//	GET /ready        200, or 503 after GET /unready
//	GET /files/...    what the container's file system has there
//
// After a SIGTERM it serves as before for -linger, as a preStop hook that waits would let it. Then it takes no new
// connections and ends when the last request is answered and the last WebSocket closed, however long that takes; with
// -goodbye it says to WebSockets that it goes away.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

func main() {
	listen := flag.String("listen", os.Getenv("POD_IP")+":8080", "address")
	linger := flag.Duration("linger", 0, "go on serving for so long after a SIGTERM")
	goodbye := flag.Bool("goodbye", false, "then close WebSockets with the status 1001, going away")
	flag.Parse()

	e := &echo{pod: os.Getenv("POD_NAME"), goodbye: make(chan struct{})}
	if e.pod == "" {
		e.pod = os.Getenv("HOSTNAME")
	}
	server := &http.Server{Addr: *listen, Handler: e.handler(), ReadHeaderTimeout: time.Minute, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)

	terminated, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	done := make(chan error)
	go func() {
		<-terminated.Done()
		log.Println("asked to end")
		time.Sleep(*linger)
		if *goodbye {
			close(e.goodbye)
		}
		err := server.Shutdown(context.Background())
		e.sessions.Wait()
		done <- err
	}()
	log.Println("listening on", *listen)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-done; err != nil {
		log.Fatal(err)
	}
}

// echo is the server's state.
type echo struct {
	pod      string
	unready  atomic.Bool
	sessions sync.WaitGroup // of WebSocket
	goodbye  chan struct{}  // closed when sessions shall end
}

func (e *echo) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", e.answer)
	mux.Handle("/files/", http.StripPrefix("/files", http.FileServer(http.Dir("/"))))
	mux.HandleFunc("/unready", func(http.ResponseWriter, *http.Request) { e.unready.Store(true) })
	mux.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if e.unready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Echo-Pod", e.pod)
		w.Header().Set("Echo-Address", os.Getenv("POD_IP"))
		mux.ServeHTTP(w, r)
	})
}

func (e *echo) answer(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	delay, _ := time.ParseDuration(query.Get("delay")) // none is zero
	select {
	case <-r.Context().Done():
		return
	case <-time.After(delay):
	}
	if websocket.IsWebSocketUpgrade(r) {
		e.converse(w, r)
		return
	}
	status := http.StatusOK
	if wanted, err := strconv.Atoi(query.Get("status")); err == nil && wanted >= 200 && wanted < 1000 {
		status = wanted
	}
	if size, err := strconv.Atoi(query.Get("size")); err == nil {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(size))
		w.WriteHeader(status)
		write(w, size)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client went
		"pod": e.pod, "namespace": os.Getenv("POD_NAMESPACE"), "node": os.Getenv("NODE_NAME"),
		"address": os.Getenv("POD_IP"), "client": r.RemoteAddr, "user": os.Getuid(), "process": os.Getpid(),
		"method": r.Method, "path": r.RequestURI, "host": r.Host, "proto": r.Proto, "header": r.Header,
	})
}

func write(w http.ResponseWriter, size int) {
	block := make([]byte, 32<<10)
	for size > 0 {
		n, err := w.Write(block[:min(size, len(block))])
		if err != nil {
			return // the client went
		}
		size -= n
	}
}

func (e *echo) converse(w http.ResponseWriter, r *http.Request) {
	e.sessions.Add(1)
	defer e.sessions.Done()
	anybody := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	session, err := anybody.Upgrade(w, r, http.Header{"Echo-Pod": {e.pod}, "Echo-Address": {os.Getenv("POD_IP")}})
	if err != nil {
		return // it has answered
	}
	defer session.Close()
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-e.goodbye:
			away := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
			_ = session.WriteControl(websocket.CloseMessage, away, time.Now().Add(time.Second)) // the client went
		case <-over:
		}
	}()
	for {
		kind, text, err := session.ReadMessage()
		if err == nil {
			err = session.WriteMessage(kind, text)
		}
		if err != nil && !errors.Is(err, websocket.ErrCloseSent) { // then the client's own goodbye is still to come
			return // the client went
		}
	}
}
