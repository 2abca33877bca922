package webhook

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files are a certificate and a key in PEM files. They are read again when somebody connects, once a second at most, so a
// Secret that is mounted may change. While they cannot be used, the pair that could be stays.
type Files struct {
	Certificate, Key string
	Log              *slog.Logger

	mu          sync.Mutex
	read        time.Time
	chain, key  []byte
	pair        *tls.Certificate
	lastProblem string
}

// Get implements the GetCertificate of a tls.Config.
func (f *Files) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var err error
	if now := time.Now(); now.Sub(f.read) >= time.Second {
		f.read = now
		err = f.refresh()
		f.report(err)
	}
	if f.pair == nil {
		if err == nil {
			err = fmt.Errorf("there is no usable certificate in %s", f.Certificate)
		}
		return nil, err
	}
	return f.pair, nil
}

func (f *Files) refresh() error {
	chain, err := os.ReadFile(f.Certificate)
	if err != nil {
		return fmt.Errorf("read the webhook's certificate: %w", err)
	}
	key, err := os.ReadFile(f.Key)
	if err != nil {
		return fmt.Errorf("read the key of the webhook's certificate: %w", err)
	}
	if f.pair != nil && bytes.Equal(chain, f.chain) && bytes.Equal(key, f.key) {
		return nil
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return fmt.Errorf("use the webhook's certificate: %w", err)
	}
	f.chain, f.key, f.pair = chain, key, &pair
	f.Log.Info("the admission webhook has a certificate", "file", f.Certificate, "until", pair.Leaf.NotAfter)
	return nil
}

// report says each problem once.
func (f *Files) report(err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	if problem != "" && problem != f.lastProblem {
		f.Log.Error("the certificate of the admission webhook cannot be used", "error", err)
	}
	f.lastProblem = problem
}
