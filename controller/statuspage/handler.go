package statuspage

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Section is a part of the page, with an address of its own.
type Section string

// Sections.
const (
	Overview     Section = "overview"
	Routes       Section = "routes"
	Certificates Section = "certificates"
	Problems     Section = "problems"
	Reloads      Section = "reloads"
)

// sections are all, in their order, with what they ask for.
var sections = []struct {
	section Section
	path    string
	ask     question
}{
	{Overview, "/", question{certificates: few, problems: few, reloads: few}},
	{Routes, "/routes", question{routes: perPage}},
	{Certificates, "/certificates", question{certificates: perPage}},
	{Problems, "/problems", question{problems: perPage}},
	{Reloads, "/reloads", question{reloads: perPage}},
}

// few is how many items of a list the overview has.
const few = 5

//go:embed static/style.css
var style []byte

//go:embed static/icon.svg
var icon []byte

// readers is how many requests are answered at a time; others are told to come back.
const readers = 4

// Handler answers requests that have come past a Guard.
func (p *Page) Handler() http.Handler {
	mux := http.NewServeMux()
	busy := make(chan struct{}, readers)
	for _, s := range sections {
		pattern := "GET " + s.path
		if s.path == "/" {
			pattern += "{$}" // and nothing below it
		}
		mux.HandleFunc(pattern, p.answer(busy, s.ask, "text/html; charset=utf-8", func(status Status) ([]byte, error) { return status.HTML(s.section) }))
	}
	all := question{routes: perPage, certificates: perPage, problems: perPage, reloads: perPage}
	mux.HandleFunc("GET /status.json", p.answer(busy, all, "application/json", func(status Status) ([]byte, error) { return json.MarshalIndent(status, "", " ") }))
	mux.HandleFunc("GET /style.css", file("text/css; charset=utf-8", style))
	mux.HandleFunc("GET /icon.svg", file("image/svg+xml", icon))
	return mux
}

func file(kind string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(content) // who does not listen has gone
	}
}

// longestQuery is in bytes; more is cut off.
const longestQuery = 200

func (p *Page) answer(busy chan struct{}, ask question, kind string, render func(Status) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case busy <- struct{}{}:
			defer func() { <-busy }()
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "others are being answered; try again", http.StatusServiceUnavailable)
			return
		}
		asked := ask
		values := r.URL.Query()
		asked.query = strings.TrimSpace(strings.ToValidUTF8(values.Get("q")[:min(len(values.Get("q")), longestQuery)], ""))
		asked.page, _ = strconv.Atoi(values.Get("page")) // what is no number is the first
		text, err := render(p.Status(r.Context(), asked))
		if err != nil {
			http.Error(w, "the page cannot be written: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(text)
	}
}

// link is the address of a page of a section.
func link(path, query string, page int) string {
	values := url.Values{}
	if query != "" {
		values.Set("q", query)
	}
	if page > 1 {
		values.Set("page", strconv.Itoa(page))
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	return path
}

// Serve answers on the listener until the context ends.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 90 * time.Second,
		MaxHeaderBytes: 16 << 10,
	}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the status page: %w", err)
	}
	return nil
}

// HTML is a section for a browser.
func (s Status) HTML(section Section) ([]byte, error) {
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, "page", shown{s, section}); err != nil {
		return nil, fmt.Errorf("write the section %s: %w", cmp.Or(section, Overview), err)
	}
	return b.Bytes(), nil
}
