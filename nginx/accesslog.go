package nginx

import "cmp"

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

// Directives are what says so at the http level, if file is that of --access-log.
func (l AccessLog) Directives(file string) Directives {
	var list Directives
	if l.ErrorTarget != "" {
		list.Add("error_log", Verbatim(l.ErrorTarget), Verbatim("notice"))
	}
	// How to escape is always said: a format could look like it.
	list.Add("log_format", Verbatim(LogFormat), Verbatim("escape="+cmp.Or(l.Escape, "default")), l.Format)
	if l.Off {
		list.Add("access_log", OnOff(false))
		return list
	}
	if l.Target != "" {
		file = l.Target
	}
	args := append([]Arg{Verbatim(file), Verbatim(LogFormat)}, l.Params...)
	if len(l.Skipped) > 0 {
		block := append([]Directive{Entry(Verbatim("default"), Verbatim("1"))}, l.Skipped...)
		list = append(list, Directive{Name: "map", Args: []Arg{Var("request_uri"), Var("loggable")}, Block: block})
		args = append(args, Concat(Verbatim("if="), Var("loggable")))
	}
	list.Add("access_log", args...)
	return list
}
