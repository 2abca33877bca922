package dataplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// sendState sends what takes the data plane from what it has to a state. After errBase it has to be called again.
func (c *Client) sendState(ctx context.Context, l *link, state dynamic.State) error {
	var documents []dynamic.Update
	generation := l.held.generation + 1
	if l.held.generation == 0 {
		documents = dynamic.Full(state, 1<<32).Parts(partEntries) // with room for the parts below
		generation = 1 << 32
	} else {
		u := dynamic.Changed(l.held.state, state, generation)
		u.Removed = dynamic.Gone(l.held.state, state, generation).Removed
		if u.Empty() {
			return nil
		}
		documents = []dynamic.Update{u}
	}
	body, in := io.Pipe()
	defer body.Close()
	go func() {
		out := json.NewEncoder(in)
		var err error
		for _, u := range documents {
			if err = out.Encode(u); err != nil {
				break
			}
		}
		in.CloseWithError(err)
	}()
	before := l.held.generation
	l.held = held{}
	a, err := c.call(ctx, l, http.MethodPost, "/state", body)
	switch {
	case err != nil && !(errors.Is(err, errBase) && before == 0):
		return fmt.Errorf("send state: %w", err)
	case err != nil:
		return errors.New("send state: the session has ended")
	}
	l.held = held{state, generation}
	if a.Error != "" {
		return errors.New(a.Error)
	}
	return nil
}

// sendConfiguration sends a configuration to a path, without the files that the data plane has. NGINX's verdict, if it refuses
// it, is the error; so is everything else that went wrong.
func (c *Client) sendConfiguration(ctx context.Context, l *link, path string, files nginx.Files, cause string) error {
	a, err := c.postConfiguration(ctx, l, path, files, cause)
	if errors.Is(err, errBase) {
		a, err = c.postConfiguration(ctx, l, path, files, cause)
	}
	if err != nil {
		return fmt.Errorf("send the configuration: %w", err)
	}
	l.waitFor(ctx, a.Passed)
	switch {
	case a.Refused != nil && a.Refused.Verdict != nil && a.Refused.Generation == files.Generation:
		return a.Refused.Verdict.Of(files) // whose line it is was not sent
	case a.Error != "":
		return errors.New(a.Error)
	}
	return nil
}

func (c *Client) postConfiguration(ctx context.Context, l *link, path string, files nginx.Files, cause string) (answer, error) {
	base := l.sent
	m := manifest{Base: base.number, Number: base.number + 1, Generation: files.Generation, Shapes: files.Shapes, Cause: cause}
	for _, f := range files.List {
		before, known := base.files.Get(f.Name)
		m.Files = append(m.Files, listFile{Name: f.Name, Secret: f.Secret, Workers: f.Workers, Kept: known && bytes.Equal(before, f.Content)})
	}
	body, in := io.Pipe()
	defer body.Close()
	form := multipart.NewWriter(in)
	go func() { in.CloseWithError(writeForm(form, m, files)) }()
	l.sent = sent{number: m.Number}
	a, err := c.callForm(ctx, l, path, form.FormDataContentType(), body)
	if err != nil {
		return a, err
	}
	l.sent.files = files
	return a, nil
}

func writeForm(form *multipart.Writer, m manifest, files nginx.Files) error {
	part, err := form.CreateFormField(manifestPart)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(part).Encode(m); err != nil {
		return err
	}
	for i, f := range files.List {
		if m.Files[i].Kept {
			continue
		}
		if part, err = form.CreateFormField(f.Name); err != nil {
			return err
		}
		if _, err := part.Write(f.Content); err != nil {
			return err
		}
	}
	return form.Close()
}

// call sends a request of a session. The answer of a document that has arrived may have an error in it.
func (c *Client) call(ctx context.Context, l *link, method, path string, body io.Reader) (answer, error) {
	return c.request(ctx, l, method, path, "application/json", body)
}

func (c *Client) callForm(ctx context.Context, l *link, path, form string, body io.Reader) (answer, error) {
	return c.request(ctx, l, http.MethodPost, path, form, body)
}

func (c *Client) request(ctx context.Context, l *link, method, path, kind string, body io.Reader) (answer, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.ctx, func() { cancel(errors.New("the session has ended")) })()
	request, err := http.NewRequestWithContext(ctx, method, "http://dataplane"+path, body)
	if err != nil {
		return answer{}, err
	}
	request.Header.Set(sessionHeader, l.id)
	request.Header.Set("Content-Type", kind)
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	limit := int64(answerLimit)
	if path == "/measures" || path == "/workers" {
		limit = measureLimit
	}
	a := read(response, limit)
	switch response.StatusCode {
	case http.StatusOK, http.StatusUnprocessableEntity, http.StatusBadGateway:
		return a, nil
	case http.StatusConflict:
		return a, fmt.Errorf("the data plane wants everything again: %w", errBase)
	default:
		return a, fmt.Errorf("the data plane answers %d: %s", response.StatusCode, a.Error)
	}
}

// read reads an answer; what is none says so.
func read(response *http.Response, limit int64) answer {
	var a answer
	text, err := io.ReadAll(io.LimitReader(response.Body, limit))
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	if err != nil {
		return answer{Error: "the answer cannot be read"}
	}
	a.Error = short(a.Error)
	if a.Refused != nil && a.Refused.Verdict != nil {
		a.Refused.Verdict.Message = short(a.Refused.Verdict.Message)
	}
	return a
}

// short bounds what goes into logs and Events.
func short(text string) string {
	const most = 2000
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
