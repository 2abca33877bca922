package annotations

import "github.com/sluice-ingress/sluice/nginx"

var defaultType = New("default-type", Kind[string]{
	Name:  "a media type",
	Parse: func(s string) (string, error) { return s, checkMediaType(s) },
	Print: keep,
	Edges: []string{"text/plain", "application/vnd.a+b"},
}, "text/html").ConfigOnly().Example("text/plain").
	Doc("Content-Type of what NGINX answers itself and has no type for.")

var ownAnswers = Feature{
	Name:     "Answers of NGINX's own",
	Settings: Settings{defaultType},
	HTTP: func(v Values, h *nginx.HTTP) error {
		h.Directives.Add("default_type", nginx.Verbatim(defaultType.In(v)))
		return nil
	},
}
