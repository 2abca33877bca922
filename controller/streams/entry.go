package streams

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// entry is a line of a ConfigMap of services, by ingress-nginx's rules.
type entry struct {
	listen  int
	service cluster.Name
	port    string // number or name
	accepts bool   // clients begin with the PROXY protocol
	sends   bool   // the service gets it
}

// readEntry reads PORT: NAMESPACE/SERVICE:PORT[:PROXY[:PROXY]]. Its errors complete a sentence that begins with the field.
func readEntry(key, value string) (entry, error) {
	e := entry{}
	number, err := strconv.Atoi(key)
	if err != nil || number < 1 || number > 65535 || strconv.Itoa(number) != key {
		return e, errors.New("is not the number of a port")
	}
	e.listen = number
	fields := strings.Split(strings.TrimSpace(value), ":")
	if len(fields) < 2 || len(fields) > 4 {
		return e, fmt.Errorf("is %.100q, which is not of the form namespace/service:port[:PROXY[:PROXY]]", value)
	}
	var both bool
	e.service.Namespace, e.service.Name, both = strings.Cut(fields[0], "/")
	e.port = fields[1]
	if !both || !isLabel(e.service.Namespace) || !isLabel(e.service.Name) || !isPort(e.port) {
		return e, fmt.Errorf("is %.100q, which does not name a port of a Service as namespace/service:port", value)
	}
	for i, target := range []*bool{&e.accepts, &e.sends} {
		if len(fields) <= 2+i || fields[2+i] == "" {
			continue
		}
		if !strings.EqualFold(fields[2+i], "PROXY") {
			return e, fmt.Errorf("has %.100q where only PROXY can stand", fields[2+i])
		}
		*target = true
	}
	return e, nil
}

func isLabel(s string) bool { return len(validation.IsDNS1123Label(s)) == 0 }

func isPort(s string) bool {
	if number, err := strconv.Atoi(s); err == nil {
		return number > 0 && number < 1<<16 && strconv.Itoa(number) == s
	}
	return len(validation.IsValidPortName(s)) == 0
}
