package annotations

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var upstreamVhostHost = New("upstream-vhost", Kind[string]{
	Name: "a host name with variables",
	Parse: func(s string) (string, error) {
		if _, err := only(s, regexChars); err != nil {
			return "", err
		}
		_, err := withVariables(s)
		return s, err
	},
	Print: keep,
}, "").Bad(Refuse).Example("internal.example.com").
	Doc("Value of the header Host towards the backend. Variables such as $service_name are expanded.")

var upstreamVhost = Feature{
	Name:     "Host towards the backend",
	Settings: Settings{upstreamVhostHost},
	Location: func(v Values, l *nginx.Location) error {
		text := upstreamVhostHost.In(v)
		if text == "" {
			return nil
		}
		value, err := withVariables(text)
		if err != nil {
			return Mistake(upstreamVhostHost, "%s", err)
		}
		l.SetHeader("Host", value)
		return nil
	},
}

// variables are those that annotations may use: what the request says and what names the location. None of
// them holds a secret or text of another Ingress.
var variables = []string{
	"arg_", "best_http_host", "body_bytes_sent", "content_length", "content_type", "cookie_", "host", "hostname", "http_",
	"https", "ingress_name", "is_args", "args", "location_path", "namespace", "pass_access_scheme", "pass_port", "proxy_upstream_name",
	"query_string", "remote_addr", "remote_port", "req_id", "request_id", "request_method", "request_uri", "scheme", "server_name",
	"server_port", "server_protocol", "service_name", "service_port", "ssl_server_name", "subdomain", "uri", "document_uri",
}

func knownVariable(name string) bool {
	return slices.ContainsFunc(variables, func(v string) bool {
		return name == v || strings.HasSuffix(v, "_") && strings.HasPrefix(name, v) && len(name) > len(v)
	})
}

// withVariables reads a text in which $name and ${name} stand for variables.
func withVariables(s string) (nginx.Arg, error) {
	var parts []nginx.Arg
	for {
		before, after, found := strings.Cut(s, "$")
		if before != "" {
			parts = append(parts, nginx.Text(before))
		}
		if !found {
			return nginx.Concat(parts...), nil
		}
		name, rest := variableName(after)
		if !knownVariable(name) {
			return nginx.Arg{}, fmt.Errorf("$%s is not a variable that can be used here", name)
		}
		parts = append(parts, nginx.Var(name))
		s = rest
	}
}

func variableName(s string) (name, rest string) {
	if inner, braces := strings.CutPrefix(s, "{"); braces {
		name, rest, _ = strings.Cut(inner, "}")
		return name, rest
	}
	end := strings.IndexFunc(s, func(c rune) bool {
		return c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}
