package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/sluice-ingress/sluice/controller"
	"github.com/sluice-ingress/sluice/templates"
)

// Process are the flags about the NGINX process and its surroundings.
type Process struct {
	httpPort   int
	httpsPort  int
	streamPort int
	StateDir   string
	luaDir     string
	modules    string
	accessLog  string
	errorLog   string
	Workers    int
	noIPv6     bool
	Shutdown   time.Duration
	routing    routingFlag
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

// directoryFlag is the path of a directory. It becomes absolute as it is read: NGINX and Lua take others from where they are.
type directoryFlag string

func (f *directoryFlag) String() string { return string(*f) }

func (f *directoryFlag) Type() string { return "string" }

func (f *directoryFlag) Set(text string) error {
	if text == "" {
		return errors.New("must name a directory")
	}
	path, err := filepath.Abs(text)
	if err != nil {
		return fmt.Errorf("make %q absolute: %w", text, err)
	}
	*f = directoryFlag(path)
	return nil
}

// addDirectory registers a directoryFlag.
func addDirectory(flags *pflag.FlagSet, dir *string, name, value, usage string) {
	*dir = value
	flags.Var((*directoryFlag)(dir), name, usage)
}

// Routing is how requests find their way.
func (f *Process) Routing() controller.Routing { return controller.Routing(f.routing) }

// Register adds the flags, with their defaults, to a set.
func (f *Process) Register(flags *pflag.FlagSet) {
	flags.IntVar(&f.httpPort, "http-port", 80, "port for HTTP")
	flags.IntVar(&f.httpsPort, "https-port", 443, "port for HTTPS")
	flags.IntVar(&f.streamPort, "stream-port", 10247, "port on loopback where NGINX finds the endpoints of TCP and UDP services")
	AddStateDir(flags, &f.StateDir)
	addDirectory(flags, &f.luaDir, "lua-dir", "/etc/nginx/lua", "directory of the Lua files")
	addDirectory(flags, &f.modules, "modules-dir", "/usr/lib/nginx/modules", "directory of NGINX's dynamic modules")
	flags.StringVar(&f.accessLog, "access-log", "/var/log/nginx/access.log", "file of the access log")
	flags.StringVar(&f.errorLog, "error-log", "/var/log/nginx/error.log", "file of NGINX's error log")
	flags.IntVar(&f.Workers, "workers", 0, "NGINX's worker processes; 0 is one per CPU of the container's quota")
	flags.Var(&f.routing, "routing", "how requests find their way: compiled is a server block for each host; with dynamic, hosts and paths are data, and new ones need no reload")
	flags.BoolVar(&f.noIPv6, "disable-ipv6", false, "do not listen on IPv6")
	AddShutdown(flags, &f.Shutdown)
}

// These are flags of the data plane, too, where it has a process of its own; both are given the same values.

// AddStateDir registers the directory of the configuration, sockets and temporary files.
func AddStateDir(flags *pflag.FlagSet, dir *string) {
	addDirectory(flags, dir, "state-dir", "/run/sluice", "directory for the configuration, sockets and temporary files")
}

// AddShutdown registers how long old workers may finish requests.
func AddShutdown(flags *pflag.FlagSet, timeout *time.Duration) {
	flags.DurationVar(timeout, "worker-shutdown-timeout", 240*time.Second, "how long old workers may finish requests")
}

// AddBinary registers the path of NGINX.
func AddBinary(flags *pflag.FlagSet, binary *string) {
	flags.StringVar(binary, "nginx-binary", nginxBinary(), "NGINX; the default is the environment's NGINX_BINARY, if that is set")
}

// AddOldWorkers registers how many generations of old workers may finish requests at the same time.
func AddOldWorkers(flags *pflag.FlagSet, generations *int) {
	flags.IntVar(generations, "max-old-worker-generations", 4, "generations of old workers that may finish requests at the same time")
}

func nginxBinary() string {
	if binary := os.Getenv("NGINX_BINARY"); binary != "" {
		return binary
	}
	return "/usr/sbin/nginx"
}

// Modules of Debian's packages that the templates use, in the order in which they depend on each other.
var modules = []string{"ndk_http_module.so", "ngx_http_lua_module.so", "ngx_http_headers_more_filter_module.so"}

var streamModules = []string{"ngx_stream_module.so", "ngx_stream_js_module.so"}

// Ports are those that NGINX listens on, and for what.
func (f *Process) Ports() map[int]string {
	return map[int]string{f.httpPort: "HTTP", f.httpsPort: "HTTPS", f.streamPort: "--stream-port"}
}

// Lacks tells that a module, by the name of its file, is not installed. A data plane in another container has the same image.
func (f *Process) Lacks(module string) bool {
	_, err := os.Stat(filepath.Join(f.modules, module))
	return errors.Is(err, fs.ErrNotExist)
}

// Options are how a configuration is rendered under these flags.
func (f *Process) Options() templates.Options {
	o := templates.Options{
		StateDir: f.StateDir, LuaDir: f.luaDir, Workers: f.Workers, ModulesDir: f.modules, OpenFiles: 65536,
		ShutdownTimeout: f.Shutdown, AccessLog: f.accessLog, ErrorLog: f.errorLog,
		HTTPPort: f.httpPort, HTTPSPort: f.httpsPort, StreamPort: f.streamPort, IPv6: !f.noIPv6,
	}
	for _, m := range modules {
		o.Modules = append(o.Modules, filepath.Join(f.modules, m))
	}
	for _, m := range streamModules {
		o.StreamModules = append(o.StreamModules, filepath.Join(f.modules, m))
	}
	return o
}
