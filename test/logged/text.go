// Package logged keeps what programs write, for tests that read it meanwhile.
package logged

import (
	"bytes"
	"strings"
	"sync"
)

// Text is what has been written so far. Its zero value is empty.
type Text struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

// Write implements io.Writer.
func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buffer.Write(p)
}

// String is all of it.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buffer.String()
}

// Count is how often a part is in it.
func (t *Text) Count(part string) int { return strings.Count(t.String(), part) }

// Clear forgets it.
func (t *Text) Clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buffer.Reset()
}
