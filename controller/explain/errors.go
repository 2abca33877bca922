package explain

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/nginx"
)

// fail answers an error of NGINX's own, or has somebody else answer in its place.
func (w *walk) fail(status int) progress {
	if !w.handed {
		for _, page := range w.effective("error_page") {
			if codes, change, to := nginx.ReadErrorPage(page); slices.Contains(codes, status) {
				w.handed, w.inPlace = true, visible(status)
				w.handOver(status, change, to)
				return ended
			}
		}
	}
	w.d.Outcome.Status, w.d.Outcome.Location = visible(status), ""
	return ended
}

// visible is a status as clients see it: those of NGINX's own about TLS are 400.
func visible(status int) int {
	if 494 <= status && status <= 497 {
		return 400
	}
	return status
}

func (w *walk) handOver(status, change int, to string) {
	switch {
	case to == nginx.ErrorLocation:
		w.askErrorService(status)
	case to == nginx.GRPCErrorLocation:
		kind, is := strings.CutPrefix(w.headerOf("content_type"), "application/grpc")
		if is && (kind == "" || kind[0] == '+' || kind[0] == ';') {
			w.step("error", Answers, "clients of gRPC are told by grpc-status in an answer 200", w.from("Protocol")...)
			status = 200
		}
		w.d.Outcome.Status = visible(status)
	case strings.HasPrefix(to, "/"):
		w.step("error", Changes, strconv.Itoa(visible(status))+" is answered by the path "+to, append(w.from("error_page"), w.ofServer("ClientAuth")...)...)
		w.uri, w.isOwnURI, w.target.IsEscaped = to, true, true
		if w.request.Method != "HEAD" {
			w.request.Method = "GET"
		}
		if path, args, has := strings.Cut(to, "?"); has {
			w.uri, w.args = path, args
		}
		w.serve()
		if change != 0 && w.d.Outcome.Status == 200 && w.d.Outcome.Backend == nil {
			w.d.Outcome.Status = visible(status)
		}
	default:
		code := 302
		if slices.Contains([]int{301, 302, 303, 307, 308}, change) {
			code = change
		}
		w.step("error", Answers, strconv.Itoa(visible(status))+" becomes a redirect", append(w.from("error_page"), w.ofServer("ClientAuth")...)...)
		w.redirect(code, w.expand(to))
	}
}

// askErrorService has the service answer that the Ingress names for errors, else the controller's default backend, else it is 404.
func (w *walk) askErrorService(status int) {
	for _, name := range []string{w.variable("fallback").text, nginx.DefaultBackend} {
		if w.endpointCount(name) == 0 {
			continue
		}
		w.step("error", Changes, strconv.Itoa(visible(status))+" is answered by the service for errors", w.from("error_page")...)
		if !w.mayPassBody(status) {
			return
		}
		w.set["error_code"] = value{text: strconv.Itoa(status)}
		w.d.Outcome.InPlaceOf = visible(status)
		w.d.Outcome.Backend = &Backend{
			Protocol: "HTTP", Method: w.request.Method, URI: "/" + questionMark(w.args) + w.args, Shares: []Share{w.share(name, 100, false)},
			Headers: w.sent(nginx.HTTP1, w.plan.Config.HTTP.ErrorHeaders),
		}
		return
	}
	if w.variable("location_path").text != "" {
		w.step("error", Answers, "there is no service for errors, so that "+strconv.Itoa(visible(status))+" becomes 404", w.from("error_page")...)
		status = 404
	}
	w.d.Outcome.Status = visible(status)
}

// mayPassBody tells whether the service for errors gets the body of the request. One without a length is read only now, outside of
// the location that came to the error, and so under the limit for all hosts. It is false if that ends the request.
func (w *walk) mayPassBody(status int) bool {
	if slices.Contains(unread, status) || !w.isChunked() {
		return true
	}
	if len(named(parsed(w.server.Directives), "client_max_body_size")) > 0 {
		w.notFollowed("client_max_body_size of the host, about bodies that the service for errors gets")
		return true
	}
	return w.fits(w.plan.Config.HTTP.MaxBody, " where no path decides")
}

// unread are the statuses with which the service for errors gets no body: NGINX may have given up on it. See error in ingress.lua.
var unread = []int{400, 408, 413}
