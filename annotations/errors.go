package annotations

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/sluice-ingress/sluice/nginx"
)

var (
	customErrors = New("custom-http-errors", statusesKind, nil).Global().Items().Bad(Refuse).Example("404,503").
			Doc("Statuses of 400 and more, of the backend or of the controller itself, in place of which a service answers: that of `default-backend`, else the controller's default backend, else it is 404. It is asked for `/` with the method, query and body of the request, and its status is the answer's. An Ingress's list takes the place of the ConfigMap's.")
	passErrors = Bool("disable-proxy-intercept-errors", false).Global().Example("true").
			Doc("Leaves errors of the backend as they are; custom-http-errors then counts for the controller's own only.")
	defaultBackendService = New("default-backend", serviceKind, "").Bad(Refuse).Example("error-pages").
				Doc("Service of the same namespace that takes requests as long as the backend has no endpoint, by its first port, and answers in place of custom-http-errors.")
)

var customHTTPErrors = Feature{
	Name:     "Errors",
	Settings: Settings{customErrors, passErrors, defaultBackendService},
	Location: errorPages,
}

// DefaultBackend is the Service that an Ingress names for requests that nobody can answer, "" for none.
func DefaultBackend(v Values) string { return defaultBackendService.In(v) }

// grpcStatuses are those of NGINX's own that clients of gRPC cannot make sense of; see grpc.lua.
var grpcStatuses = []int{400, 401, 403, 404, 405, 408, 413, 429, 500, 501, 502, 503, 504}

// errorPages hands errors over. Where several error_page name a status, NGINX takes the first.
func errorPages(v Values, l *nginx.Location) error {
	custom := customErrors.In(v)
	l.Proxy("intercept_errors", nginx.OnOff(len(custom) > 0 && !passErrors.In(v)))
	if len(custom) > 0 {
		l.Body = append(l.Body, nginx.ErrorPage(custom, nginx.ErrorLocation))
	}
	if l.Protocol.Module() == "grpc" {
		rest := slices.DeleteFunc(slices.Clone(grpcStatuses), func(status int) bool { return slices.Contains(custom, status) })
		if len(rest) > 0 {
			l.Body = append(l.Body, nginx.ErrorPage(rest, nginx.GRPCErrorLocation))
		}
	}
	return nil
}

// statusesKind is a list of the statuses that NGINX can hand over. It cannot that of a client that has left.
var statusesKind = Kind[[]int]{
	Name: "a list of statuses from 400 to 599",
	Parse: func(s string) ([]int, error) {
		var list []int
		for _, item := range strings.Split(s, ",") {
			item = strings.TrimSpace(item)
			status, err := strconv.Atoi(item)
			if err != nil || status < 400 || status > 599 || status == 499 {
				return nil, fmt.Errorf("has %s, which is no status from 400 to 599 that NGINX can hand over", printable(item))
			}
			list = append(list, status)
		}
		slices.Sort(list)
		return slices.Compact(list), nil
	},
	Print: func(list []int) string {
		words := make([]string, len(list))
		for i, status := range list {
			words[i] = strconv.Itoa(status)
		}
		return strings.Join(words, ",")
	},
	Edges: []string{"400", "599", "404, 503,404"},
}

// serviceKind is the name of a Service.
var serviceKind = Kind[string]{
	Name: "the name of a Service",
	Parse: func(s string) (string, error) {
		s = strings.TrimSpace(s)
		if problems := validation.IsDNS1035Label(s); len(problems) > 0 {
			return "", errors.New("is not the name of a Service")
		}
		return s, nil
	},
	Print: keep,
	Edges: []string{"a", strings.Repeat("a", validation.DNS1035LabelMaxLength)},
}
