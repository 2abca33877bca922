package annotations

import (
	"errors"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/annotations/snippet"
	"github.com/sluice-ingress/sluice/nginx"
)

var (
	addHeaders = New("add-headers", configMapKind, ObjectName{}).ConfigOnly().Example("ingress-nginx/response-headers").
			Doc("ConfigMap, as namespace/name, whose entries are headers of all answers, errors too, in place of backends'. Values may use variables.")
	hideHeaders = New("hide-headers", headerNamesKind, nil).ConfigOnly().Example("X-Powered-By,X-Runtime").
			Doc("Headers of backends' answers that clients do not see.")
	serverTokens = Bool("server-tokens", false).ConfigOnly().Example("true").
			Doc("Tells clients the version of NGINX, by the header Server and on pages of errors. Otherwise there is no such header.")
	allowServerHeader = Bool("allow-backend-server-header", false).ConfigOnly().Example("true").
				Doc("Lets the header Server of backends through.")
)

var answerHeaders = Feature{
	Name:     "Headers of all answers",
	Settings: Settings{addHeaders, hideHeaders, serverTokens, allowServerHeader},
	HTTP: func(v Values, h *nginx.HTTP) error {
		h.Answers.Add("server_tokens", nginx.OnOff(serverTokens.In(v)))
		switch {
		case serverTokens.In(v):
		case allowServerHeader.In(v):
			h.Answers.Add("more_set_headers", nginx.Concat(nginx.Text("Server: "), nginx.Var("upstream_http_server")))
		default:
			h.Answers.Add("more_clear_headers", nginx.Verbatim("Server"))
		}
		further, err := headersOf(v, addHeaders)
		for _, header := range further {
			h.Answers.Add("more_set_headers", nginx.Concat(nginx.Text(header.Name+": "), header.Value))
		}
		return err
	},
	Location: func(v Values, l *nginx.Location) error {
		for _, name := range hideHeaders.In(v) {
			l.Proxy("hide_header", nginx.Verbatim(name))
		}
		if serverTokens.In(v) && allowServerHeader.In(v) {
			l.Proxy("pass_header", nginx.Verbatim("Server"))
		}
		return nil
	},
}

// administratorVariables are those that headers of the administrator may use beside others.
var administratorVariables = []string{
	"connection_time", "proxy_protocol_addr", "proxy_protocol_port", "proxy_protocol_server_addr", "proxy_protocol_server_port", "realip_remote_addr",
	"realip_remote_port", "server_addr",
}

// headersOf reads the headers that a ConfigMap holds which the controller's own names. What cannot be sent is left out.
func headersOf(v Values, s *Setting[ObjectName]) ([]nginx.Header, error) {
	name := s.In(v)
	if name == (ObjectName{}) {
		return nil, nil
	}
	data := v.Lookup.ConfigMap(name.Namespace, name.Name)
	if data == nil {
		return nil, Mistake(s, MissingConfigMap, "ConfigMap %s does not exist; no header is added", name)
	}
	var list []nginx.Header
	var mistakes []error
	for _, header := range sortedKeys(data) {
		value, err := headerValue(v, header, data[header])
		if err != nil {
			mistakes = append(mistakes, Mistake(s, InvalidValue, "header %s of ConfigMap %s %s; it is left out", printable(header), name, err))
			continue
		}
		list = append(list, nginx.Header{Name: header, Value: value})
	}
	return list, errors.Join(mistakes...)
}

func headerValue(v Values, name, text string) (nginx.Arg, error) {
	if err := headerName(name); err != nil {
		return nginx.Arg{}, err
	}
	if _, err := only(text, valueChars); err != nil {
		return nginx.Arg{}, err
	}
	value, err := expandKnown(text, noCaptures, func(name string) bool {
		return isRequestVariable(name) || snippet.Lists(snippet.MoreVariables, name) || slices.Contains(administratorVariables, name) || isPlace(v, name)
	})
	if err != nil {
		return value, err
	}
	return value, encodes(nginx.Concat(nginx.Text(name+": "), value))
}

// configMapKind is the whole name of an object: the controller's ConfigMap has no namespace that others are taken to be in.
var configMapKind = Kind[ObjectName]{
	Name: "the name of a ConfigMap as namespace/name",
	Parse: func(s string) (ObjectName, error) {
		namespace, name, _ := strings.Cut(s, "/")
		if _, err := only(namespace+name, "-."); err != nil || namespace == "" || name == "" {
			return ObjectName{}, notA("namespace/name")
		}
		return ObjectName{namespace, name}, nil
	},
	Print: func(n ObjectName) string {
		if n == (ObjectName{}) {
			return ""
		}
		return n.String()
	},
	Edges: []string{"a/b"},
}
