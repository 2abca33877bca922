package translate

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // tells cookies of ingress-nginx apart and guards nothing
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/annotations"
	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

// noteAffinity notes that an Ingress asks for affinity, if it does. Ingresses come by age.
func (u *use) noteAffinity(by *ingress) {
	if by != nil && by.use.Affinity != nil && (len(u.keepers) == 0 || u.keepers[len(u.keepers)-1] != by) {
		u.keepers = append(u.keepers, by)
	}
}

// withCanaries adds the backends that share the affinity of some.
func withCanaries(backends map[*backend]bool) map[*backend]bool {
	var all map[*backend]bool
	for b := range backends {
		for _, u := range b.users {
			for _, canary := range u.canaries {
				if all == nil {
					all = maps.Clone(backends)
				}
				all[canary] = true
			}
		}
	}
	if all == nil {
		return backends
	}
	return all
}

// spread says how requests are spread over the endpoints of a backend that has been filled, as the oldest Ingress that refers
// to it says.
func (w *world) spread(b *backend, how annotations.Backend) {
	b.data.Balance, b.data.HashBy = how.Balance, how.HashBy
	service := w.snapshot.Service(b.service.Namespace, b.service.Name)
	affinity := b.sharedAffinity()
	if affinity == nil || service == nil {
		return
	}
	affinity.Key = sessionSecret(service, "endpoint "+b.name)
	affinity.ID = sessionSecret(service, "backend "+b.name)[:32]
	affinity.FormerID = formerID(b.name)
	b.data.Affinity = affinity
	if !how.ClusterIP {
		w.addSessionsOnly(b, service)
	}
}

// affinity is what Ingresses ask for, without what identifies the backend: nil for none. The oldest one that asks decides what
// it is like; cookies are given out on the paths of each.
func (b *backend) affinity() *dynamic.Affinity {
	var keepers []*ingress
	for _, u := range b.users {
		keepers = append(keepers, u.keepers...)
	}
	if len(keepers) == 0 {
		return nil
	}
	slices.SortFunc(keepers, func(a, b *ingress) int { return cluster.CompareAge(a.Ingress, b.Ingress) })
	affinity := *keepers[0].use.Affinity
	for _, i := range keepers {
		affinity.Ingresses = append(affinity.Ingresses, cluster.NameOf(i.Ingress).String())
	}
	return &affinity
}

// sharedAffinity is affinity with that of the backends which this one is an alternative to. Its own comes first.
func (b *backend) sharedAffinity() *dynamic.Affinity {
	affinity := b.affinity()
	for _, u := range b.users {
		for _, main := range u.mains {
			theirs := main.affinity()
			if theirs == nil {
				continue
			}
			if affinity == nil {
				affinity = theirs
				continue
			}
			for _, name := range theirs.Ingresses {
				if !slices.Contains(affinity.Ingresses, name) {
					affinity.Ingresses = append(affinity.Ingresses, name)
				}
			}
		}
	}
	return affinity
}

// sessionSecret derives a text that whoever sees cookies does not know from the UID that the API server has made up for the
// Service. So it is the same for all replicas and after any restart, nothing has to be kept, and it is new with a new
// Service. Who may read the Service can tell which of its pods a cookie names. Manifests without an API server have no
// UID, unless they say one: then only the names are left.
func sessionSecret(s *corev1.Service, purpose string) string {
	mac := hmac.New(sha256.New, []byte("affinity "+s.UID))
	mac.Write([]byte(purpose))
	return hex.EncodeToString(mac.Sum(nil))
}

// formerID is the part of ingress-nginx's cookies that names the backend.
func formerID(backend string) string {
	name := strings.ReplaceAll(backend, "_", "-")
	inner := md5.Sum([]byte(name)) //nolint:gosec // see above
	outer := md5.Sum([]byte(hex.EncodeToString(inner[:]) + name))
	return hex.EncodeToString(outer[:])
}

// addSessionsOnly adds the endpoints that serve, though new requests go to others: they terminate, or are not near. Clients
// that they have sessions with come back to them.
func (w *world) addSessionsOnly(b *backend, s *corev1.Service) {
	port := findPort(s, b.port)
	if port == nil || s.Spec.Type == corev1.ServiceTypeExternalName {
		return
	}
	all := w.snapshot.Slices(s.Namespace, s.Name)
	list := slices.Clone(b.data.Endpoints)
	for _, wanted := range []condition{isReady, isEnding} {
		for _, e := range w.collect(all, portOf(port), wanted, nil).Endpoints {
			if !slices.ContainsFunc(list, func(other dynamic.Endpoint) bool { return other.Address == e.Address && other.Port == e.Port }) {
				e.SessionsOnly = true
				list = append(list, e)
			}
		}
	}
	b.data.Endpoints = sortedEndpoints(list)
}
