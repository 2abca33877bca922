package nginx

import (
	"fmt"
	"io"
)

// Secret is text that must not be seen. It prints as "redacted"; Reveal is for whoever has to write it.
type Secret struct{ text string }

// NewSecret wraps text that must not be seen.
func NewSecret(text string) Secret { return Secret{text} }

// Reveal returns the text itself.
func (s Secret) Reveal() string { return s.text }

// Format hides the text from fmt, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redacted") }

// MarshalText hides the text from encoders such as encoding/json.
func (s Secret) MarshalText() ([]byte, error) { return []byte("redacted"), nil }
