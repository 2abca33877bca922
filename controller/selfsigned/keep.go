package selfsigned

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

const (
	file = "default-certificate.pem" // the certificate, then its key
	// remaining is how long a certificate has to last yet to be used again.
	remaining = 30 * 24 * time.Hour
)

// Keep returns the certificate that a former process left in a directory, or makes one and leaves it there: with another
// one, a controller that is started anew would have NGINX reload. A directory that cannot be written is no reason to fail.
func Keep(dir string, now time.Time, log *slog.Logger) (nginx.Certificate, error) {
	path := filepath.Join(dir, file)
	kept, err := load(path, now)
	if err == nil {
		return kept, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		log.Warn("the default certificate is made anew", "error", err)
	}
	made, err := New(now)
	if err != nil {
		return made, err
	}
	if err := save(path, made); err != nil {
		log.Warn("the default certificate will be another one after a restart", "error", err)
	}
	return made, nil
}

func load(path string, now time.Time) (nginx.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nginx.Certificate{}, err
	}
	block, key := pem.Decode(text)
	if block == nil {
		return nginx.Certificate{}, fmt.Errorf("%s holds no certificate", path)
	}
	chain := strings.TrimSuffix(string(text), string(key))
	if _, err := tls.X509KeyPair([]byte(chain), key); err != nil {
		return nginx.Certificate{}, fmt.Errorf("read %s: %w", path, err)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nginx.Certificate{}, fmt.Errorf("read %s: %w", path, err)
	}
	if now.Before(certificate.NotBefore) || now.Add(remaining).After(certificate.NotAfter) {
		return nginx.Certificate{}, fmt.Errorf("%s is valid until %s only", path, certificate.NotAfter)
	}
	return nginx.Certificate{Chain: chain, Key: nginx.NewSecret(string(key))}, nil
}

func save(path string, c nginx.Certificate) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temporary := path + ".tmp"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) { // its mode may be another
		return err
	}
	if err := os.WriteFile(temporary, []byte(c.Chain+c.Key.Reveal()), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
