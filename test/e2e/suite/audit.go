package suite

import (
	"bufio"
	"cmp"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"

	"github.com/sluice-ingress/sluice/test/e2e/controlplane"
)

// Access is one way in which a service account used the API. Requests that differ in nothing of it are one.
type Access struct {
	User        string // system:serviceaccount:NAMESPACE:NAME
	Verb        string // as in RBAC
	Group       string
	Resource    string
	Subresource string
	Namespace   string
	Name        string
	Path        string // instead of the four above, of what is no resource
	Code        int32  // of HTTP; 403 is what the account may not do
}

// Accesses are those of a service account since the control plane was started, in a fixed order. A request is known some
// milliseconds after its answer, a watch as soon as it starts. Accounts of kube-system are not recorded. On a cluster that
// is not ours the test is skipped.
func Accesses(t testing.TB, namespace, account string) []Access {
	t.Helper()
	log := filepath.Join(Control(t).Dir, "logs", controlplane.AuditLog)
	put, err := filepath.Glob(strings.TrimSuffix(log, ".log") + "-*.log") // aside, when it was full
	if err != nil {
		t.Fatal(err)
	}
	user := "system:serviceaccount:" + namespace + ":" + account
	found := map[Access]bool{}
	for _, name := range append(put, log) {
		if err := readAccesses(name, user, found); err != nil {
			t.Fatalf("read the audit log: %v", err)
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Access) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource),
			cmp.Compare(a.Subresource, b.Subresource), cmp.Compare(a.Verb, b.Verb), cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Code, b.Code))
	})
}

func readAccesses(name, user string, found map[Access]bool) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil { // the end, perhaps within a line that is being written
			return nil
		}
		var event auditv1.Event
		if err := json.Unmarshal(line, &event); err != nil {
			return err
		}
		if event.User.Username != user || event.ResponseStatus == nil {
			continue
		}
		access := Access{User: user, Verb: event.Verb, Code: event.ResponseStatus.Code}
		if o := event.ObjectRef; o != nil {
			access.Group, access.Resource, access.Subresource, access.Namespace, access.Name =
				o.APIGroup, o.Resource, o.Subresource, o.Namespace, o.Name
		} else {
			access.Path, _, _ = strings.Cut(event.RequestURI, "?")
		}
		found[access] = true
	}
}

// Unused are the rights of the rules that no access needed, as VERB GROUP/RESOURCE, in order. A right to names is one for
// each. What was tried and forbidden does not count.
func Unused(rules []rbacv1.PolicyRule, accesses []Access) []string {
	unused := map[string]bool{}
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					for _, name := range names {
						if !slices.ContainsFunc(accesses, func(a Access) bool { return a.needs(verb, group, resource, name) }) {
							unused[strings.TrimRight(verb+" "+group+"/"+resource+" "+name, " ")] = true
						}
					}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(unused))
}

func (a Access) needs(verb, group, resource, name string) bool {
	const forbidden = 403
	asked := a.Resource
	if a.Subresource != "" {
		asked += "/" + a.Subresource
	}
	return a.Code != forbidden && a.Verb == verb && a.Group == group && asked == resource && (name == "" || a.Name == name)
}
