package nginx

import (
	"encoding/json"
	"time"
)

// TracingFile is the file of a configuration that says where its spans go.
const TracingFile = "tracing.json"

// Tracing says what becomes of the spans of requests. Which requests have one, locations say.
type Tracing struct {
	Collector string        `json:"collector"` // host:port, of OTLP over gRPC in the clear
	Service   string        `json:"service"`   // service.name of the resource
	Queue     int           `json:"queue"`     // spans that wait for export at most; further ones are dropped
	Delay     time.Duration `json:"delay"`     // between two exports
	Batch     int           `json:"batch"`     // spans that are exported together at most
}

// File is the tracing as a file of the configuration.
func (t *Tracing) File() (File, error) {
	text, err := json.Marshal(t)
	return File{Name: TracingFile, Content: text}, err
}
