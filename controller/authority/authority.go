package authority

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync/atomic"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Options say where everything is.
type Options struct {
	Namespace     string // of the Secret: that of our pod
	Secret        string // which exists; it may be empty
	Configuration string // name of the ValidatingWebhookConfiguration
	// Leads tells whether this replica writes. Two that believe so do no harm: the API server takes the Secret of one.
	Leads func() bool
	Log   *slog.Logger
}

// Authority keeps the certificate.
type Authority struct {
	options Options
	client  kubernetes.Interface
	current atomic.Pointer[tls.Certificate]
	said    string // the error that was logged last
}

// New prepares to use the API server of a configuration. Nothing is asked before Run.
func New(config *rest.Config, o Options) (*Authority, error) {
	config = rest.CopyConfig(config)
	config.Timeout = longestRequest
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("keep the webhook's certificate: %w", err)
	}
	return &Authority{options: o, client: client}, nil
}

const (
	longestRequest = 10 * time.Second
	// interval is between two looks. Whoever takes the bundle out of the configuration, as a deployment tool might, is
	// corrected within it; a certificate that was renewed is served by all replicas after it.
	interval = time.Minute
	// impatience is between looks while there is no certificate, or something has failed.
	impatience = time.Second
)

// Certificate implements the GetCertificate of a tls.Config.
func (a *Authority) Certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if now := a.current.Load(); now != nil {
		return now, nil
	}
	return nil, errors.New("the webhook has no certificate yet")
}

// Run keeps the certificate until the context ends.
func (a *Authority) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		err := a.look(ctx, a.options.Leads())
		if ctx.Err() != nil {
			return nil
		}
		a.report(err)
		pause := interval
		if err != nil || a.current.Load() == nil {
			pause = impatience
		}
		timer.Reset(pause)
	}
}

// report says each error once.
func (a *Authority) report(err error) {
	said := ""
	if err != nil {
		said = err.Error()
	}
	if said != "" && said != a.said {
		a.options.Log.Error("the certificate of the admission webhook is not kept; it is tried again", "error", err)
	}
	a.said = said
}

// look takes the certificate of the Secret, after the leader has renewed what is due. The API server is told to trust an
// authority before anything that it has signed is stored, and so served.
func (a *Authority) look(ctx context.Context, leads bool) error {
	secrets := a.client.CoreV1().Secrets(a.options.Namespace)
	secret, err := secrets.Get(ctx, a.options.Secret, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read Secret %s/%s: %w", a.options.Namespace, a.options.Secret, err)
	}
	m, unusable := parse(secret.Data)
	if leads {
		if unusable != nil && len(secret.Data) > 0 {
			a.options.Log.Warn("the Secret of the admission webhook cannot be used; it is filled anew", "error", unusable)
		}
		if m, err = a.renew(ctx, secret, m); err != nil {
			return err
		}
	}
	if m.serving == nil {
		return nil // the leader will fill the Secret
	}
	if before := a.current.Load(); before == nil || !bytes.Equal(before.Leaf.Raw, m.serving.Leaf.Raw) {
		a.current.Store(m.serving)
		a.options.Log.Info("the admission webhook has a certificate", "until", m.serving.Leaf.NotAfter)
	}
	return nil
}

// renew makes what is due, has it trusted, and stores it.
func (a *Authority) renew(ctx context.Context, secret *corev1.Secret, m material) (material, error) {
	configurations := a.client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	configuration, err := configurations.Get(ctx, a.options.Configuration, metav1.GetOptions{})
	if err != nil {
		return m, fmt.Errorf("read ValidatingWebhookConfiguration %s: %w", a.options.Configuration, err)
	}
	m, changed, err := m.renewed(time.Now(), servedNames(configuration))
	if err != nil {
		return m, err
	}
	if patch := trust(configuration, m.bundle()); patch != nil {
		if _, err := configurations.Patch(ctx, a.options.Configuration, types.StrategicMergePatchType, patch, metav1.PatchOptions{}); err != nil {
			return m, fmt.Errorf("put the authority into ValidatingWebhookConfiguration %s: %w", a.options.Configuration, err)
		}
	}
	if !changed {
		return m, nil
	}
	secret = secret.DeepCopy()
	if secret.Data, err = m.data(); err != nil {
		return m, fmt.Errorf("fill Secret %s/%s: %w", a.options.Namespace, a.options.Secret, err)
	}
	if _, err := a.client.CoreV1().Secrets(a.options.Namespace).Update(ctx, secret, metav1.UpdateOptions{}); err != nil {
		return m, fmt.Errorf("fill Secret %s/%s: %w", a.options.Namespace, a.options.Secret, err)
	}
	return m, nil
}

// servedNames are those under which the API server asks the webhooks of a configuration.
func servedNames(c *admissionv1.ValidatingWebhookConfiguration) []string {
	var list []string
	for _, w := range c.Webhooks {
		if service := w.ClientConfig.Service; service != nil {
			list = append(list, service.Name+"."+service.Namespace+".svc")
		} else if w.ClientConfig.URL != nil {
			if u, err := url.Parse(*w.ClientConfig.URL); err == nil && u.Hostname() != "" {
				list = append(list, u.Hostname())
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// trust is a patch after which the API server trusts a bundle, nil if it does.
func trust(c *admissionv1.ValidatingWebhookConfiguration, bundle []byte) []byte {
	type clientConfig struct {
		CABundle []byte `json:"caBundle"`
	}
	type hook struct {
		Name         string       `json:"name"` // by which the API server merges
		ClientConfig clientConfig `json:"clientConfig"`
	}
	var list []hook
	for _, w := range c.Webhooks {
		if !bytes.Equal(w.ClientConfig.CABundle, bundle) {
			list = append(list, hook{w.Name, clientConfig{bundle}})
		}
	}
	if list == nil {
		return nil
	}
	patch, err := json.Marshal(map[string]any{"webhooks": list})
	if err != nil {
		return nil // of text and bytes, which can always be written
	}
	return patch
}
