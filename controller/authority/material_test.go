package authority

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"
)

var (
	begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	names = []string{"sluice-admission.ingress.svc"}
)

// made is what an empty Secret becomes.
func made(t *testing.T) material {
	t.Helper()
	return renew(t, material{}, begin, true)
}

// renew does so, and goes through a Secret.
func renew(t *testing.T, m material, now time.Time, wantChange bool) material {
	t.Helper()
	m, changed, err := m.renewed(now, names)
	if err != nil || changed != wantChange {
		t.Fatalf("at %v: changed is %t, %v", now, changed, err)
	}
	data, err := m.data()
	if err != nil {
		t.Fatal(err)
	}
	again, err := parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// isAccepted tells whether a client with the bundle accepts what another serves.
func isAccepted(bundle, serving material, now time.Time) bool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(bundle.bundle())
	_, err := serving.serving.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, DNSName: names[0]})
	return err == nil
}

func TestAnEmptySecretIsFilled(t *testing.T) {
	m := made(t)
	if !isAccepted(m, m, begin) || len(m.authorities) != 1 {
		t.Error("the certificate is not trusted")
	}
	renew(t, m, begin.Add(24*time.Hour), false)
}

// TestCertificatesAreRenewed for 30 years, looked at each week. What was stored a week ago has to be trusted by those who
// have heard of nothing since, and the other way round.
func TestCertificatesAreRenewed(t *testing.T) {
	m, now := made(t), begin
	leaves, authorities := 0, 0
	for range 30 * 52 {
		now = now.Add(7 * 24 * time.Hour)
		next, changed, err := m.renewed(now, names)
		if err != nil {
			t.Fatal(err)
		}
		if !isAccepted(next, m, now) || !isAccepted(m, next, now) {
			t.Fatalf("at %v, replicas and API servers that are a step apart do not understand each other", now)
		}
		if changed && !bytes.Equal(m.serving.Leaf.Raw, next.serving.Leaf.Raw) {
			leaves++
			if left := m.serving.Leaf.NotAfter.Sub(now); left < 90*24*time.Hour {
				t.Errorf("at %v, a certificate had %v left", now, left)
			}
		}
		if changed && !next.authorities[0].Equal(m.authorities[0]) {
			authorities++
		}
		if len(next.authorities) > 2 {
			t.Errorf("at %v, %d authorities are trusted", now, len(next.authorities))
		}
		m = next
	}
	if leaves < 40 || leaves > 50 || authorities < 4 || authorities > 5 {
		t.Errorf("in 30 years there were %d certificates and %d authorities", leaves, authorities)
	}
}

func TestWhatMakesACertificateAnew(t *testing.T) {
	m := made(t)
	if next := renew(t, m, begin.Add(-24*time.Hour), true); !isAccepted(next, next, begin) {
		t.Error("from the future")
	}
	names = append(names, "192.0.2.1")
	defer func() { names = names[:1] }()
	next := renew(t, m, begin, true)
	if next.serving.Leaf.VerifyHostname("192.0.2.1") != nil || !isAccepted(m, next, begin) {
		t.Error("a further name")
	}
}

func TestSecretsThatCannotBeUsed(t *testing.T) {
	data, err := made(t).data()
	if err != nil {
		t.Fatal(err)
	}
	other, err := made(t).data()
	if err != nil {
		t.Fatal(err)
	}
	for key := range data {
		for what, value := range map[string][]byte{"missing": nil, "of another": other[key], "no PEM": []byte("x")} {
			before := data[key]
			data[key] = value
			m, err := parse(data)
			// A bundle of another authority is found when the certificate is verified.
			if err == nil && m.isTrusted(begin) {
				t.Errorf("%s %s is used", key, what)
			}
			data[key] = before
		}
	}
}
