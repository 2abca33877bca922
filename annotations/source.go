package annotations

import "github.com/sluice-ingress/sluice/nginx"

// newInLocation names the parts of a location that a feature has written: fields and, of the body, directives.
func newInLocation(before, after *nginx.Location) []string {
	var parts []string
	note := func(isNew bool, part string) {
		if isNew {
			parts = append(parts, part)
		}
	}
	note(after.Return != before.Return, "Return")
	note(after.ToHTTPS != before.ToHTTPS, "ToHTTPS")
	note(after.Rewrite != before.Rewrite, "Rewrite")
	note(after.Protocol != before.Protocol, "Protocol")
	note(len(after.Preflight) > len(before.Preflight), "Preflight")
	note(len(after.Early) > len(before.Early), "Early")
	note(len(after.Headers) > len(before.Headers), "Headers")
	for _, d := range after.Body[min(len(before.Body), len(after.Body)):] {
		if d.Name != "" {
			note(true, d.Name)
		}
		for _, said := range d.Says() {
			note(true, said.Name())
		}
	}
	return parts
}

// newInServer names the fields of a server that a feature has written.
func newInServer(before, after *nginx.Server) []string {
	var parts []string
	note := func(isNew bool, part string) {
		if isNew {
			parts = append(parts, part)
		}
	}
	note(after.AppRoot != before.AppRoot, "AppRoot")
	note(after.WWW != before.WWW, "WWW")
	note(after.PassesTLS != before.PassesTLS, "PassesTLS")
	note(len(after.Aliases) > len(before.Aliases), "Aliases")
	note(len(after.Directives) > len(before.Directives), "Directives")
	note(after.ClientAuth != before.ClientAuth, "ClientAuth")
	return parts
}
