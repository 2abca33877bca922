// Package meter counts the requests that NGINX has served: it reads the log in which workers write a line for each, and adds up.
//
// Workers have nothing to do with metrics but to write that line, into memory mostly: they pass on what they have after a moment
// (nginx.RequestLogFlush), and when they end. So a request costs them little, however many series there are, and none is lost over
// a reload.
package meter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/traffic"
)

const (
	interval = time.Second // between two looks at the log
	chunk    = 1 << 20     // bytes that are read at a time
	mostFile = 1 << 30     // bytes of a file, holes included
)

// Meter follows the log of one NGINX.
type Meter struct {
	path string
	log  *slog.Logger

	mu      sync.Mutex
	file    *os.File // nil until there is one
	at      int64    // how far it has been read
	buffer  []byte
	trouble string // with it, as it was logged last
	tally   *tally
	begun   string // when this meter was made
	told    string // name of the last report
	number  int    // of reports
	sent    []traffic.Series
}

// New prepares a meter of the log in a directory; it touches nothing yet.
func New(dir string, log *slog.Logger) *Meter {
	return &Meter{
		path: filepath.Join(dir, nginx.RequestLog), log: log, tally: newTally(traffic.DefaultBounds()),
		begun: time.Now().UTC().Format(time.RFC3339Nano),
	}
}

// Clear removes the log of a former NGINX. It is called before NGINX is started.
func (m *Meter) Clear() {
	if err := os.Remove(m.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		m.log.Warn("requests that a former NGINX has served may be counted", "error", err)
	}
}

// Run reads what workers write until the context ends, so that the log stays small. If there is none, nothing happens.
func (m *Meter) Run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.mu.Lock()
			m.read()
			m.mu.Unlock()
		}
	}
}

// Ask tells what has been counted since the report that was taken, with the name of this one. It waits for what workers keep to
// themselves. If the question has other bounds than the last one, what was counted by those is lost.
func (m *Meter) Ask(ctx context.Context, q traffic.Question) (name string, series []traffic.Series, err error) {
	if err := q.Bounds.Check(); err != nil {
		return "", nil, fmt.Errorf("count requests: %w", err)
	}
	select {
	case <-time.After(nginx.RequestLogFlush * 3 / 2):
	case <-ctx.Done():
		return "", nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !q.Bounds.Equal(m.tally.bounds) {
		m.tally, m.sent = newTally(q.Bounds), nil
	}
	m.read()
	if q.Taken != m.told {
		m.tally.merge(m.sent) // nobody has it
	}
	m.number++
	m.told, m.sent = fmt.Sprintf("%s/%d", m.begun, m.number), m.tally.take()
	return m.told, m.sent, nil
}

// read counts the whole lines that are new, and gives back their space.
func (m *Meter) read() {
	if m.file == nil {
		file, err := os.OpenFile(m.path, os.O_RDWR, 0)
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				m.fail("requests are not counted", err)
			}
			return
		}
		m.file, m.buffer = file, make([]byte, chunk)
	}
	from := m.at
	for {
		n, err := m.file.ReadAt(m.buffer, m.at)
		whole := bytes.LastIndexByte(m.buffer[:n], '\n') + 1
		m.tally.add(m.buffer[:whole])
		m.at += int64(whole)
		if n == len(m.buffer) && whole == 0 {
			m.at += int64(n) // no line of ours is as long
			m.tally.broken++
		}
		if err != nil && !errors.Is(err, io.EOF) {
			m.fail("requests are not counted", err)
		}
		if err != nil {
			break
		}
	}
	if m.tally.broken > 0 {
		m.log.Warn("lines about requests make no sense, and are not counted", "lines", m.tally.broken)
		m.tally.broken = 0
	}
	if m.at > from {
		m.release(from)
	}
}

// fail says what is wrong with the log, once.
func (m *Meter) fail(message string, err error) {
	if m.trouble != err.Error() {
		m.trouble = err.Error()
		m.log.Error(message, "error", err)
	}
}

// release gives back the space of what has been read since from. The file keeps its length, so that nothing is lost that is written
// meanwhile. One that has grown too long, or whose filesystem cannot do that, begins anew; a worker that writes in that very
// moment loses its lines.
func (m *Meter) release(from int64) {
	from -= from % int64(os.Getpagesize()) // what was written to its end by now
	const keepLength = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if m.at < mostFile && unix.Fallocate(int(m.file.Fd()), keepLength, from, m.at-from) == nil {
		return
	}
	if info, err := m.file.Stat(); err != nil || info.Size() > m.at {
		return // the next time
	}
	if err := m.file.Truncate(0); err != nil {
		m.fail("the log of requests grows", err)
		return
	}
	m.at = 0
}
