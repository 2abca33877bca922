package annotations

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sluice-ingress/sluice/nginx"
)

// mostWorkers leaves room for old ones: a master of NGINX has 1024 processes at most.
const mostWorkers = 256

var (
	workerProcesses = New("worker-processes", workersKind, 0).ConfigOnly().Example("4").
			Doc("How many worker processes NGINX has. auto is what --workers says, by default one for each CPU of the container's quota.")
	workerAffinity = New("worker-cpu-affinity", affinityMasksKind, nil).ConfigOnly().Example("auto").
			Doc("Which CPUs workers run on: auto, or a mask for each worker.")
	workerShutdown = New("worker-shutdown-timeout", workerShutdownKind, 0).ConfigOnly().Example("120s").
			Doc("How long old workers may finish requests after a reload, in place of --worker-shutdown-timeout. At the end of the pod the flag counts, too.")
	workerConnections = Int("max-worker-connections", 16384, 0, 1<<20).ConfigOnly().Example("65536").
				Doc("How many connections a worker may have, those to endpoints too. 0 is three quarters of the files that it may have open; fewer than 512 are 512.")
	workerOpenFiles = Int("max-worker-open-files", 0, 0, 1<<20).ConfigOnly().Example("65536").
			Doc("How many files a worker may have open, connections included: at least 1024, and at most what the container may (RLIMIT_NOFILE) less 1024, which is the default, 0.")
	multiAccept = Bool("enable-multi-accept", true).ConfigOnly().Example("false").
			Doc("Whether a worker takes all connections that wait, not one at a time.")
	aioWrite = Bool("enable-aio-write", false).ConfigOnly().Example("true").
			Doc("Has threads read and write temporary files, so that a slow disk does not hold up a worker.")
	debugConnections = CIDRs("debug-connections").ConfigOnly().Example("192.0.2.7").
				Doc("Connections of these clients are logged in every detail, with all headers.")
	errorLogLevel = Enum("error-log-level", "notice", false, "debug", "info", "notice", "warn", "error", "crit", "alert", "emerg").ConfigOnly().Example("warn").
			Doc("The least that NGINX logs as an error.")
	errorLogPath = Enum("error-log-path", "", false, "stderr", "/dev/stderr", "/dev/stdout", "/dev/null", "/var/log/nginx/error.log").ConfigOnly().Example("/dev/stderr").
			Doc("Where NGINX logs errors, in place of --error-log. That flag takes other files, too, of which the controller cannot know whether NGINX may write them.")
)

const fewestConnections, fewestOpenFiles = 512, 1024

var workers = Feature{
	Name: "NGINX's processes",
	Settings: Settings{
		workerProcesses, workerAffinity, workerShutdown, workerConnections, workerOpenFiles, multiAccept, aioWrite, debugConnections,
		errorLogLevel, errorLogPath,
	},
	HTTP: func(v Values, h *nginx.HTTP) error {
		p := &h.Process
		p.Workers, p.ShutdownTimeout = workerProcesses.In(v), workerShutdown.In(v)
		p.ErrorLog, p.ErrorLevel = errorLogPath.In(v), errorLogLevel.In(v)
		if p.Connections = workerConnections.In(v); p.Connections > 0 {
			p.Connections = max(p.Connections, fewestConnections)
		}
		if p.OpenFiles = workerOpenFiles.In(v); p.OpenFiles > 0 {
			p.OpenFiles = max(p.OpenFiles, fewestOpenFiles)
		}
		if masks := workerAffinity.In(v); len(masks) > 0 {
			p.Main.Add("worker_cpu_affinity", nginx.Words(masks...)...)
		}
		p.Events.Add("multi_accept", nginx.OnOff(multiAccept.In(v)))
		for _, client := range debugConnections.In(v) {
			p.Events.Add("debug_connection", network(client))
		}
		if aioWrite.In(v) {
			h.Directives.Add("aio", nginx.Verbatim("threads"))
			h.Directives.Add("aio_write", nginx.OnOff(true))
		}
		return nil
	},
}

// workersKind is a number of workers; auto is 0.
var workersKind = Kind[int]{
	Name: "auto or a whole number from 1 to " + strconv.Itoa(mostWorkers),
	Parse: func(s string) (int, error) {
		if s == "auto" {
			return 0, nil
		}
		return parseInt(s, 1, mostWorkers)
	},
	Print: func(n int) string {
		if n == 0 {
			return "auto"
		}
		return strconv.Itoa(n)
	},
	Edges: []string{"auto", "1", strconv.Itoa(mostWorkers)},
}

// affinityMasksKind is what worker_cpu_affinity takes: masks of CPUs, or auto and a mask of those that it may use.
var affinityMasksKind = Kind[[]string]{
	Name: "auto, auto with a mask of CPUs, or masks of CPUs",
	Parse: func(s string) ([]string, error) {
		words := strings.Fields(s)
		masks, auto := words, len(words) > 0 && words[0] == "auto"
		if auto {
			masks = words[1:]
		}
		isNoMask := func(mask string) bool {
			return len(mask) > 1024 || !strings.Contains(mask, "1") || strings.Trim(mask, "01") != ""
		}
		if len(words) == 0 || auto && len(masks) > 1 || len(masks) > mostWorkers || slices.ContainsFunc(masks, isNoMask) {
			return nil, errors.New("is neither auto nor masks of CPUs such as 0001 0010")
		}
		return words, nil
	},
	Print: func(words []string) string { return strings.Join(words, " ") },
	Edges: []string{"auto", "auto 01", "1", "01 10", strings.Repeat("1", 1024), strings.TrimSpace(strings.Repeat("01 ", mostWorkers))},
}

// workerShutdownKind is a time; NGINX would take 0 for ever.
var workerShutdownKind = Kind[time.Duration]{
	Name: "a time from 1s",
	Parse: func(s string) (time.Duration, error) {
		d, err := timeKind.Parse(s)
		if err == nil && d == 0 {
			err = errors.New("is no time in which anything could be finished")
		}
		return d, err
	},
	Print: func(d time.Duration) string {
		if d == 0 {
			return ""
		}
		return timeKind.Print(d)
	},
	Edges: []string{"1", "240s", "1h 30m", "1y"},
}
