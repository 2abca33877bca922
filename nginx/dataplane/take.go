package dataplane

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
)

// held is the state that a controller has sent.
type held struct {
	state      dynamic.State
	generation uint64 // of the last document; 0 if there was none
}

// errBase says that a document builds on something that we do not have.
var errBase = errors.New("it is not a difference to what was sent before")

// take returns what documents make of what is held.
func (h held) take(documents io.Reader) (held, error) {
	for decoder := json.NewDecoder(documents); ; {
		var u dynamic.Update
		switch err := decoder.Decode(&u); {
		case errors.Is(err, io.EOF):
			return h, nil
		case err != nil:
			return h, errors.New("the state cannot be read") // an error of the decoder may show some of it
		case u.Version != dynamic.Version:
			return h, fmt.Errorf("the state has version %d, not %d", u.Version, dynamic.Version)
		case !u.Reset && u.Generation != h.generation+1, u.Generation == 0:
			return h, errBase
		}
		h = held{h.state.With(u), u.Generation}
	}
}

func (s *Server) takeState(w http.ResponseWriter, r *http.Request, now *session) {
	next, err := now.state.take(r.Body)
	if err != nil {
		replyTo(w, err)
		return
	}
	now.state = next
	// What has arrived is made live, whether or not the controller waits for it.
	finishWith(w, s.engine.Push(context.WithoutCancel(r.Context()), next.state))
}

func (s *Server) settle(w http.ResponseWriter, r *http.Request, now *session) {
	if now.state.generation == 0 {
		replyTo(w, errBase)
		return
	}
	finishWith(w, s.engine.Settle(context.WithoutCancel(r.Context())))
}

// sent are the files that a controller has sent last.
type sent struct {
	number uint64
	files  nginx.Files
}

// take reads a configuration.
func (b sent) take(form *multipart.Reader) (sent, string, error) {
	part, err := form.NextPart()
	if err != nil || part.FormName() != manifestPart {
		return b, "", errors.New("the configuration has no manifest")
	}
	var m manifest
	if err := json.NewDecoder(part).Decode(&m); err != nil {
		return b, "", fmt.Errorf("read the manifest of a configuration: %w", err)
	}
	files := nginx.Files{Generation: m.Generation, Shapes: m.Shapes}
	for _, f := range m.Files {
		file := nginx.File{Name: f.Name, Secret: f.Secret, Workers: f.Workers}
		var found bool
		if f.Kept {
			file.Content, found = b.files.Get(f.Name)
			if !found || m.Base != b.number {
				return b, "", errBase
			}
		} else if file.Content, err = nextFile(form, f.Name); err != nil {
			return b, "", err
		}
		files.List = append(files.List, file)
	}
	return sent{m.Number, files}, m.Cause, nil
}

func nextFile(form *multipart.Reader, name string) ([]byte, error) {
	part, err := form.NextPart()
	if err != nil || part.FormName() != name {
		return nil, fmt.Errorf("file %q of the configuration is missing", name)
	}
	content, err := io.ReadAll(part)
	if err != nil {
		return nil, fmt.Errorf("read file %q of the configuration: %w", name, err)
	}
	return content, nil
}

// applyConfiguration makes a configuration live. One that is half live is finished, even if the controller has ended.
func (s *Server) applyConfiguration(w http.ResponseWriter, r *http.Request, now *session) {
	s.takeConfiguration(w, r, now, func(files nginx.Files, cause string) error {
		return s.engine.Apply(context.WithoutCancel(r.Context()), files, cause)
	})
}

func (s *Server) testConfiguration(w http.ResponseWriter, r *http.Request, now *session) {
	s.takeConfiguration(w, r, now, func(files nginx.Files, _ string) error { return s.engine.Test(r.Context(), files) })
}

func (s *Server) takeConfiguration(w http.ResponseWriter, r *http.Request, now *session, use func(files nginx.Files, cause string) error) {
	form, err := r.MultipartReader()
	if err != nil {
		replyTo(w, fmt.Errorf("read the configuration: %w", err))
		return
	}
	next, cause, err := now.files.take(form)
	if err != nil {
		replyTo(w, err)
		return
	}
	now.files = next
	err = use(next.files, cause)
	s.passed++
	s.feed.tell(event{Passed: s.passed})
	var verdict *supervisor.ConfigError
	switch {
	case errors.As(err, &verdict):
		reply(w, http.StatusUnprocessableEntity, answer{Refused: &refused{next.files.Generation, verdict}, Error: err.Error(), Passed: s.passed})
	case err != nil:
		reply(w, http.StatusBadGateway, answer{Error: err.Error(), Passed: s.passed})
	default:
		reply(w, http.StatusOK, answer{Passed: s.passed})
	}
}

// finishWith answers when a document has arrived.
func finishWith(w http.ResponseWriter, err error) {
	if err != nil {
		reply(w, http.StatusBadGateway, answer{Error: err.Error()})
		return
	}
	reply(w, http.StatusOK, answer{})
}

// replyTo answers when a document has not.
func replyTo(w http.ResponseWriter, err error) {
	code := http.StatusBadRequest
	if errors.Is(err, errBase) {
		code = http.StatusConflict
	}
	reply(w, code, answer{Error: err.Error()})
}
