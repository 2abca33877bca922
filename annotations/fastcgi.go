package annotations

import (
	"errors"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	fastCGIIndex = Text("fastcgi-index", "the name of a file", ".-_").Bad(Refuse).Example("index.php").
			Doc("What is added to paths that end in a slash, for FastCGI's SCRIPT_NAME.")
	fastCGIParams = New("fastcgi-params-configmap", objectKind, "").Bad(Refuse).Example("php-params").
			Doc("ConfigMap of the same namespace with further parameters of FastCGI. Values may use variables.")
)

var fastCGI = Feature{
	Name:     "FastCGI",
	Settings: Settings{fastCGIIndex, fastCGIParams},
	Location: fastCGIRequest,
}

// usualParams are the parameters that every backend of FastCGI gets (RFC 3875 section 4.1, and those that Debian's nginx adds).
var usualParams = []param{
	{name: "QUERY_STRING", value: nginx.Var("query_string")},
	{name: "REQUEST_METHOD", value: nginx.Var("request_method")},
	{name: "CONTENT_TYPE", value: nginx.Var("content_type")},
	{name: "CONTENT_LENGTH", value: nginx.Var("content_length")},
	{name: "SCRIPT_NAME", value: nginx.Var("fastcgi_script_name")},
	{name: "REQUEST_URI", value: nginx.Var("request_uri")},
	{name: "DOCUMENT_URI", value: nginx.Var("document_uri")},
	{name: "DOCUMENT_ROOT", value: nginx.Var("document_root")},
	{name: "SERVER_PROTOCOL", value: nginx.Var("server_protocol")},
	{name: "REQUEST_SCHEME", value: nginx.Var("scheme")},
	{name: "GATEWAY_INTERFACE", value: nginx.Text("CGI/1.1")},
	{name: "SERVER_SOFTWARE", value: nginx.Text("nginx")},
	{name: "REMOTE_ADDR", value: nginx.Var("remote_addr")},
	{name: "REMOTE_PORT", value: nginx.Var("remote_port")},
	{name: "SERVER_ADDR", value: nginx.Var("server_addr")},
	{name: "SERVER_PORT", value: nginx.Var("server_port")},
	{name: "SERVER_NAME", value: nginx.Var("server_name")},
	{name: "HTTPS", value: nginx.Var("https"), ifNotEmpty: true},
	{name: "REDIRECT_STATUS", value: nginx.Text("200")}, // PHP wants it
}

func fastCGIRequest(v Values, l *nginx.Location) error {
	if l.Protocol != nginx.FCGI {
		return nil
	}
	params, mistake := ownParams(v)
	l.Body.Add("fastcgi_keep_conn", nginx.OnOff(true))
	if index := fastCGIIndex.In(v); index != "" {
		l.Body.Add("fastcgi_index", nginx.Text(index))
	}
	for _, p := range usualParams {
		if _, replaced := params[p.name]; !replaced {
			l.Body = append(l.Body, p.directive())
		}
	}
	for _, name := range sortedKeys(params) {
		if header, is := strings.CutPrefix(name, "HTTP_"); is {
			l.SetHeader(strings.ReplaceAll(header, "_", "-"), params[name])
		} else {
			l.Body = append(l.Body, param{name: name, value: params[name]}.directive())
		}
	}
	return mistake
}

// param is a parameter of FastCGI.
type param struct {
	name       string
	value      nginx.Arg
	ifNotEmpty bool
}

func (p param) directive() nginx.Directive {
	args := []nginx.Arg{nginx.Verbatim(p.name), p.value}
	if p.ifNotEmpty {
		args = append(args, nginx.Verbatim("if_not_empty"))
	}
	return nginx.D("fastcgi_param", args...)
}

// paramVariables are those that only values of parameters may use: their texts may have any bytes.
var paramVariables = []string{
	"document_root", "document_uri", "fastcgi_path_info", "fastcgi_script_name", "nginx_version", "realpath_root", "remote_user", "request",
	"request_filename", "request_length", "server_addr", "uri",
}

// ownParams are the parameters of the ConfigMap that an Ingress names. Like ingress-nginx it is taken from the
// Ingress's own namespace whatever namespace the annotation names; that of another has no effect.
func ownParams(v Values) (map[string]nginx.Arg, error) {
	text := fastCGIParams.In(v)
	if text == "" {
		return nil, nil
	}
	name := v.named(text)
	if name.Namespace != v.Namespace {
		return nil, Mistake(fastCGIParams, Conflict, "%s is in another namespace; it is not used", printable(text))
	}
	data, err := configMap(v, fastCGIParams, name)
	if err != nil {
		return nil, err
	}
	params := make(map[string]nginx.Arg, len(data))
	for _, key := range sortedKeys(data) {
		value, err := paramValue(key, data[key])
		if err != nil {
			return nil, Denial(fastCGIParams, InvalidValue, "parameter %s of ConfigMap %s %s", printable(key), name, err)
		}
		params[key] = value
	}
	return params, nil
}

// paramValue is the value of one parameter, checked as ingress-nginx does.
func paramValue(key, text string) (nginx.Arg, error) {
	if _, err := only(key, ".-_"); err != nil || key == "" {
		return nginx.Arg{}, errors.New("has a name with other characters than letters, digits, dots, dashes and underscores")
	}
	if _, err := only(text, "-_${}/."); err != nil {
		return nginx.Arg{}, err
	}
	return expandKnown(text, noCaptures, func(name string) bool { return isRequestVariable(name) || slices.Contains(paramVariables, name) })
}

// objectKind is the name of an object, with or without its namespace.
var objectKind = Kind[string]{
	Name: "the name of a ConfigMap",
	Parse: func(s string) (string, error) {
		s = strings.TrimSpace(s)
		if _, err := only(s, basicChars); err != nil {
			return "", err
		}
		if s == "" {
			return "", errors.New("has nothing but blanks")
		}
		return s, nil
	},
	Print: keep,
	Edges: []string{"a", "a/b"},
}
