package templates

import (
	"fmt"
	"slices"

	"github.com/sluice-ingress/sluice/nginx"
)

// logs are what says at the http level how requests are logged, and counted.
func (r *renderer) logs() nginx.Directives {
	list := r.config.HTTP.AccessLog.Directives(r.options.AccessLog)
	if !r.options.CountsRequests {
		return list
	}
	if r.config.HTTP.AccessLog.Off {
		return r.counted(list)
	}
	return append(list, r.requestLog())
}

// requestLog is the log that package meter reads.
func (r *renderer) requestLog() nginx.Directive {
	const size = "64k"
	return nginx.D("access_log", nginx.Verbatim(r.options.StateDir+"/"+nginx.RequestLog), nginx.Verbatim(nginx.RequestLogFormat),
		nginx.Verbatim("buffer="+size), nginx.Verbatim(fmt.Sprintf("flush=%dms", nginx.RequestLogFlush.Milliseconds())))
}

// counted has all requests counted, whatever directives say of logs. Where there is a log, subrequests do not count: their
// location inherits both logs otherwise.
func (r *renderer) counted(list nginx.Directives) nginx.Directives {
	if !r.options.CountsRequests || !slices.ContainsFunc(list, concernsLogs) {
		return list
	}
	isSilent := slices.ContainsFunc(list, func(d nginx.Directive) bool { return d.Name == "access_log" })
	var out nginx.Directives
	for _, d := range list {
		switch {
		case d.Name == "access_log":
			d = r.requestLog()
		case d.Name == "log_subrequest" && !isSilent:
			out = append(out, r.config.HTTP.AccessLog.Directive(r.options.AccessLog))
		case d.Block != nil:
			d.Block = r.counted(d.Block)
		}
		out = append(out, d)
	}
	return out
}

// concernsLogs finds what counted changes: to turn a log off is all that directives of locations and servers say of one.
func concernsLogs(d nginx.Directive) bool {
	return d.Name == "access_log" || d.Name == "log_subrequest" || slices.ContainsFunc(d.Block, concernsLogs)
}
