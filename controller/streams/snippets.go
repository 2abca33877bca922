package streams

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
	"github.com/sluice-ingress/sluice/nginx"
)

// snippetKey is that of the ConfigMap, and the name of the annotation.
const snippetKey = "stream-snippet"

// snippets adds the administrator's own, then those of Ingresses by name. Whoever wrote them may write what he likes, but for the ports
// that are somebody else's: NGINX would test such a configuration without a word, and then not be able to run it.
func (r *reader) snippets(http translate.Result) {
	const consequence = "; the snippet is not used"
	own := r.find.ConfigMap
	if port, what := r.clash(http.Config.HTTP.StreamSnippet); what != "" {
		r.problem(own, snippetKey, cluster.Error, translate.Conflict, fmt.Sprintf("port %d is that of %s", port, what)+consequence)
	} else {
		r.Streams.Snippets = append(r.Streams.Snippets, http.Config.HTTP.StreamSnippet...)
	}
	byName := func(a, b cluster.Name) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	}
	for _, name := range slices.SortedFunc(maps.Keys(http.Streams), byName) {
		if port, what := r.clash(http.Streams[name]); what != "" {
			r.report(translate.Problem{
				Object: translate.Object{Kind: "Ingress", Namespace: name.Namespace, Name: name.Name},
				Field:  "metadata.annotations[" + r.find.Prefix() + "/" + snippetKey + "]", Severity: cluster.Error, Reason: translate.Conflict,
				Message: fmt.Sprintf("port %d is that of %s", port, what) + consequence,
			})
			continue
		}
		r.Streams.Snippets = append(r.Streams.Snippets, http.Streams[name]...)
	}
}

// clash finds a port that servers of a snippet listen on though it is somebody else's, and says whose; "" for none.
func (r *reader) clash(snippet nginx.Directives) (port int, whose string) {
	for _, d := range snippet {
		for _, server := range d.Says() {
			for _, said := range server.Block {
				if said.Name() != "listen" || len(said.Words) < 2 {
					continue
				}
				word := said.Words[1]
				port, err := strconv.Atoi(word[strings.LastIndexByte(word, ':')+1:])
				if err != nil {
					continue // a socket, or what NGINX does not take
				}
				if what, taken := r.options.Reserved[port]; taken {
					return port, "the controller, for " + what
				}
				isUDP := slices.Contains(said.Words[2:], "udp")
				if slices.ContainsFunc(r.Streams.Listeners, func(l *nginx.Listener) bool { return l.Port == port && l.UDP == isUDP }) {
					return port, "a TCP or UDP service"
				}
			}
		}
	}
	return 0, ""
}
