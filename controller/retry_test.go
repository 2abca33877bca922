package controller_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/test/fleet"
)

// A port that somebody else has is tried again, seldom, and listened on when it is free; what else is in quarantine stays there.
func TestPortsThatBecomeFree(t *testing.T) {
	inBothModes(t, func(t *testing.T, o func() controller.Options) {
		options := o()
		options.Streams.TCP = cluster.Name{Namespace: "ingress", Name: "tcp"}
		lists := annotated(fleet.Lists(20, 80, "10.0.0.1"), 3, "proxy-read-timeout", "77")
		lists.ConfigMaps = append(lists.ConfigMaps, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "tcp"},
			Data:       map[string]string{"5432": lists.Services[0].Namespace + "/" + lists.Services[0].Name + ":80"},
		})
		var isFree atomic.Bool
		bad := refuses(true, "proxy_read_timeout 77s")
		s := play(t, options, lists, &keeper{}, func(f nginx.Files) error {
			if text, _ := f.Get("nginx.conf"); !isFree.Load() && strings.Contains(string(text), "listen 5432 ") {
				return placed{message: "bind() to 0.0.0.0:5432 failed (address already in use)"}
			}
			return bad(f)
		})
		plan, text := s.settle()
		const entry = "ConfigMap ingress/tcp data.5432: NGINX refuses what it comes to: bind() to 0.0.0.0:5432 failed (address already in use); nothing listens for it until it can"
		if got := told(plan); !strings.Contains(got, entry) || strings.Contains(text, "listen 5432 ") {
			t.Fatalf("told: %s", got)
		}

		before := s.engine.tests.Load()
		time.Sleep(time.Hour)
		s.settle()
		// After 1, 3, 7, 15, 30, 45 and 60 minutes. What is live is applied again beside, which costs no reload.
		if tests := s.engine.tests.Load() - before; tests < 7 || tests > 2*7 {
			t.Errorf("in an hour it was tried %d times", tests)
		}
		isFree.Store(true)
		time.Sleep(15 * time.Minute)
		plan, text = s.settle()
		if got := told(plan); strings.Contains(got, "5432") || !strings.Contains(got, "web-3") {
			t.Errorf("when it is free, told: %s", got)
		}
		if text == "" {
			t.Error("no plan was made")
		} else if !strings.Contains(text, "listen 5432 ") {
			t.Error("nothing listens although the port is free")
		}
		s.end()
	})
}
