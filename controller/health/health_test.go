package health

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestProbes(t *testing.T) {
	h := Handler(Probes{
		Live:  func() error { return nil },
		Ready: func() error { return errors.New("not yet") },
	}, "/healthz", prometheus.NewRegistry())
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/livez":   {http.StatusOK, "ok"},
		"/healthz": {http.StatusInternalServerError, "not yet"},
		"/readyz":  {http.StatusInternalServerError, "not yet"},
		"/metrics": {http.StatusOK, ""},
		"/other":   {http.StatusNotFound, ""},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want.status || !strings.Contains(w.Body.String(), want.body) {
			t.Errorf("%s answers %d %q", path, w.Code, w.Body)
		}
	}
}
