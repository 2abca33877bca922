package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// holdSessions keeps sessions open until the context ends. Each sends its share of the messages, one after the other.
func (r *Run) holdSessions(ctx context.Context) {
	defer close(r.over)
	var sessions sync.WaitGroup
	defer sessions.Wait()
	each := time.Duration(float64(r.load.Connections) / r.load.Rate * float64(time.Second))
	for n := range r.load.Connections {
		sessions.Go(func() {
			first := time.Duration(n) * each / time.Duration(r.load.Connections) // not all at the same moment
			for pause(ctx, first) {
				r.holdSession(ctx, each)
				first = each // before it comes again
			}
		})
	}
}

// pause returns false when the context ended before.
func pause(ctx context.Context, length time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(length):
		return ctx.Err() == nil
	}
}

// holdSession is one session from its handshake until it breaks or the context ends.
func (r *Run) holdSession(ctx context.Context, each time.Duration) {
	start := time.Now()
	connection, response, err := r.handshake(ctx)
	if err != nil {
		if ctx.Err() == nil {
			r.add(Record{Start: start, Duration: time.Since(start), Status: status(response), Err: fmt.Errorf("handshake: %w", err)}, 0)
		}
		return
	}
	defer connection.Close()
	session := Session{Start: time.Now(), Pod: response.Header.Get("Echo-Pod")}
	session.Err = r.converse(ctx, connection, &session, each)
	if session.Err == nil {
		goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
		_ = connection.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(time.Second)) // the server may be gone
	}
	session.End = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.result.Sessions = append(r.result.Sessions, session)
}

// converse returns what broke the session; nothing did if the context ended. A message that is under way then is waited for.
func (r *Run) converse(ctx context.Context, connection *websocket.Conn, session *Session, each time.Duration) error {
	echoes, broken, over := make(chan string), make(chan error, 1), make(chan struct{})
	defer close(over)
	go func() {
		for {
			_, text, err := connection.ReadMessage()
			if err != nil {
				broken <- err
				return
			}
			select {
			case echoes <- string(text):
			case <-over:
			}
		}
	}()
	for {
		record := Record{Start: time.Now(), Pod: session.Pod}
		record.Err = r.message(connection, echoes, broken)
		record.Duration = time.Since(record.Start)
		r.add(record, 0)
		if record.Err != nil {
			return record.Err
		}
		session.Messages++
		select {
		case <-ctx.Done():
			return nil
		case err := <-broken:
			err = fmt.Errorf("between messages: %w", err)
			r.add(Record{Start: time.Now(), Pod: session.Pod, Err: err}, 0)
			return err
		case <-time.After(each):
		}
	}
}

func status(response *http.Response) int {
	if response == nil {
		return 0
	}
	return response.StatusCode
}

func (r *Run) handshake(ctx context.Context) (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{NetDialContext: r.load.dial, TLSClientConfig: r.load.tls(), HandshakeTimeout: r.load.Timeout}
	scheme := "ws://"
	if r.load.TLS {
		scheme = "wss://"
	}
	header := http.Header{}
	for _, h := range r.load.Header {
		header.Add(h[0], h[1])
	}
	r.mu.Lock()
	r.result.Connections++
	r.mu.Unlock()
	return dialer.DialContext(ctx, scheme+r.load.Host+r.load.Path, header)
}

// message sends one and waits until it is back.
func (r *Run) message(connection *websocket.Conn, echoes <-chan string, broken <-chan error) error {
	text := fmt.Sprint(time.Now().UnixNano())
	if err := connection.WriteMessage(websocket.TextMessage, []byte(text)); errors.Is(err, websocket.ErrCloseSent) {
		return <-broken // the server has closed the session, and was answered
	} else if err != nil {
		return err
	}
	select {
	case echo := <-echoes:
		if echo != text {
			return fmt.Errorf("%q came back for %q", echo, text)
		}
		return nil
	case err := <-broken:
		return err
	case <-time.After(r.load.Timeout):
		return errors.New("the message did not come back in time")
	}
}
