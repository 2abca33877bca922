package annotations

import (
	"strconv"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	hstsOn                = Bool("hsts", true).ConfigOnly().Doc("Sends Strict-Transport-Security on every answer over TLS.")
	hstsMaxAge            = Int("hsts-max-age", 31536000, 0, maxInt).ConfigOnly().Doc("Its max-age in seconds.")
	hstsIncludeSubdomains = Bool("hsts-include-subdomains", true).ConfigOnly().Doc("Adds includeSubDomains to it.")
	hstsPreload           = Bool("hsts-preload", false).ConfigOnly().Doc("Adds preload to it.")
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
