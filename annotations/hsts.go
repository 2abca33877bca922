package annotations

import (
	"strconv"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	hstsOn = Bool("hsts", true).ConfigOnly().Example("false").
		Doc("Sends Strict-Transport-Security on every answer over TLS, in place of the backend's.")
	hstsMaxAge = Int("hsts-max-age", 31536000, 0, maxCount).ConfigOnly().Example("63072000").
			Doc("How long browsers remember it, in seconds.")
	hstsIncludeSubdomains = Bool("hsts-include-subdomains", true).ConfigOnly().Example("false").
				Doc("Whether it holds for all names below the host too.")
	hstsPreload = Bool("hsts-preload", false).ConfigOnly().Example("true").
			Doc("Asks to be put on the lists that browsers are shipped with.")
)

var hsts = Feature{
	Name:     "HSTS",
	Settings: Settings{hstsOn, hstsMaxAge, hstsIncludeSubdomains, hstsPreload},
	HTTP: func(v Values, h *nginx.HTTP) error {
		if !hstsOn.In(v) {
			return nil
		}
		h.HSTS = "max-age=" + strconv.Itoa(hstsMaxAge.In(v))
		if hstsIncludeSubdomains.In(v) {
			h.HSTS += "; includeSubDomains"
		}
		if hstsPreload.In(v) {
			h.HSTS += "; preload"
		}
		return nil
	},
}
