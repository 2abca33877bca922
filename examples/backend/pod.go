package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A pod answers each request with an [answer], or with what the request's query asks for:
//
//	__status=503          this status
//	__delay=1s            wait before answering
//	__size=N              a body of N bytes instead of the answer
//	__header=Name:Value   this response header; may be repeated
//	__close=1             close the connection without an answer
type pod struct {
	address string // host:port it listens on
	service string
}

// answer says which pod was reached, and with what request.
type answer struct {
	Service   string      `json:"service"`
	Pod       string      `json:"pod"`
	Method    string      `json:"method"`
	Path      string      `json:"path"` // the request target, byte for byte
	Host      string      `json:"host"`
	Headers   http.Header `json:"headers"`
	BodyBytes int64       `json:"bodyBytes"`
}

func (p pod) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wish, err := parseBehaviour(r.URL.Query())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	received, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return // the client is gone
	}

	select {
	case <-time.After(wish.delay):
	case <-r.Context().Done():
		return
	}
	if wish.close {
		panic(http.ErrAbortHandler)
	}

	for _, header := range wish.headers {
		w.Header().Add(header.name, header.value)
	}
	if wish.size >= 0 {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.FormatInt(wish.size, 10))
		w.WriteHeader(wish.status)
		io.CopyN(w, endless{}, wish.size) // fails only when the client leaves
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(wish.status)
	if !mayHaveBody(wish.status) {
		return
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	encoder.Encode(answer{
		Service:   p.service,
		Pod:       p.address,
		Method:    r.Method,
		Path:      r.RequestURI,
		Host:      r.Host,
		Headers:   r.Header,
		BodyBytes: received,
	})
}

func mayHaveBody(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// behaviour is what a request asks of a pod.
type behaviour struct {
	status  int
	delay   time.Duration
	size    int64 // of the body; negative: the answer
	headers []header
	close   bool
}

type header struct{ name, value string }

func parseBehaviour(query url.Values) (behaviour, error) {
	b := behaviour{status: http.StatusOK, size: -1}
	var err error
	if v := query.Get("__status"); v != "" {
		if b.status, err = strconv.Atoi(v); err != nil || b.status < 200 || b.status > 599 {
			return b, fmt.Errorf("__status=%q: want a number from 200 to 599", v)
		}
	}
	if v := query.Get("__delay"); v != "" {
		if b.delay, err = time.ParseDuration(v); err != nil || b.delay < 0 {
			return b, fmt.Errorf("__delay=%q: want a duration, as in 1.5s or 20ms", v)
		}
	}
	if v := query.Get("__size"); v != "" {
		if b.size, err = strconv.ParseInt(v, 10, 64); err != nil || b.size < 0 {
			return b, fmt.Errorf("__size=%q: want a number of bytes", v)
		}
	}
	for _, v := range query["__header"] {
		name, value, found := strings.Cut(v, ":")
		if !found || name == "" {
			return b, fmt.Errorf("__header=%q: want Name:Value", v)
		}
		b.headers = append(b.headers, header{name, strings.TrimSpace(value)})
	}
	if v := query.Get("__close"); v != "" {
		if b.close, err = strconv.ParseBool(v); err != nil {
			return b, fmt.Errorf("__close=%q: want 1 or 0", v)
		}
	}
	return b, nil
}

// endless reads as the letter x for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
