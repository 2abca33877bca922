package annotations

import (
	"errors"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

var appRootPath = New("app-root", Kind[string]{
	Name: "an absolute path",
	Parse: func(s string) (string, error) {
		if !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") {
			return "", errors.New("it must start with one slash")
		}
		return only(s, basicChars)
	},
	Print: keep,
}, "").Example("/app").Doc("Where requests for / of the host are redirected to, with 302.")

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
