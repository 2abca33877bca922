//go:build integration

// Package equivalence shows that both modes of routing answer alike. It makes random sets of Ingresses and random
// requests for them, plans each set in both modes, runs each plan in a real NGINX of its own before the same pods, and
// compares what comes back, byte by byte.
//
// A run is repeated by its seed, and one set of it by its name:
//
//	go test -tags integration -exec "$PWD/rootfs/enter --pid" ./test/equivalence -seed 7 -run 'AnswerAlike/seed_7/set_12$'
package equivalence

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
)

var seedFlag = flag.Uint64("seed", 0, "run only this seed")

const (
	fixedSeed       = 8
	setsPerSeed     = 32
	requestsPerSet  = 240
	requestsThinned = 120
)

func TestModesAnswerAlike(t *testing.T) {
	p := startPair(t)
	seeds := []uint64{fixedSeed, rand.Uint64()}
	if *seedFlag != 0 {
		seeds = []uint64{*seedFlag}
	}
	for _, seed := range seeds {
		seen, ran := newTally(), 0
		alike := t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			for n := range setsPerSeed {
				t.Run(fmt.Sprintf("set %d", n), func(t *testing.T) {
					ran++
					random := rand.New(rand.NewPCG(seed, uint64(n)))
					s := randomSet(random)
					p.look(t, s, randomRequests(random, s, requestsPerSet), seen)
					// The same names and paths are asked for when some are gone: as a rule dynamic mode needs no reload for it.
					requests := randomRequests(random, s, requestsThinned)
					p.look(t, s.thinned(random), requests, seen)
				})
			}
		})
		t.Logf("seed %d: what occurred how often:\n%s", seed, seen)
		if seed == fixedSeed && ran == setsPerSeed && alike {
			seen.checkComplete(t)
		}
	}
}

// worthShrinking is how many sets that cannot be served are made small, and how many that are served differently: one is as
// a rule enough to find a mistake, and it takes a while.
const worthShrinking = 3

// look compares the modes on one set, and reports how they differ.
func (p *pair) look(t *testing.T, s set, requests []request, seen *tally) {
	t.Helper()
	found, err := p.compare(t, s, requests, seen)
	var isWrong func(set) bool
	switch {
	case err != nil:
		t.Errorf("the set cannot be served: %v", err)
		isWrong = p.cannotServe(t)
	case len(found) > 0:
		t.Errorf("%d of %d requests are answered differently, such as\n%s", len(found), len(requests), p.explain(found[0]))
		isWrong = p.differs(t, found[0].request)
	default:
		return
	}
	if p.wrong[err != nil]++; p.wrong[err != nil] > worthShrinking {
		return
	}
	if !isWrong(s) {
		t.Log("tried again, all goes well: it needs what was live before, or is a matter of time")
		return
	}
	s = s.shrink(isWrong)
	t.Logf("these objects will do:\n%s", s)
	if _, err := p.serve(t, s); err != nil {
		t.Log(err)
	} else if len(found) > 0 {
		t.Logf("with them:\n%s", p.explain(difference{found[0].request, p.ask(found[0].request)}))
	}
}

// A test that finds no difference has to be able to find one: here the second NGINX is given other objects.
func TestDifferencesAreFound(t *testing.T) {
	p := startPair(t)
	const bent = "bent"
	for name, bend := range map[string]func(*networkingv1.Ingress){
		"an annotation": func(i *networkingv1.Ingress) {
			i.Annotations = map[string]string{prefix + "upstream-vhost": "other.test"}
		},
		"a path type": func(i *networkingv1.Ingress) {
			exact := networkingv1.PathTypeExact
			for _, r := range i.Spec.Rules {
				for n := range r.HTTP.Paths {
					r.HTTP.Paths[n].PathType = &exact
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p.sides[1].bend = func(i *networkingv1.Ingress) {
				if i.Name == bent {
					bend(i)
				}
			}
			defer func() { p.sides[1].bend = nil }()
			random := rand.New(rand.NewPCG(fixedSeed, 0))
			i := newIngress(bent, "shop")
			i.addPath("bent.test", "/bent", networkingv1.PathTypePrefix, serviceRef("s0", 80))
			s := randomSet(random)
			s.configMap, s.options = nil, "" // they could make both sides answer alike
			s.ingresses = append(s.ingresses, i.Ingress)
			requests := randomRequests(random, set{ingresses: []*networkingv1.Ingress{i.Ingress}}, requestsPerSet)
			found, err := p.compare(t, s, requests, newTally())
			if err != nil || len(found) == 0 {
				t.Fatalf("no difference was found (%v)", err)
			}
			small := s.shrink(p.differs(t, found[0].request))
			if len(small.ingresses) != 1 || small.ingresses[0].Name != bent {
				t.Errorf("the set was not reduced to the Ingress that differs:\n%s", small)
			}
		})
	}
}
