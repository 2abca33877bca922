package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/templates"
)

// processFlags are the flags about the NGINX process and its surroundings.
type processFlags struct {
	httpPort  int
	httpsPort int
	stateDir  string
	luaDir    string
	modules   string
	accessLog string
	errorLog  string
	workers   int
	noIPv6    bool
	shutdown  time.Duration
	routing   routingFlag
}

// routingFlag is a controller.Routing as a flag.
type routingFlag controller.Routing

var routings = []string{controller.Compiled: "compiled", controller.Dynamic: "dynamic"}

func (f *routingFlag) String() string { return routings[*f] }

func (f *routingFlag) Type() string { return strings.Join(routings, "|") }

func (f *routingFlag) Set(text string) error {
	at := slices.Index(routings, text)
	if at < 0 {
		return fmt.Errorf("must be one of %s", strings.Join(routings, ", "))
	}
	*f = routingFlag(at)
	return nil
}

func (f *processFlags) register(flags *pflag.FlagSet) {
	flags.IntVar(&f.httpPort, "http-port", 80, "port for HTTP")
	flags.IntVar(&f.httpsPort, "https-port", 443, "port for HTTPS")
	flags.StringVar(&f.stateDir, "state-dir", "/run/sluice", "directory for the configuration, sockets and temporary files")
	flags.StringVar(&f.luaDir, "lua-dir", "/etc/nginx/lua", "directory of the Lua files")
	flags.StringVar(&f.modules, "modules-dir", "/usr/lib/nginx/modules", "directory of NGINX's dynamic modules")
	flags.StringVar(&f.accessLog, "access-log", "/var/log/nginx/access.log", "file of the access log")
	flags.StringVar(&f.errorLog, "error-log", "/var/log/nginx/error.log", "file of NGINX's error log")
	flags.IntVar(&f.workers, "workers", 0, "NGINX's worker processes; 0 is one per CPU of the container's quota")
	flags.Var(&f.routing, "routing", "how requests find their way: compiled is a server block for each host; with dynamic, hosts and paths are data, and new ones need no reload")
	flags.BoolVar(&f.noIPv6, "disable-ipv6", false, "do not listen on IPv6")
	flags.DurationVar(&f.shutdown, "worker-shutdown-timeout", 240*time.Second, "how long old workers may finish requests")
}

// Modules of Debian's packages that the templates use, in the order in which they depend on each other.
var modules = []string{"ndk_http_module.so", "ngx_http_lua_module.so", "ngx_http_headers_more_filter_module.so"}

func (f *processFlags) options() templates.Options {
	o := templates.Options{
		StateDir: f.stateDir, LuaDir: f.luaDir, Workers: f.workers, Connections: 16384, OpenFiles: 65536,
		ShutdownTimeout: f.shutdown, AccessLog: f.accessLog, ErrorLog: f.errorLog,
		HTTPPort: f.httpPort, HTTPSPort: f.httpsPort, IPv6: !f.noIPv6,
	}
	for _, m := range modules {
		o.Modules = append(o.Modules, filepath.Join(f.modules, m))
	}
	return o
}
