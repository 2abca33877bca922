package annotations

import (
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	mirrorTarget = New("mirror-target", authURLKind, "").Example("https://shadow.example.com$request_uri").
			Doc("Where a copy of each request that is passed on goes. Nobody waits for it or reads the answer; what keeps it from being sent is in the log. Its name is resolved by the workers; it must not lead to this machine or a cloud's metadata.")
	mirrorRequestBody = Enum("mirror-request-body", onValue, false, onValue, "off").Example("off").
				Doc("Whether copies have the body. The request is then read to its end, into a file, before it is passed on.")
	mirrorHost = New("mirror-host", mirrorHostKind, "").Example("shadow.example.com").
			Doc("Host header of copies, the host of mirror-target if left out.")
)

const onValue = "on"

// mirroring copies requests. It comes behind authentication: only what is passed on is copied.
var mirroring = Feature{
	Name:     "Copies of requests",
	Settings: Settings{mirrorTarget, mirrorRequestBody, mirrorHost},
	Location: func(v Values, l *nginx.Location) error {
		text := mirrorTarget.In(v)
		switch {
		case text == "":
			return withoutTarget(v)
		case l.Upstream == "":
			return nil // nothing is passed on
		case l.Protocol.Module() == "grpc":
			return Mistake(mirrorTarget, Conflict, "calls of gRPC are streams, which cannot be copied; no copies are sent")
		}
		url, err := parseAuthURL(text)
		switch {
		case err != nil:
			return err // the kind has tried the same
		case l.Server != nil && l.Server.IsDefault() && url.host.Uses("host"):
			return Mistake(mirrorTarget, Conflict, "clients of hosts without rules choose $host, and so would choose where copies go; no copies are sent")
		}
		name := url.host
		if text := mirrorHost.In(v); text != "" {
			if name, err = expandKnown(text, noCaptures, inURL); err != nil {
				return err // the same
			}
		}
		withBody := mirrorRequestBody.In(v) == onValue
		l.Body.Add("mirror_request_body", nginx.OnOff(withBody))
		if withBody {
			l.Body.Add("client_body_in_file_only", nginx.Verbatim("clean")) // files of other bodies have no name, and workers could not open them
		}
		l.Body = append(l.Body, nginx.Mirror(copyTo(url, name, secretHeaders(v))))
		return nil
	},
}

// withoutTarget reports annotations that mean nothing without mirror-target.
func withoutTarget(v Values) error {
	for _, s := range (Settings{mirrorRequestBody, mirrorHost}) {
		if _, given := v.own[s.about().key]; given {
			return Mistake(s, Conflict, "without mirror-target it does nothing")
		}
	}
	return nil
}

// copyTo is the body of the location that has a copy sent.
func copyTo(url serviceURL, name nginx.Arg, leftOut []string) nginx.Directives {
	var list nginx.Directives
	list.Add("set", nginx.Var("mirror_scheme"), nginx.Verbatim(url.scheme))
	list.Add("set", nginx.Var("mirror_host"), url.host)
	list.Add("set", nginx.Var("mirror_port"), nginx.Int(url.port))
	list.Add("set", nginx.Var("mirror_uri"), url.uri)
	list.Add("set", nginx.Var("mirror_name"), name)
	list.Add("set", nginx.Var("mirror_left_out"), nginx.Text(strings.Join(leftOut, " ")))
	return list
}

// secretHeaders are those of requests that are for the controller alone, or that it fills in for the backend.
func secretHeaders(v Values) []string {
	var list []string
	if authType.In(v) != "" {
		list = append(list, "Authorization")
	}
	if authURL.In(v) != "" && (authURL.Given(v) || globalAuth.In(v)) {
		list = append(list, authResponseHeaders.In(v)...)
	}
	return list
}

// mirrorHostKind is a host, with variables that cannot end the header.
var mirrorHostKind = Kind[string]{
	Name: "a host, with variables if need be",
	Parse: func(s string) (string, error) {
		text, err := only(strings.TrimSpace(s), "-._:$")
		if err == nil && text == "" {
			err = notA("a host")
		}
		if err == nil {
			_, err = expandKnown(text, noCaptures, inURL)
		}
		return text, err
	},
	Print: keep,
	Edges: []string{"a", "a.b:8080", "$host", "x-$service_name.$namespace"},
}
