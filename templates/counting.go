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
	list = append(nginx.Directives{requestLogFormat()}, list...)
	if r.config.HTTP.AccessLog.Off {
		return r.counted(list)
	}
	return append(list, r.requestLog())
}

// requestLogFormat says what a line of that log has, as tally.go in package meter reads it.
func requestLogFormat() nginx.Directive {
	var line []nginx.Arg
	for _, name := range []string{
		"request_time", "request_length", "bytes_sent", "upstream_response_time", "upstream_connect_time", "upstream_header_time",
		"status", "request_method", "server_name", "sluice_place",
	} {
		line = append(line, nginx.Var(name), nginx.Text("\t"))
	}
	return nginx.D("log_format", nginx.Verbatim(nginx.RequestLogFormat), nginx.Verbatim("escape=none"), nginx.Concat(line[:len(line)-1]...))
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
