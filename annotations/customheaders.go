package annotations

import (
	"errors"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	customHeaders = New("custom-headers", objectKind, "").Example("shop/response-headers").
			Doc("ConfigMap whose entries are headers of every answer, errors too, in place of the backend's. Each name has to be in `global-allowed-response-headers`.")
	allowedHeaders = Words("global-allowed-response-headers").ConfigOnly().Example("X-Frame-Options,X-Custom").
			Doc("Names of headers that custom-headers may set, as they are written there.")
)

var responseHeaders = Feature{
	Name:     "Headers of answers",
	Settings: Settings{customHeaders, allowedHeaders},
	Location: setResponseHeaders,
}

// framing are headers that say where an answer ends and what becomes of the connection. They are NGINX's, whatever the
// administrator allows.
var framing = []string{"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}

// setResponseHeaders sets the headers of a ConfigMap. As in ingress-nginx it may be in any namespace, since the administrator
// has said which headers can be seen that way; a name alone is one of the Ingress's own.
func setResponseHeaders(v Values, l *nginx.Location) error {
	text := customHeaders.In(v)
	if text == "" {
		return nil
	}
	name := v.named(text)
	data, err := configMap(v, customHeaders, name)
	if err != nil {
		return err
	}
	var lines nginx.Directives
	for _, header := range sortedKeys(data) {
		if err := checkResponseHeader(v, header, data[header]); err != nil {
			return Denial(customHeaders, InvalidValue, "header %s of ConfigMap %s %s", printable(header), name, err)
		}
		lines.Add("more_set_headers", nginx.Text(header+": "+data[header]))
	}
	if _, err := lines.Encode(""); err != nil {
		return Denial(customHeaders, InvalidValue, "a header of ConfigMap %s is too long", name)
	}
	l.Body = append(l.Body, lines...)
	return nil
}

// valueChars are what ingress-nginx takes in values, beside letters and digits.
const valueChars = " !#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\""

func checkResponseHeader(v Values, name, value string) error {
	if !slices.Contains(allowedHeaders.In(v), name) {
		return errors.New("is not in global-allowed-response-headers")
	}
	if err := headerName(name); err != nil {
		return err
	}
	_, err := only(value, valueChars)
	return err
}

// headerName refuses names that are none, or that say where a message ends.
func headerName(name string) error {
	if _, err := only(name, "-_"); err != nil || name == "" {
		return errors.New("has other characters than letters, digits, dashes and underscores")
	}
	if slices.Contains(framing, strings.ToLower(name)) {
		return errors.New("is for the connection alone")
	}
	return nil
}
