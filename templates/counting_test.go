package templates

import (
	"strings"
	"testing"

	"github.com/sluice-ingress/sluice/nginx"
)

func TestRequestsCountWhateverIsLogged(t *testing.T) {
	const ours = "access_log /state/requests.log sluice_requests buffer=64k flush=100ms;\n"
	off, subrequests := nginx.D("access_log", nginx.OnOff(false)), nginx.D("log_subrequest", nginx.OnOff(true))
	other := nginx.D("gzip", nginx.OnOff(true))
	inside := nginx.Directive{Name: "if", Args: nginx.Words("(", "$a", ")"), Block: []nginx.Directive{off}}
	for name, c := range map[string]struct {
		list nginx.Directives
		log  nginx.AccessLog
		want string
	}{
		"of no log":      {nginx.Directives{other}, nginx.AccessLog{}, "gzip on;\n"},
		"no log":         {nginx.Directives{other, off}, nginx.AccessLog{}, "gzip on;\n" + ours},
		"none in a case": {nginx.Directives{inside}, nginx.AccessLog{}, "if ( \"$a\" ) {\n  " + ours + "}\n"},
		"subrequests":    {nginx.Directives{subrequests}, nginx.AccessLog{}, "access_log /access.log upstreaminfo;\nlog_subrequest on;\n"},
		"subrequests of no log": {
			nginx.Directives{subrequests}, nginx.AccessLog{Off: true}, "access_log off;\nlog_subrequest on;\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := &renderer{options: Options{StateDir: "/state", AccessLog: "/access.log", CountsRequests: true}}
			r.config.HTTP.AccessLog = c.log
			got, err := r.counted(c.list).Encode("")
			if err != nil || got != c.want {
				t.Errorf("got %v\n%s\nwant\n%s", err, got, c.want)
			}
			r.options.CountsRequests = false
			before, _ := c.list.Encode("")
			if got, err := r.counted(c.list).Encode(""); err != nil || got != before {
				t.Errorf("without counting it becomes\n%s", got)
			}
		})
	}
	for _, isOff := range []bool{false, true} {
		r := &renderer{options: Options{StateDir: "/state", AccessLog: "/access.log", CountsRequests: true}}
		r.config.HTTP.AccessLog.Off = isOff
		got, err := r.logs().Encode("")
		if err != nil || !strings.HasSuffix(got, ours) || strings.Contains(got, "/access.log") == isOff || strings.Contains(got, "off") {
			t.Errorf("off %v: got %v\n%s", isOff, err, got)
		}
	}
}
