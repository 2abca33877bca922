package dataplane

import (
	"time"

	"github.com/sluice-ingress/sluice/nginx/inspect"
	"github.com/sluice-ingress/sluice/nginx/supervisor"
	"github.com/sluice-ingress/sluice/nginx/traffic"
)

// protocol is the version of all that crosses the socket.
const protocol = 4

const (
	sessionHeader = "Sluice-Session"
	manifestPart  = "manifest" // its name in a form; files have their own

	answerLimit   = 1 << 20   // bytes of an answer, and of an event
	measureLimit  = 64 << 20  // bytes of an answer about requests, and about workers
	documentLimit = 512 << 20 // bytes of a configuration, and of a state
	partEntries   = 1000      // of one document of a state
)

// Surroundings are what a configuration has to know of where NGINX runs.
type Surroundings struct {
	StateDir  string `json:"state_dir"`  // of the supervisor
	CPUs      int    `json:"cpus"`       // that workers may use
	OpenFiles int    `json:"open_files"` // that a worker may have
}

// event is a line of a session. It has one of these fields.
type event struct {
	Hello     *hello    `json:"hello,omitempty"`
	Tested    *observed `json:"tested,omitempty"`
	Reloaded  *observed `json:"reloaded,omitempty"`
	Pushed    *observed `json:"pushed,omitempty"`
	Restarted bool      `json:"restarted,omitempty"`
	// Passed is the answer to the request of this number, told behind all that was observed while it was served.
	Passed uint64 `json:"passed,omitempty"`
}

type hello struct {
	Session string `json:"session"`
	Surroundings
}

// observed is what functions of supervisor.Observer are told.
type observed struct {
	Took    time.Duration `json:"took"` // nanoseconds
	Cause   string        `json:"cause,omitempty"`
	Entries int           `json:"entries,omitempty"`
	Bytes   int           `json:"bytes,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// manifest says what a configuration consists of.
type manifest struct {
	// Base is the number of the configuration that kept files are those of; 0 if none is kept.
	Base       uint64     `json:"base,omitempty"`
	Number     uint64     `json:"number"`
	Generation string     `json:"generation"`
	Shapes     []string   `json:"shapes,omitempty"`
	Cause      string     `json:"cause"`
	Files      []listFile `json:"files"`
}

type listFile struct {
	Name    string `json:"name"`
	Secret  bool   `json:"secret,omitempty"`
	Workers bool   `json:"workers,omitempty"`
	Kept    bool   `json:"kept,omitempty"` // as in Base; else it is the next part of the form
}

// answer is what every request but a session is answered with.
type answer struct {
	Error   string   `json:"error,omitempty"`
	Refused *refused `json:"refused,omitempty"`
	Status  *status  `json:"status,omitempty"`

	Traffic  *traffic.Report `json:"traffic,omitempty"`
	Workers  *inspect.Report `json:"workers,omitempty"`
	Stopping bool            `json:"stopping,omitempty"` // NGINX was told to end, and does so now
	Passed   uint64          `json:"passed,omitempty"`   // see event
}

// refused is NGINX's verdict on a configuration.
type refused struct {
	Generation string                  `json:"generation"`
	Verdict    *supervisor.ConfigError `json:"verdict"`
}

// status is supervisor.Status.
type status struct {
	Generation      string `json:"generation,omitempty"`
	StateGeneration uint64 `json:"state_generation,omitempty"`
	PID             int    `json:"pid,omitempty"`
	OldGenerations  int    `json:"old_generations,omitempty"`
	Ready           bool   `json:"ready,omitempty"`
	LastError       string `json:"last_error,omitempty"`
}
