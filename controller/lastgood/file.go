// Package lastgood keeps in a file what a controller should know when it starts again: which versions of objects NGINX refused, and
// the last good versions that are in force in their place. A file that is missing, damaged or of another form counts as none.
package lastgood

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
)

// File is a file that keeps it. It implements controller.Keeper.
type File struct {
	path string
	log  *slog.Logger
}

// New keeps it in a file of the state directory.
func New(stateDir string, log *slog.Logger) *File {
	return &File{filepath.Join(stateDir, "refused.json"), log}
}

const (
	format = 1 // of the file

	// mostObjects and mostBytes bound the file. Beyond them a restart finds out again what NGINX refuses, and answers 503 where
	// a last good version would have served.
	mostObjects = 1000
	mostBytes   = 16 << 20
)

// content is what the file holds. Secrets are not among it: their last good pairs are in state.jsonl.
type content struct {
	Format    int                     `json:"format"`
	Refusals  []cluster.Refusal       `json:"refusals"`
	Ingresses []*networkingv1.Ingress `json:"ingresses"`
	ConfigMap *corev1.ConfigMap       `json:"configMap,omitempty"`
}

// Kept reads the file.
func (f *File) Kept() controller.Kept {
	c, err := f.read()
	if errors.Is(err, fs.ErrNotExist) {
		return controller.Kept{}
	}
	if err != nil {
		f.log.Error("what NGINX refused earlier cannot be read, so it is found out again", "error", err)
		return controller.Kept{}
	}
	return controller.Kept{Quarantine: cluster.NewQuarantine(c.Refusals...), Ingresses: c.Ingresses, ConfigMap: c.ConfigMap}
}

func (f *File) read() (content, error) {
	var c content
	info, err := os.Stat(f.path)
	if err != nil {
		return c, fmt.Errorf("read last good versions: %w", err)
	}
	if info.Size() > mostBytes {
		return c, fmt.Errorf("%s has %d bytes, and at most %d are written", f.path, info.Size(), mostBytes)
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return c, fmt.Errorf("read last good versions: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&c); err != nil {
		return c, fmt.Errorf("%s is damaged: %w", f.path, err)
	}
	if c.Format != format {
		return c, fmt.Errorf("%s has format %d, not %d", f.path, c.Format, format)
	}
	for _, ingress := range c.Ingresses {
		if ingress == nil {
			return c, fmt.Errorf("%s is damaged: an Ingress is missing", f.path)
		}
	}
	return c, nil
}

// Keep replaces the file, whole or not at all. Without anything to keep it is removed.
func (f *File) Keep(k controller.Kept) error {
	c := content{Format: format, Refusals: k.Quarantine.Refusals()}
	c.Refusals = c.Refusals[:min(len(c.Refusals), mostObjects)]
	if len(c.Refusals)+len(k.Ingresses) == 0 && k.ConfigMap == nil {
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("forget last good versions: %w", err)
		}
		return nil
	}
	if k.ConfigMap != nil {
		c.ConfigMap = &corev1.ConfigMap{ObjectMeta: identity(k.ConfigMap.ObjectMeta), Data: k.ConfigMap.Data}
	}
	for _, ingress := range k.Ingresses[:min(len(k.Ingresses), mostObjects)] {
		stripped := &networkingv1.Ingress{ObjectMeta: identity(ingress.ObjectMeta), Spec: ingress.Spec}
		stripped.CreationTimestamp, stripped.Annotations = ingress.CreationTimestamp, ingress.Annotations
		c.Ingresses = append(c.Ingresses, stripped)
	}
	text, err := encode(c)
	if err != nil {
		return err
	}
	return f.write(text)
}

// identity is what tells an object from others; it has none of what only the API server needs.
func identity(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID}
}

// encode leaves out what does not fit, last good versions first.
func encode(c content) ([]byte, error) {
	for {
		text, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encode last good versions: %w", err)
		}
		switch {
		case len(text) <= mostBytes:
			return text, nil
		case len(c.Ingresses) > 0:
			c.Ingresses = c.Ingresses[:len(c.Ingresses)/2]
		case len(c.Refusals) > 0:
			c.Refusals = c.Refusals[:len(c.Refusals)/2]
		default:
			return nil, fmt.Errorf("the ConfigMap alone has more than %d bytes", mostBytes)
		}
	}
}

func (f *File) write(text []byte) error {
	temporary := f.path + ".tmp"
	err := os.MkdirAll(filepath.Dir(f.path), 0o755)
	if err == nil {
		_ = os.Remove(temporary) // its mode may be another
		err = os.WriteFile(temporary, text, 0o600)
	}
	if err == nil {
		err = os.Rename(temporary, f.path)
	}
	if err != nil {
		_ = os.Remove(temporary)
		return fmt.Errorf("write last good versions: %w", err)
	}
	return nil
}
