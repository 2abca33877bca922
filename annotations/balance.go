package annotations

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluice-ingress/sluice/nginx/dynamic"
)

var (
	loadBalance = Enum("load-balance", "round_robin", false, "round_robin", "ewma", "chash", "chashsubset", "sticky_balanced", "sticky_persistent").
			Bad(Refuse).Global().Example("ewma").
			Doc("How endpoints share the requests: `round_robin` takes them in turn; `ewma` takes the better of two at random, by how long they took to answer in the last seconds and how many requests they work on. The other words mean something in ingress-nginx, but not here. The oldest Ingress that uses the Service and port decides.")
	hashBy = New("upstream-hash-by", hashKeyKind, nil).Bad(Refuse).Example("$request_uri").
		Doc("Sends requests for which this text with variables is the same to the same endpoint. The oldest Ingress that uses the Service and port decides.")
	hashBySubset = Bool("upstream-hash-by-subset", false).Bad(Refuse).Example("true").
			Doc("Lets several endpoints share the requests with the same text.")
	hashBySubsetSize = New("upstream-hash-by-subset-size", subsetSizeKind, defaultSubset).Bad(Refuse).Example("5").
				Doc("How many. 0 is the default.")
)

const defaultSubset = 3

var subsetSizeKind = Kind[int]{
	Name: "a whole number from 0",
	Parse: func(s string) (int, error) {
		n, err := parseInt(s, 0, maxCount)
		if n == 0 {
			n = defaultSubset
		}
		return n, err
	},
	Print: func(n int) string { return fmt.Sprint(n) },
	Edges: []string{"0", "1", fmt.Sprint(maxCount)},
}

// hashVariables may be in upstream-hash-by beside those that all texts may use. Their values go nowhere, so they may be any
// bytes. Of those that all may use, server_name differs where hosts share a server block, so it is none of these.
var hashVariables = []string{
	"binary_remote_addr", "connection", "document_uri", "proxy_add_x_forwarded_for", "proxy_protocol_addr", "realip_remote_addr",
	"ssl_client_fingerprint", "ssl_client_s_dn", "ssl_client_serial", "ssl_session_id", "uri",
}

var hashKeyKind = Kind[dynamic.Template]{
	Name: "a text with variables, of letters, digits and - _ $ { }",
	Parse: func(s string) (dynamic.Template, error) {
		s = strings.ReplaceAll(s, " ", "")
		if s == "" {
			return nil, errors.New("has nothing but blanks")
		}
		if _, err := only(s, "-_${}"); err != nil {
			return nil, err
		}
		return hashKey(s)
	},
	Print: printTemplate,
	Edges: []string{"a", "$request_uri", "${host}-a", "$binary_remote_addr$http_x_key", "{}", strings.Repeat("z", maxText), strings.Repeat("$uri", maxText/4)},
}

// hashKey takes a text apart at its variables.
func hashKey(s string) (dynamic.Template, error) {
	key, err := expandKnown(s, noCaptures, func(name string) bool {
		return name != "server_name" && (isRequestVariable(name) || slices.Contains(hashVariables, name))
	})
	return key.Pieces(), err
}

// printTemplate is the inverse of hashKey.
func printTemplate(t dynamic.Template) string {
	var b strings.Builder
	for i, piece := range t {
		if i%2 == 0 {
			b.WriteString(piece)
			continue
		}
		if i+1 < len(t) && strings.IndexFunc(t[i+1], isNameRune) == 0 {
			piece = "{" + piece + "}"
		}
		b.WriteString("$" + piece)
	}
	return b.String()
}

func isNameRune(c rune) bool { return c == '_' || c >= '0' && c <= '9' || c|' ' >= 'a' && c|' ' <= 'z' }

var balancing = Feature{
	Name:     "Load balancing",
	Settings: Settings{loadBalance, hashBy, hashBySubset, hashBySubsetSize},
	Backend: func(v Values, b *Backend) error {
		var mistakes []error
		switch word := loadBalance.In(v); word {
		case "round_robin":
		case "ewma":
			b.Balance = dynamic.EWMA
		default:
			mistakes = append(mistakes, Mistake(loadBalance, Conflict, "%s is asked for by other annotations, affinity or upstream-hash-by; it has no effect here", word))
		}
		if hashBy.Given(v) {
			b.HashBy = &dynamic.HashBy{Key: hashBy.In(v)}
			if hashBySubset.In(v) {
				b.HashBy.Subset = hashBySubsetSize.In(v)
			}
		}
		return errors.Join(append(mistakes, balancingWithoutEffect(v))...)
	},
}

// balancingWithoutEffect finds what other annotations leave nothing to do.
func balancingWithoutEffect(v Values) error {
	var mistakes []error
	if hashBy.Given(v) && affinityOn.In(v) != "" && !IsCanary(v) {
		mistakes = append(mistakes, Mistake(hashBy, Conflict, "it has no effect beside affinity"))
	}
	for _, s := range []AnySetting{hashBySubset, hashBySubsetSize} {
		if _, given := v.own[s.about().key]; given && !hashBy.Given(v) {
			mistakes = append(mistakes, Mistake(s, Conflict, "it has no effect without upstream-hash-by"))
		}
	}
	return errors.Join(mistakes...)
}
