package annotations

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// variables are those that annotations may use: what the request says and what names the location. None of
// them holds a secret or text of another Ingress, and none a line end, so that they can go into headers.
var variables = []string{
	"arg_", "args", "best_http_host", "body_bytes_sent", "content_length", "content_type", "cookie_", "host", "hostname", "http_",
	"https", "ingress_name", "is_args", "location_path", "namespace", "pass_access_scheme", "pass_port", "proxy_upstream_name",
	"query_string", "remote_addr", "remote_port", "req_id", "request_id", "request_method", "request_uri", "scheme", "server_name",
	"server_port", "server_protocol", "service_name", "service_port", "subdomain",
}

func knownVariable(name string) bool {
	return slices.ContainsFunc(variables, func(v string) bool {
		if strings.HasSuffix(v, "_") {
			return strings.HasPrefix(name, v) && len(name) > len(v)
		}
		return name == v
	})
}

// noCaptures is for texts in which captures mean nothing.
const noCaptures = -1

// expand reads a text in which $name and ${name} stand for variables and $1 to $9 for the captures of a path
// that has that many groups. As in NGINX a capture is one digit, and one that the path lacks is empty.
func expand(s string, groups int) (nginx.Arg, error) { return expandKnown(s, groups, knownVariable) }

// expandKnown is expand with another list of variables.
func expandKnown(s string, groups int, known func(name string) bool) (nginx.Arg, error) {
	var parts []nginx.Arg
	for {
		before, after, found := strings.Cut(s, "$")
		if before != "" {
			parts = append(parts, nginx.Text(before))
		}
		if !found {
			whole := nginx.Concat(parts...)
			return whole, encodes(whole)
		}
		if after == "" {
			return nginx.Arg{}, errors.New("ends in a single $")
		}
		if groups != noCaptures && after[0] >= '1' && after[0] <= '9' {
			if n := int(after[0] - '0'); n <= groups {
				parts = append(parts, nginx.Var(nginx.Capture(n)))
			}
			s = after[1:]
			continue
		}
		name, rest, closed := variableName(after)
		if !closed {
			return nginx.Arg{}, errors.New("has a ${ without a }")
		}
		if !known(name) {
			return nginx.Arg{}, fmt.Errorf("uses $%.40s, which is no variable that can be used there", name)
		}
		parts = append(parts, nginx.Var(name))
		s = rest
	}
}

// variableName cuts off the name that follows a dollar; closed is false if a brace is open.
func variableName(s string) (name, rest string, closed bool) {
	if inner, braces := strings.CutPrefix(s, "{"); braces {
		return strings.Cut(inner, "}")
	}
	end := strings.IndexFunc(s, func(c rune) bool {
		return c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:], true
}
