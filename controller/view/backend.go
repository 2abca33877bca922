package view

import (
	"encoding/json"
	"fmt"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// Backend is a backend as the plan, or one or more pods, have it.
type Backend struct {
	Name    string   `json:"name"`
	Source  string   `json:"source"` // plan, or names of pods
	Balance string   `json:"balance,omitempty"`
	Peers   []Peer   `json:"peers"`
	Names   []string `json:"names,omitempty"` // that workers resolve
}

// Peer is an address that a Service has, and what workers make of it.
type Peer struct {
	Address string    `json:"address"`
	Port    int       `json:"port,omitempty"`
	State   PeerState `json:"state"`
	Why     string    `json:"why,omitempty"`
}

// PeerState is whether an address gets requests.
type PeerState string

// States of peers.
const (
	Serves       PeerState = "serves"
	SessionsOnly PeerState = "sessions only"
	Resolved     PeerState = "resolved" // a name, which workers resolve
	Out          PeerState = "out"
	Unknown      PeerState = "unknown"
)

// Backend shows a backend as the plan has it.
func (v *View) Backend(name string) Backend { return v.show(name, "plan", v.plan.Backends.At(name)) }

// workersBackend is a backend as workers give it out; of routes and tables that they have prepared, only what is shown.
type workersBackend struct {
	Endpoints []dynamic.Endpoint `json:"endpoints"`
	Names     []dynamic.Endpoint `json:"names"`
	Balance   dynamic.Algorithm  `json:"balance"`
	HashBy    json.RawMessage    `json:"hash_by"`
	Affinity  *struct {
		Cookie struct {
			Name string `json:"name"`
		} `json:"cookie"`
	} `json:"affinity"`
}

// Live shows a backend as workers have it: the text is what they say of it, see inspect.NGINX.Backend; source names their pods.
// Without one they do not know it.
func (v *View) Live(name, source string, text json.RawMessage) (Backend, error) {
	var known *workersBackend
	if len(text) > 0 {
		if err := json.Unmarshal(text, &known); err != nil {
			return Backend{}, fmt.Errorf("read what workers of %s say of a backend: %w", source, err)
		}
	}
	if known == nil {
		return Backend{Name: name, Source: source, Peers: []Peer{{Address: "-", State: Unknown, Why: "the workers do not know this backend yet"}}}, nil
	}
	b := dynamic.Backend{Endpoints: known.Endpoints, Names: known.Names, Balance: known.Balance}
	if known.HashBy != nil {
		b.HashBy = &dynamic.HashBy{}
	}
	if known.Affinity != nil {
		b.Affinity = &dynamic.Affinity{Cookie: dynamic.Cookie{Name: known.Affinity.Cookie.Name}}
	}
	return v.show(name, source, b), nil
}

func (v *View) show(name, source string, b dynamic.Backend) Backend {
	shown := Backend{Name: name, Source: source, Balance: "round_robin", Peers: []Peer{}}
	switch {
	case b.Affinity != nil:
		shown.Balance = "cookie " + b.Affinity.Cookie.Name
	case b.HashBy != nil:
		shown.Balance = "hash"
	case b.Balance != "":
		shown.Balance = string(b.Balance)
	}
	serves := map[string]bool{}
	for _, e := range b.Endpoints {
		serves[e.Address] = true
		p := Peer{Address: e.Address, Port: e.Port, State: Serves}
		if e.SessionsOnly {
			p.State, p.Why = SessionsOnly, "it terminates, or is in another zone: it serves whom a cookie leads to it"
		}
		shown.Peers = append(shown.Peers, p)
	}
	for _, n := range b.Names {
		shown.Names = append(shown.Names, n.Address)
		shown.Peers = append(shown.Peers, Peer{Address: n.Address, Port: n.Port, State: Resolved})
	}
	service, is := v.behind[name]
	if !is {
		return shown
	}
	for _, slice := range v.plan.Snapshot.Slices(service.Namespace, service.Name) {
		for _, e := range slice.Endpoints {
			for _, address := range e.Addresses {
				if !serves[address] {
					serves[address] = true
					shown.Peers = append(shown.Peers, Peer{Address: address, State: Out, Why: whyOut(e.Conditions)})
				}
			}
		}
	}
	return shown
}

func whyOut(c discoveryv1.EndpointConditions) string {
	switch {
	case c.Terminating != nil && *c.Terminating:
		return "its pod terminates"
	case c.Ready != nil && !*c.Ready:
		return "its pod is not ready"
	}
	return "not used by the plan: another port, another zone, or not known to the workers yet"
}
