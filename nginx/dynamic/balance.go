package dynamic

// Algorithm says which endpoint is next, for requests that are all alike.
type Algorithm string

const (
	// RoundRobin takes endpoints in turn.
	RoundRobin Algorithm = ""
	// EWMA takes the better of two at random, by how long they took to answer lately (an exponentially weighted moving
	// average) and how many requests they work on.
	EWMA Algorithm = "ewma"
)

// HashBy sends requests with the same key to the same endpoint, whichever worker or replica they come to. When endpoints
// come or go, only keys of these move.
type HashBy struct {
	Key Template `json:"key"`
	// Subset is how many endpoints share the requests with one key; 0 is 1.
	Subset int `json:"subset,omitempty"`
}

// Affinity sends the requests of a client to the same endpoint for as long as it serves. A cookie names the endpoint:
//
//	NAME=TOKEN|ID
//
// TOKEN is the first 16 bytes, in hexadecimal digits, of the HMAC-SHA1 of "address:port" under Key. So a client
// cannot find out the addresses of pods, and all replicas that have the same key agree.
type Affinity struct {
	Cookie Cookie `json:"cookie"`
	// Persistent gives clients with a cookie that somebody else made one of ours. Otherwise they keep theirs, and its
	// hash names the endpoint.
	Persistent bool `json:"persistent,omitempty"`
	// ChangeOnFailure gives clients another cookie when a request had to be tried on another endpoint. Otherwise they
	// come back to theirs.
	ChangeOnFailure bool `json:"change_on_failure,omitempty"`
	// Ingresses, as namespace/name, are those on whose paths cookies are given out, by the variables $namespace and
	// $ingress_name.
	Ingresses []string `json:"ingresses"`

	Key string `json:"key"`
	ID  string `json:"id"` // of the backend, which the cookie belongs to even if the endpoint is gone
	// FormerID is what stands in place of ID in cookies of ingress-nginx.
	FormerID string `json:"former_id,omitempty"`
}

// Cookie is what clients are told of it.
type Cookie struct {
	Name     string `json:"name"`
	Path     string `json:"path,omitempty"` // "" is the variable $location_path
	Domain   string `json:"domain,omitempty"`
	Expires  *int   `json:"expires,omitempty"`   // seconds from now
	MaxAge   *int   `json:"max_age,omitempty"`   // seconds
	Secure   bool   `json:"secure,omitempty"`    // also over http; over https it always is
	SameSite string `json:"same_site,omitempty"` // None, Lax or Strict
	// ConditionalSameSiteNone leaves out SameSite=None for browsers that are known to take it for Strict.
	ConditionalSameSiteNone bool `json:"conditional_same_site_none,omitempty"`
}
