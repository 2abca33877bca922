package events_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/events"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/templates"
	"github.com/sluice-ingress/sluice/test/golden"
	"github.com/sluice-ingress/sluice/test/logged"
)

var _ controller.Observer = (*events.Recorder)(nil)

func expect(t *testing.T, a *api, want ...string) {
	t.Helper()
	synctest.Wait()
	want = slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(want, a.lines(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("other Events than expected (-want +got):\n%s", diff)
	}
}

// things are objects that Problems name.
var things = cluster.Lists{
	Ingresses:  []*networkingv1.Ingress{ingress("shop", "web", "uid-of-web")},
	ConfigMaps: []*corev1.ConfigMap{{ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "nginx", UID: "uid-of-map", ResourceVersion: "8"}}},
	Secrets:    []*corev1.Secret{{ObjectMeta: metav1.ObjectMeta{Namespace: "certs", Name: "tls", UID: "uid-of-tls", ResourceVersion: "9"}}},
	Services:   []*corev1.Service{{ObjectMeta: metav1.ObjectMeta{Namespace: "other", Name: "fallback", UID: "uid-of-fallback", ResourceVersion: "10"}}},
}

var (
	onIngress   = corev1.ObjectReference{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Namespace: "shop", Name: "web", UID: "uid-of-web", ResourceVersion: "7"}
	onConfigMap = corev1.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "ingress", Name: "nginx", UID: "uid-of-map", ResourceVersion: "8"}
	onSecret    = corev1.ObjectReference{APIVersion: "v1", Kind: "Secret", Namespace: "certs", Name: "tls", UID: "uid-of-tls", ResourceVersion: "9"}
	onService   = corev1.ObjectReference{APIVersion: "v1", Kind: "Service", Namespace: "other", Name: "fallback", UID: "uid-of-fallback", ResourceVersion: "10"}
	onPod       = corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: podUID}
)

func TestProblemsBecomeEvents(t *testing.T) {
	web := object("Ingress", "shop", "web")
	for name, c := range map[string]struct {
		problem   translate.Problem
		about     corev1.ObjectReference
		eventType string
		message   string
	}{
		"error": {
			translate.Problem{Object: web, Field: "spec.rules[0].host", Severity: cluster.Error, Message: "is none"},
			onIngress, "Warning", "spec.rules[0].host: is none",
		},
		"warning": {
			translate.Problem{Object: web, Field: "metadata.annotations[a/b]", Severity: cluster.Warning, Message: "has no effect"},
			onIngress, "Warning", "metadata.annotations[a/b]: has no effect",
		},
		"information about the whole object": {
			translate.Problem{Object: web, Severity: cluster.Info, Message: "fine"}, onIngress, "Normal", "fine",
		},
		"unprintable characters": {
			translate.Problem{Object: web, Severity: cluster.Error, Message: "a\nb\x00c\u202ed\xffe\n"}, onIngress, "Warning", "a b c d?e",
		},
		"too long, cut within a character": {
			translate.Problem{Object: web, Severity: cluster.Error, Message: strings.Repeat("ä", 600)}, onIngress, "Warning", strings.Repeat("ä", 510) + "...",
		},
		"ConfigMap": {
			translate.Problem{Object: object("ConfigMap", "ingress", "nginx"), Field: "data.proxy-body-size", Severity: cluster.Warning, Message: "is no size"},
			onConfigMap, "Warning", "data.proxy-body-size: is no size",
		},
		"Secret": {
			translate.Problem{Object: object("Secret", "certs", "tls"), Field: "data", Severity: cluster.Error, Message: "has no tls.key"},
			onSecret, "Warning", "data: has no tls.key",
		},
		"Service": {
			translate.Problem{Object: object("Service", "other", "fallback"), Severity: cluster.Warning, Message: "has no endpoint"},
			onService, "Warning", "has no endpoint",
		},
		"what does not exist": {
			translate.Problem{Object: object("ConfigMap", "ingress", "gone"), Severity: cluster.Warning, Message: "does not exist"},
			onPod, "Warning", "ConfigMap ingress/gone: does not exist",
		},
		"what has no namespace": {
			translate.Problem{Object: object("IngressClass", "", "nginx"), Field: "spec.parameters", Severity: cluster.Warning, Message: "has no effect"},
			onPod, "Warning", "IngressClass nginx: spec.parameters: has no effect",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
				c.problem.Reason = "SomeReason"
				r.Lead(true)
				r.Planned(world{things, translate.Problems{c.problem}}.plan(), 0)
				synctest.Wait()
				want := []corev1.Event{eventNow(c.about, c.eventType, "SomeReason", c.message)}
				ignored := cmpopts.IgnoreFields(metav1.ObjectMeta{}, "Name", "ResourceVersion")
				if diff := cmp.Diff(want, a.all(), ignored); diff != "" {
					t.Errorf("another Event than expected (-want +got):\n%s", diff)
				}
				if len(c.message) > 1024 || !utf8.ValidString(c.message) {
					t.Errorf("the test wants %d bytes, or none that are text", len(c.message))
				}
			})
		})
	}
}

func eventNow(about corev1.ObjectReference, eventType, reason, message string) corev1.Event {
	now := metav1.NewTime(time.Now()).Rfc3339Copy()
	return corev1.Event{
		TypeMeta:       metav1.TypeMeta{APIVersion: "v1", Kind: "Event"},
		ObjectMeta:     metav1.ObjectMeta{Namespace: about.Namespace},
		InvolvedObject: about, Type: eventType, Reason: reason, Message: message, Count: 1,
		FirstTimestamp: now, LastTimestamp: now,
		Source:              corev1.EventSource{Component: "nginx-ingress-controller"},
		ReportingController: "nginx-ingress-controller", ReportingInstance: pod.Name,
	}
}

func TestAnIngressOfOthersGetsNoEvent(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		r.Lead(true)
		p := shop(missing(0)).plan()
		p.Claimed = nil
		r.Planned(p, 0)
		expect(t, a)
	})
}

func TestALastingProblemIsRepeatedBeforeItsEventExpires(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		r.Lead(true)
		for range 5 {
			r.Planned(shop(missing(0)).plan(), 0)
			expect(t, a, missingLine(0))
			time.Sleep(5 * time.Minute)
		}
		time.Sleep(5*time.Minute + time.Second)
		expect(t, a, missingLine(0)+" (x2)")
		if e := a.all()[0]; e.LastTimestamp.Sub(e.FirstTimestamp.Time) != 30*time.Minute {
			t.Errorf("it is from %s to %s", e.FirstTimestamp, e.LastTimestamp)
		}
		a.forget() // as if the API server's --event-ttl were short
		time.Sleep(30 * time.Minute)
		expect(t, a, missingLine(0)+" (x3)")

		a.forget()
		r.Planned(shop().plan(), 0)
		time.Sleep(2 * time.Hour)
		expect(t, a)
		r.Planned(shop(missing(0)).plan(), 0)
		expect(t, a, missingLine(0)+" (x4)")
	})
}

func TestOnlyWhatIsNewIsWritten(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		r.Lead(true)
		r.Planned(shop(missing(1), missing(3)).plan(), 0)
		expect(t, a, missingLine(1), missingLine(3))
		r.Planned(shop(missing(0), missing(1), missing(2), missing(4)).plan(), 0)
		expect(t, a, missingLine(0), missingLine(1), missingLine(2), missingLine(3), missingLine(4))
	})
}

func TestOnlyTheLeaderWritesAboutObjects(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		r.Planned(shop(missing(0), missing(1)).plan(), 0)
		expect(t, a)
		r.Lead(true) // without another plan
		expect(t, a, missingLine(0), missingLine(1))
		r.Lead(false)
		r.Planned(shop(missing(1), missing(2)).plan(), 0)
		time.Sleep(2 * time.Hour)
		expect(t, a, missingLine(0), missingLine(1))
		r.Lead(true)
		expect(t, a, missingLine(0), missingLine(1)+" (x2)", missingLine(2))
	})
}

func TestSync(t *testing.T) {
	const synced = "Normal Sync Ingress shop/web: Scheduled for sync"
	change := func(f func(*networkingv1.Ingress)) world {
		w := shop()
		f(w.lists.Ingresses[0])
		return w
	}
	empty := func() world { return world{} }
	for name, c := range map[string]struct {
		before, after world
		options       events.Options
		want          []string
	}{
		"new":                 {empty(), shop(), events.Options{}, []string{synced}},
		"the same":            {shop(), shop(), events.Options{}, nil},
		"gone":                {shop(), empty(), events.Options{}, nil},
		"another annotation":  {shop(), change(func(i *networkingv1.Ingress) { i.Annotations = map[string]string{"a": "b"} }), events.Options{}, []string{synced}},
		"another spec":        {shop(), change(func(i *networkingv1.Ingress) { i.Spec.Rules = []networkingv1.IngressRule{{Host: "a"}} }), events.Options{}, []string{synced}},
		"another object":      {shop(), change(func(i *networkingv1.Ingress) { i.UID = "uid-of-another" }), events.Options{}, []string{synced}},
		"another version":     {shop(), change(func(i *networkingv1.Ingress) { i.ResourceVersion = "12" }), events.Options{}, nil},
		"one beside it":       {shop(), beside(), events.Options{}, []string{strings.Replace(synced, "web", "beside", 1)}},
		"disabled":            {empty(), shop(), events.Options{NoSync: true}, nil},
		"disabled, a Problem": {empty(), shop(missing(0)), events.Options{NoSync: true}, []string{missingLine(0)}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, c.options, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
				r.Lead(true)
				r.Planned(c.before.plan(), 0)
				expect(t, a) // none for what was there before us
				r.Planned(c.after.plan(), 0)
				expect(t, a, c.want...)
			})
		})
	}
}

// beside is shop with another Ingress, which comes first.
func beside() world {
	w := shop()
	w.lists.Ingresses = append(w.lists.Ingresses, ingress("shop", "beside", "uid-of-beside"))
	w.lists.Ingresses[0].CreationTimestamp = metav1.Unix(1e9, 0)
	return w
}

func TestProblemsOfAReplacedObjectAreNews(t *testing.T) {
	inBubble(t, events.Options{NoSync: true}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		r.Lead(true)
		r.Planned(shop(missing(0)).plan(), 0)
		expect(t, a, missingLine(0))
		again := shop(missing(0))
		again.lists.Ingresses[0].UID = "uid-of-another"
		r.Planned(again.plan(), 0)
		expect(t, a, missingLine(0), missingLine(0))
		if got := a.all()[1].InvolvedObject.UID; got != "uid-of-another" {
			t.Errorf("the second Event is on %s", got)
		}
	})
}

func TestWhatHappensWhileNobodyLeadsIsToldByTheNextLeader(t *testing.T) {
	for after, want := range map[time.Duration][]string{
		20 * time.Second: {"Normal Sync Ingress shop/web: Scheduled for sync"},
		2 * time.Minute:  nil, // somebody else led then
	} {
		t.Run(after.String(), func(t *testing.T) {
			inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
				r.Planned(world{}.plan(), 0)
				r.Planned(world{}.plan(), 0)
				synctest.Wait()
				r.Planned(shop().plan(), 0)
				synctest.Wait()
				again := shop()
				again.lists.Ingresses[0].Annotations = map[string]string{"a": "b"}
				r.Planned(again.plan(), 0)
				time.Sleep(after)
				r.Lead(true)
				expect(t, a, want...)
				if r.Dropped() != 0 {
					t.Errorf("%d Events count as dropped", r.Dropped())
				}
			})
		})
	}
}

func TestConfigMaps(t *testing.T) {
	with := func(uid, size string) world {
		return world{lists: cluster.Lists{ConfigMaps: []*corev1.ConfigMap{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ingress", Name: "nginx", UID: types.UID(uid)},
			Data:       map[string]string{"proxy-body-size": size},
		}}}}
	}
	o := events.Options{ConfigMaps: []cluster.Name{{Namespace: "ingress", Name: "nginx"}}}
	inBubble(t, o, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		r.Lead(true)
		r.Planned(world{}.plan(), 0)
		synctest.Wait()
		r.Planned(with("1", "1m").plan(), 0)
		expect(t, a, "Normal CREATE ConfigMap ingress/nginx: ConfigMap ingress/nginx")
		r.Planned(with("1", "1m").plan(), 0)
		expect(t, a, "Normal CREATE ConfigMap ingress/nginx: ConfigMap ingress/nginx")
		r.Planned(with("1", "2m").plan(), 0)
		expect(t, a, "Normal CREATE ConfigMap ingress/nginx: ConfigMap ingress/nginx", "Normal UPDATE ConfigMap ingress/nginx: ConfigMap ingress/nginx")
		a.forget()
		r.Planned(with("2", "2m").plan(), 0)
		expect(t, a, "Normal CREATE ConfigMap ingress/nginx: ConfigMap ingress/nginx")
	})
	o.NoSync = true
	inBubble(t, o, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		r.Lead(true)
		r.Planned(world{}.plan(), 0)
		synctest.Wait()
		r.Planned(with("1", "1m").plan(), 0)
		expect(t, a)
	})
}

func TestReloadsAreToldByEveryReplica(t *testing.T) {
	inBubble(t, events.Options{NoSync: true}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		r.Tested(0, nil)
		r.Reloaded("hosts", 0, nil)
		synctest.Wait()
		r.Reloaded("hosts", 0, nil)
		synctest.Wait()
		r.Tested(0, errors.New("NGINX refuses the configuration: unexpected \"}\"\nin nginx.conf:3"))
		r.Reloaded("paths", 0, errors.New("not all workers run it"))
		on := " Pod " + pod.String() + ": "
		expect(t, a,
			"Normal RELOAD"+on+"NGINX runs a new configuration (hosts) (x2)",
			"Warning RELOAD"+on+"the new configuration is not in force: NGINX refuses the configuration: unexpected \"}\" in nginx.conf:3",
			"Warning RELOAD"+on+"the new configuration is not in force: not all workers run it",
		)
		for _, e := range a.all() {
			if e.InvolvedObject.UID != podUID {
				t.Errorf("kubectl describe would not find %s: its Pod is %q", e.Message, e.InvolvedObject.UID)
			}
		}
	})
}

func TestTheWorstProblemsOfAnObjectComeFirst(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, log *logged.Text) {
		var all []translate.Problem
		var want []string
		for n := range 40 {
			p := missing(n)
			if p.Severity = cluster.Warning; n >= 15 {
				p.Severity = cluster.Error
				want = append(want, missingLine(n))
			}
			all = append(all, p)
		}
		r.Lead(true)
		r.Planned(shop(all...).plan(), 0)
		r.Planned(shop(all...).plan(), 0)
		expect(t, a, want...)
		if r.Dropped() != 15 || log.Count("this is said once") != 1 {
			t.Errorf("%d Events count as dropped; the log has %d lines about it", r.Dropped(), log.Count("this is said once"))
		}
		a.forget()
		r.Planned(shop(all[:20]...).plan(), 0)
		want = nil
		for n := range 15 {
			want = append(want, missingLine(n))
		}
		expect(t, a, want...)
	})
}

func TestAllProblemsThatAreWrittenCanBeRepeated(t *testing.T) {
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, _ *logged.Text) {
		var all []translate.Problem
		for n := range 25 {
			all = append(all, missing(n))
		}
		r.Lead(true)
		r.Planned(shop(all...).plan(), 0)
		for times := range 6 {
			synctest.Wait()
			for _, e := range a.all() {
				if int(e.Count) != times+1 {
					t.Fatalf("after %d repetitions: %s has come %d times", times, e.Message, e.Count)
				}
			}
			time.Sleep(30*time.Minute + 10*time.Second)
		}
		if r.Dropped() != 0 {
			t.Errorf("%d Events were dropped", r.Dropped())
		}
	})
}

// A plan as the loop makes it, of objects with something to hide.
func TestNoEventHasWhatIsInASecret(t *testing.T) {
	const hidden = "HUSH-HUSH"
	w := shop()
	web := w.lists.Ingresses[0]
	web.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"a.example.com"}, SecretName: "broken"}, {Hosts: []string{"b.example.com"}, SecretName: "half"}}
	for _, host := range []string{"a.example.com", "b.example.com"} {
		web.Spec.Rules = append(web.Spec.Rules, networkingv1.IngressRule{Host: host})
	}
	w.lists.Secrets = []*corev1.Secret{
		{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "broken"},
			Data:       map[string][]byte{"tls.crt": []byte("-----BEGIN CERTIFICATE-----\n" + hidden), "tls.key": []byte(hidden)},
		},
		{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "half"}, Data: map[string][]byte{"tls.key": []byte(hidden), hidden: []byte(hidden)}},
	}
	set, err := templates.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	o := controller.Options{Translate: translate.Options{Selection: cluster.Selection{WithoutClass: true}}, Render: golden.Render, Templates: set}
	p, err := o.Plan(cluster.New(w.lists))
	if err != nil {
		t.Fatal(err)
	}
	inBubble(t, events.Options{}, func(t *testing.T, a *api, r *events.Recorder, log *logged.Text) {
		r.Lead(true)
		r.Planned(p, 0)
		synctest.Wait()
		var bad int
		for _, e := range a.all() {
			if e.Reason == string(translate.InvalidCertificate) {
				bad++
			}
			if text := fmt.Sprint(e); strings.Contains(text, hidden) {
				t.Errorf("it is in %s", text)
			}
		}
		if bad != 2 || log.Count(hidden) != 0 {
			t.Errorf("%d Events about certificates, want 2; the log has the secret %d times", bad, log.Count(hidden))
		}
	})
}
