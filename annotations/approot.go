package annotations

import (
	"errors"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var appRootPath = New("app-root", Kind[string]{
	Name: "a path",
	Parse: func(s string) (string, error) {
		if !strings.HasPrefix(s, "/") {
			return "", errors.New("does not start with a slash")
		}
		return only(s, basicChars)
	},
	Print: keep,
	Edges: []string{"/", "//", "/:", "/" + strings.Repeat("~", maxText-1)},
}, "").Example("/app").Doc("Where requests for / of the host are redirected to, with 302. The oldest Ingress of the host that has the annotation decides.")

var appRoot = Feature{
	Name:     "Application root",
	Settings: Settings{appRootPath},
	Server: func(v Values, s *nginx.Server) error {
		if path := appRootPath.In(v); path != "" && s.AppRoot == nil {
			target := nginx.Text(path)
			s.AppRoot = &target
		}
		return nil
	},
}
