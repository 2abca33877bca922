//go:build e2e

package availability_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/load"
	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

func TestARenewedCertificateIsServedWithinASecond(t *testing.T) {
	s := install(t)
	a := deploy(t, s, 1, ordinary)
	secrets := suite.Client(t).CoreV1().Secrets(a.namespace)
	secret, certificate := suite.TLSSecret(t, "app", a.host)
	if _, err := secrets.Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	before := reloads(t, s)
	patch := fmt.Appendf(nil, `{"spec": {"tls": [{"hosts": [%q], "secretName": "app"}]}}`, a.host)
	_, err := suite.Client(t).NetworkingV1().Ingresses(a.namespace).Patch(t.Context(), "app", types.MergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	run := load.Load{Kind: load.Handshake, Address: s.Address + ":443", Host: a.host, Rate: 100, Connections: 20}.Start()
	var times []time.Duration
	for range 5 {
		waitCertificate(t, run, load.Fingerprint(certificate.Raw))
		secret, certificate = suite.TLSSecret(t, "app", a.host)
		if _, err := secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		renewed := time.Now()
		times = append(times, waitCertificate(t, run, load.Fingerprint(certificate.Raw)).Sub(renewed))
	}
	result := run.Stop()
	t.Logf("measured: the last handshake with an old certificate began %v after the renewal; %v", times, result)
	for _, took := range times {
		if took > time.Second {
			t.Errorf("an old certificate was served for %v", took)
		}
	}
	if failures := result.Failures(); len(failures) > 0 {
		t.Errorf("%d handshakes failed, the first is %+v", len(failures), failures[0])
	}
	wantNoReload(t, s, before)
}

// waitCertificate waits until a hundred handshakes in a row, so both replicas, have got a certificate, and returns when
// the last one began that got another.
func waitCertificate(t *testing.T, run *load.Run, fingerprint string) time.Time {
	t.Helper()
	const enough = 100
	var last time.Time
	suite.Within(t, soon, func() error {
		records := run.SoFar()
		got := 0
		for _, one := range records {
			if got++; one.Certificate != fingerprint {
				got, last = 0, one.Start
			}
		}
		if got < enough {
			return fmt.Errorf("%d handshakes got the certificate, then another", got)
		}
		return nil
	})
	return last
}
