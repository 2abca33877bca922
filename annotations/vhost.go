package annotations

import "github.com/sluice-ingress/sluice/nginx"

var upstreamVhostHost = New("upstream-vhost", Kind[string]{
	Name: "a host name, with variables if need be",
	Parse: func(s string) (string, error) {
		if _, err := only(s, regexChars); err != nil {
			return "", err
		}
		_, err := expand(s, noCaptures)
		return s, err
	},
	Print: keep,
	Edges: append([]string{"$service_name.${namespace}.svc", "$subdomain.internal", "$http_x_a$arg_a$cookie_a"}, textEdges("\\|^")...),
}, "").Bad(Refuse).Example("$service_name.internal.example.com").
	Doc("Value of the header Host towards the backend. Variables such as $service_name are expanded.")

var upstreamVhost = Feature{
	Name:     "Host towards the backend",
	Settings: Settings{upstreamVhostHost},
	Location: func(v Values, l *nginx.Location) error {
		text := upstreamVhostHost.In(v)
		if text == "" || l.Upstream == "" {
			return nil
		}
		value, err := expand(text, noCaptures)
		if err != nil {
			return err // the kind has tried the same
		}
		l.SetHeader("Host", value)
		return nil
	},
}
