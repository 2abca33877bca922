package annotations

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/annotations/snippet"
	"github.com/sluice-ingress/sluice/nginx"
	"github.com/sluice-ingress/sluice/nginx/dynamic"
	"github.com/sluice-ingress/sluice/nginx/geoip"
)

var (
	accessLogOn = Bool("enable-access-log", true).Example("false").
			Doc("Logs requests to the paths.")
	noAccessLog = Bool("disable-access-log", false).ConfigOnly().Example("true").
			Doc("Logs no requests at all.")
	noHTTPAccessLog = Bool("disable-http-access-log", false).ConfigOnly().Example("true").
			Doc("Logs no requests over HTTP.")
	accessLogPath = New("access-log-path", logFileKind, "").ConfigOnly().Example("/var/log/nginx/requests.log").
			Doc("File of the access log: below /var/log, or /dev/stdout or /dev/stderr. By default that of --access-log.")
	httpAccessLogPath = New("http-access-log-path", logFileKind, "").ConfigOnly().Example("/dev/stdout").
				Doc("The same for HTTP alone; it comes before access-log-path.")
	accessLogParams = New("access-log-params", logParamsKind, nil).ConfigOnly().Example("buffer=16k flush=5s").
			Doc("How the file is written: `buffer=SIZE`, `gzip` or `gzip=LEVEL`, `flush=TIME`, the latter two with a buffer only.")
	logDefaultBackend = Bool("enable-access-log-for-default-backend", false).ConfigOnly().Example("true").
				Doc("Logs requests to hosts that no Ingress names, too.")
	logInquiries = Bool("enable-auth-access-log", false).ConfigOnly().Example("true").
			Doc("Logs what services of auth-url are asked, too.")
	skippedURLs = New("skip-access-log-urls", skippedURLsKind, nil).ConfigOnly().Example("/healthz,~^/probes/").
			Doc("Requests that are not logged: their URIs, with arguments, or behind `~` (`~*` in any case) a regular expression that is found in them.")
	logFormat = New("log-format-upstream", logFormatKind, defaultLogFormat).ConfigOnly().Example(`$remote_addr "$request" $status $sluice_reason`).
			Doc("An entry of the access log, with the variables of docs/logs.md. Line ends in it count as blanks.")
	escapeJSON = Bool("log-format-escape-json", false).ConfigOnly().Example("true").
			Doc("Writes variables in log-format-upstream as in strings of JSON.")
	escapeNone = Bool("log-format-escape-none", false).ConfigOnly().Example("true").
			Doc("Writes variables in log-format-upstream as they are; it comes before log-format-escape-json.")
	syslogOn = Bool("enable-syslog", false).ConfigOnly().Example("true").
			Doc("Sends the access log, and errors of HTTP, to syslog-host.")
	syslogHost = New("syslog-host", syslogHostKind, "").ConfigOnly().Example("10.0.0.9").
			Doc("Name or address of the syslog server. A name has to resolve whenever NGINX starts or reloads.")
	syslogPort = Int("syslog-port", 514, 1, 65535).ConfigOnly().Example("5514").
			Doc("Its port, of UDP.")
)

var accessLog = Feature{
	Name: "Access log",
	Settings: Settings{
		accessLogOn, noAccessLog, noHTTPAccessLog, accessLogPath, httpAccessLogPath, accessLogParams, logDefaultBackend, logInquiries,
		skippedURLs, logFormat, escapeJSON, escapeNone, syslogOn, syslogHost, syslogPort,
	},
	HTTP: logRequests,
	Location: func(v Values, l *nginx.Location) error {
		isNobodys := l.Server != nil && l.Server.IsDefault() && l.Identity.Ingress == ""
		if !accessLogOn.In(v) || isNobodys && !logDefaultBackend.In(v) {
			l.Body.Add("access_log", nginx.OnOff(false))
		}
		return nil
	},
}

// logRequests says where and how requests are logged. What cannot be leaves the log where it is by default.
func logRequests(v Values, h *nginx.HTTP) error {
	var mistakes []error
	log := &h.AccessLog
	log.Off = noAccessLog.In(v) || noHTTPAccessLog.In(v)
	log.Target = accessLogPath.In(v)
	if own := httpAccessLogPath.In(v); own != "" {
		log.Target = own
	}
	log.Params = nginx.Words(accessLogParams.In(v)...)
	if syslogOn.In(v) {
		if host := syslogHost.In(v); host == "" {
			mistakes = append(mistakes, Mistake(syslogOn, Conflict, "without syslog-host it does nothing"))
		} else {
			log.Target = "syslog:server=" + net.JoinHostPort(host, strconv.Itoa(syslogPort.In(v)))
			log.ErrorTarget, log.Params = log.Target, nil
		}
	}
	for _, url := range skippedURLs.In(v) {
		log.Skipped = append(log.Skipped, nginx.Entry(nginx.Verbatim(url), nginx.Verbatim("0")))
	}
	format := logFormat.In(v)
	if name := unknownPlace(v, format); name != "" {
		format = defaultLogFormat
		mistakes = append(mistakes, Mistake(logFormat, Conflict,
			"uses $%s, which there is only with use-geoip2: true and an edition of --maxmind-edition-ids that says it; the default format is used", name))
	}
	switch {
	case escapeNone.In(v):
		log.Escape = "none"
		if name := decoded(format); name != "" {
			format = defaultLogFormat
			log.Escape = ""
			mistakes = append(mistakes, Mistake(escapeNone, Conflict,
				"the format has $%s, in which clients may write line ends, and so entries of their own; the default format is used", name))
		}
	case escapeJSON.In(v):
		log.Escape = "json"
	}
	log.Format = templateArg(format)
	return errors.Join(mistakes...)
}

// decoded finds a variable that may have line ends.
func decoded(format dynamic.Template) string {
	for n := 1; n < len(format); n += 2 {
		if slices.Contains([]string{"remote_user", "uri", "document_uri", "request_filename", "location_path"}, format[n]) {
			return format[n]
		}
	}
	return ""
}

// templateArg is a template as an argument.
func templateArg(t dynamic.Template) nginx.Arg {
	var parts []nginx.Arg
	for n, piece := range t {
		if n%2 == 0 {
			parts = append(parts, nginx.Text(piece))
		} else {
			parts = append(parts, nginx.Var(piece))
		}
	}
	return nginx.Concat(parts...)
}

// defaultLogFormat is ingress-nginx's.
var defaultLogFormat = must(parseLogFormat(`$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
	`"$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr ` +
	`$upstream_response_length $upstream_response_time $upstream_status $req_id`))

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// LogVariables are those that log-format-upstream may use beside those of snippets. One that ends in an underscore stands
// for all that begin so.
var LogVariables = []string{
	"connections_active", "connections_reading", "connections_waiting", "connections_writing", "limit_conn_status", "limit_req_status", "literal_dollar",
	"nginx_version", "opentelemetry_context_traceparent", "opentelemetry_span_id", "opentelemetry_trace_id", "pass_server_port", "pid", "pipe", "proxy_alternative_upstream_name", "proxy_host", "proxy_protocol_addr", "proxy_protocol_port",
	"realip_remote_addr", "realip_remote_port", "remote_user", "request_filename", "server_addr", "sluice_reason", "ssl_alpn_protocol", "ssl_ciphers",
	"ssl_client_fingerprint", "ssl_client_i_dn", "ssl_client_s_dn", "ssl_client_serial", "ssl_client_v_end", "ssl_client_v_remain", "ssl_client_v_start",
	"ssl_client_verify", "ssl_curve", "ssl_curves", "ssl_early_data", "tcpinfo_rcv_space", "tcpinfo_rttvar", "tcpinfo_snd_cwnd", "upstream_addr",
	"upstream_bytes_received", "upstream_bytes_sent", "upstream_cookie_", "uri", "document_uri",
}

func isLogVariable(name string) bool {
	return snippet.Lists(snippet.RequestVariables, name) || snippet.Lists(snippet.MoreVariables, name) || snippet.Lists(LogVariables, name)
}

// parseLogFormat takes a format apart at its variables.
func parseLogFormat(s string) (dynamic.Template, error) {
	s = strings.NewReplacer("\r\n", " ", "\n", " ").Replace(strings.TrimRight(s, "\r\n"))
	format, err := expandKnown(s, noCaptures, func(name string) bool { return isLogVariable(name) || geoip.IsVariable(name) })
	if err != nil {
		return nil, err
	}
	pieces := format.Pieces()
	for n := 1; n < len(pieces); n += 2 {
		if pieces[n] == "proxy_host" { // there it is the name of the backend
			pieces[n] = "proxy_upstream_name"
		}
	}
	return pieces, nil
}

var logFormatKind = Kind[dynamic.Template]{
	Name: "a text with variables", Parse: parseLogFormat, Print: printTemplate,
	Edges: []string{
		"a", `{"time": "$time_iso8601", "uri": "$uri", "reason": "$sluice_reason"}`, "${proxy_host}x", "escape=json", "'\\\"$status", "$http_x_a$cookie_b$arg_c$sent_http_d$upstream_cookie_e",
		"$" + strings.Join(slices.DeleteFunc(slices.Clone(LogVariables), func(s string) bool { return strings.HasSuffix(s, "_") }), " $"),
	},
}

// logFileKind is a file that cannot be one of the configuration, nor a device that does harm.
var logFileKind = Kind[string]{
	Name: "a file below /var/log, or /dev/stdout or /dev/stderr",
	Parse: func(s string) (string, error) {
		s = strings.TrimSpace(s)
		isBelow := strings.HasPrefix(s, "/var/log/") && path.Clean(s) == s && regexp.MustCompile(`^[A-Za-z0-9._/-]+$`).MatchString(s)
		if !isBelow && s != "/dev/stdout" && s != "/dev/stderr" || len(s) > 200 {
			return "", errors.New("is not a file below /var/log, nor /dev/stdout or /dev/stderr")
		}
		return s, nil
	},
	Print: keep,
	Edges: []string{"/var/log/nginx/access.log", "/var/log/a-b_c.d"},
}

var (
	logParam     = regexp.MustCompile(`^(buffer=[1-9][0-9]{0,5}[kKmM]?|gzip(=[1-9])?|flush=[1-9][0-9]{0,5}(ms|s|m|h)?)$`)
	logParamName = regexp.MustCompile(`^[a-z]+`)
)

// logParamsKind are further arguments of access_log.
var logParamsKind = Kind[[]string]{
	Name: "any of buffer=SIZE, gzip, gzip=LEVEL and flush=TIME",
	Parse: func(s string) ([]string, error) {
		list := strings.Fields(s)
		seen := map[string]bool{}
		for _, item := range list {
			name := logParamName.FindString(item)
			if !logParam.MatchString(item) || seen[name] {
				return nil, fmt.Errorf("has %s, which is none of buffer=SIZE, gzip, gzip=LEVEL and flush=TIME, or there twice", printable(item))
			}
			seen[name] = true
		}
		if len(list) > 0 && !seen["buffer"] {
			return nil, errors.New("has no buffer=SIZE, without which the others mean nothing")
		}
		return list, nil
	},
	Print: func(list []string) string { return strings.Join(list, " ") },
	Edges: []string{"buffer=16k", "buffer=1m gzip flush=1m", "gzip=9 buffer=64k flush=500ms"},
}

// skippedURLsKind is a list of URIs and of regular expressions for them, separated by commas.
var skippedURLsKind = Kind[[]string]{
	Name: "a list of paths and of regular expressions behind ~",
	Parse: func(s string) ([]string, error) {
		var list []string
		for _, item := range strings.Split(s, ",") {
			item = strings.TrimSpace(item)
			if item == "" || slices.Contains(list, item) {
				continue
			}
			if !strings.HasPrefix(item, "/") && !strings.HasPrefix(item, "~") {
				return nil, fmt.Errorf("has the item %s, which begins with neither / nor ~", printable(item))
			}
			if expression, is := strings.CutPrefix(item, "~"); is {
				if _, err := nginx.ParseRegex(strings.TrimPrefix(expression, "*")); err != nil {
					return nil, fmt.Errorf("has the item %s, which is no regular expression: it %w", printable(item), err)
				}
			}
			if err := encodes(nginx.Verbatim(item)); err != nil {
				return nil, fmt.Errorf("has the item %s, which %w", printable(item), err)
			}
			list = append(list, item)
		}
		return list, nil
	},
	Print: func(list []string) string { return strings.Join(list, ",") },
	Edges: []string{"/", "/a?b=$c", "~^/a", "~*B$", `/a"b;c{`, `~a\.(b|c)`, "/a,/b,~c"},
}

// syslogHostKind is a host name or an address.
var syslogHostKind = Kind[string]{
	Name: "a host name or an address",
	Parse: func(s string) (string, error) {
		s = strings.TrimSpace(s)
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			return a.String(), nil
		}
		if !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$`).MatchString(s) {
			return "", errors.New("is neither a host name nor an address")
		}
		return s, nil
	},
	Print: keep,
	Edges: []string{"10.0.0.9", "::1", "localhost"},
}
