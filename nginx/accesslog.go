package nginx

import (
	"cmp"
	"time"
)

// AccessLog is where and how requests are logged.
type AccessLog struct {
	Off    bool
	Format Arg
	Escape string // of variables: json or none; "" is default, \xHH
	// Target is a file, or a server as syslog:server=HOST:PORT; "" is the file of --access-log.
	Target string
	// ErrorTarget is the same for the log of errors; "" leaves that to --error-log.
	ErrorTarget string
	Params      []Arg
	// Skipped are entries of a map by $request_uri, 0 for requests that are not logged; none skip none.
	Skipped []Directive
}

// LogFormat is the name of the format, as in ingress-nginx.
const LogFormat = "upstreaminfo"

// Workers write a line for each request into a log of their own, which package meter reads: so requests are counted.
const (
	RequestLog       = "requests.log" // in the directory of NGINX
	RequestLogFormat = "sluice_requests"
	RequestLogFlush  = 100 * time.Millisecond // how long workers keep lines to themselves at most
)

// Directives are what says so at the http level, if file is that of --access-log.
func (l AccessLog) Directives(file string) Directives {
	var list Directives
	if l.ErrorTarget != "" {
		list.Add("error_log", Verbatim(l.ErrorTarget), Verbatim("notice"))
	}
	// How to escape is always said: a format could look like it.
	list.Add("log_format", Verbatim(LogFormat), Verbatim("escape="+cmp.Or(l.Escape, "default")), l.Format)
	if !l.Off && len(l.Skipped) > 0 {
		block := append([]Directive{Entry(Verbatim("default"), Verbatim("1"))}, l.Skipped...)
		list = append(list, Directive{Name: "map", Args: []Arg{Var("request_uri"), Var("loggable")}, Block: block})
	}
	return append(list, l.Directive(file))
}

// Directive is access_log, if file is that of --access-log.
func (l AccessLog) Directive(file string) Directive {
	if l.Off {
		return D("access_log", OnOff(false))
	}
	args := append([]Arg{Verbatim(cmp.Or(l.Target, file)), Verbatim(LogFormat)}, l.Params...)
	if len(l.Skipped) > 0 {
		args = append(args, Concat(Verbatim("if="), Var("loggable")))
	}
	return D("access_log", args...)
}
