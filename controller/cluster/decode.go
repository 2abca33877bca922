package cluster

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"
)

// kind is a kind of object that we read, in the one version that we read.
type kind struct {
	group, version string
	name           string
	namespaced     bool
	formerGroup    string // where it was before it had this group
	new            func() object
}

func (k kind) apiVersion() string { return strings.TrimPrefix(k.group+"/"+k.version, "/") }

var kinds = []kind{
	{group: "networking.k8s.io", version: "v1", name: "Ingress", namespaced: true, formerGroup: "extensions",
		new: func() object { return new(networkingv1.Ingress) }},
	{group: "networking.k8s.io", version: "v1", name: "IngressClass",
		new: func() object { return new(networkingv1.IngressClass) }},
	{group: "discovery.k8s.io", version: "v1", name: "EndpointSlice", namespaced: true,
		new: func() object { return new(discoveryv1.EndpointSlice) }},
	{version: "v1", name: "Service", namespaced: true, new: func() object { return new(corev1.Service) }},
	{version: "v1", name: "Secret", namespaced: true, new: func() object { return new(corev1.Secret) }},
	{version: "v1", name: "ConfigMap", namespaced: true, new: func() object { return new(corev1.ConfigMap) }},
	{version: "v1", name: "Namespace", new: func() object { return new(corev1.Namespace) }},
}

// header is what every object has, and a list.
type header struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Metadata   names           `json:"metadata"`
	Items      json.RawMessage `json:"items"`
}

type names struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

func (h header) group() string {
	group, _, found := strings.Cut(h.APIVersion, "/")
	if !found {
		return ""
	}
	return group
}

const (
	// maxNotes is how many Notes one file may cause. Past it they are counted.
	maxNotes = 1000
	// maxDepth is how deep lists may stand in lists. Each level is parsed once more.
	maxDepth = 4
)

// decoder reads one file.
type decoder struct {
	file   file
	notes  []Note
	unsaid int
	line   int // of the present document

	namespace string // of objects that name none
}

func (r Reader) decodeFile(name string, data []byte) (file, []Note) {
	d := decoder{file: file{name: name}, namespace: cmp.Or(r.Namespace, metav1.NamespaceDefault)}
	if len(data) > maxFile {
		d.note(Error, "", "", fmt.Sprintf("larger than %d MiB", maxFile>>20))
		return d.file, d.notes
	}
	for _, doc := range split(data) {
		d.document(doc)
	}
	if d.unsaid > 0 {
		more := fmt.Sprintf("%d more notes are left out", d.unsaid)
		d.notes = append(d.notes, Note{File: name, Severity: Warning, Message: more})
	}
	return d.file, d.notes
}

func (d *decoder) note(severity Severity, object, field, message string) {
	if severity == Error {
		d.file.failed = true
	}
	if len(d.notes) == maxNotes {
		d.unsaid++
		return
	}
	d.notes = append(d.notes, Note{
		File: d.file.name, Line: d.line, Severity: severity,
		Object: printable(object), Field: printable(field), Message: printable(message),
	})
}

func (d *decoder) document(doc document) {
	d.line = doc.line
	defer func() {
		// The parsers have had such bugs. One document must not stop everything.
		if recover() != nil {
			d.note(Error, "", "", "makes the parser fail")
		}
	}()
	values, rest := jsonValues(doc)
	for _, value := range values {
		d.line = value.line
		d.value(value.text, header{}, 0)
	}
	for _, doc := range appendDocument(nil, rest) {
		d.yaml(doc)
	}
}

func (d *decoder) yaml(doc document) {
	d.line = doc.line
	data, twice, err := toJSON(doc)
	if err != nil {
		d.note(Error, "", "", err.Error())
		return
	}
	var label string
	if len(twice) > 0 {
		label = d.labelIn(data)
	}
	for _, dup := range twice {
		message := fmt.Sprintf("stands twice, the second time in line %d; the last one counts", dup.line)
		d.note(Warning, label, dup.key, message)
	}
	d.value(data, header{}, 0)
}

// value takes in one JSON value: an object, or a list of objects. In a typed list, such as an IngressList,
// items may leave out what the list says of all of them: that is item.
func (d *decoder) value(data []byte, item header, depth int) {
	if string(bytes.TrimSpace(data)) == "null" {
		return
	}
	h := item
	if err := kjson.UnmarshalCaseSensitivePreserveInts(data, &h); err != nil {
		field, message := explain(data, err)
		if field == "" {
			message = "is not a Kubernetes object"
		}
		d.note(Error, "", field, message)
		return
	}
	switch {
	case h.APIVersion == "" && h.Kind == "":
		// Not an error: directories of manifests hold other YAML too, such as values of a chart.
		d.note(Warning, "", "", "is not a Kubernetes object: it has neither apiVersion nor kind")
	case h.APIVersion == "":
		d.note(Error, h.label(), "apiVersion", "is missing")
	case h.Kind == "":
		d.note(Error, h.label(), "kind", "is missing")
	case strings.HasSuffix(h.Kind, "List"):
		d.list(h, depth)
	default:
		d.object(data, h)
	}
}

func (d *decoder) list(h header, depth int) {
	var item header
	if h.Kind != "List" {
		item = header{APIVersion: h.APIVersion, Kind: strings.TrimSuffix(h.Kind, "List")}
		if _, ok := kindOf(item); !ok {
			item = h // "List" is just how the name of its kind ends
		}
		if _, ok := d.kind(item); !ok {
			return
		}
	}
	var items []json.RawMessage
	if len(h.Items) > 0 {
		if err := json.Unmarshal(h.Items, &items); err != nil {
			d.note(Error, h.Kind, "items", "must be a list")
			return
		}
	}
	if depth == maxDepth {
		d.note(Error, h.Kind, "items", "lists stand in lists too deeply")
		return
	}
	for _, data := range items {
		d.value(data, item, depth+1)
	}
}

// kind finds the kind of an object and says so when it is none that we can read.
func (d *decoder) kind(h header) (kind, bool) {
	k, ok := kindOf(h)
	switch {
	case !ok:
		d.note(Info, h.label(), "kind", fmt.Sprintf("%s of %s is not read", h.Kind, h.APIVersion))
	case k.apiVersion() != h.APIVersion:
		d.note(Error, h.label(), "apiVersion", fmt.Sprintf("%s cannot be read; write it as %s", h.APIVersion, k.apiVersion()))
		ok = false
	}
	return k, ok
}

// kindOf goes by name and group, since other groups have kinds of the same name: Knative a Service,
// OpenShift an Ingress.
func kindOf(h header) (kind, bool) {
	for _, k := range kinds {
		if k.name != h.Kind {
			continue
		}
		if group := h.group(); group == k.group || (group != "" && group == k.formerGroup) {
			return k, true
		}
	}
	return kind{}, false
}

func (d *decoder) object(data []byte, h header) {
	k, ok := d.kind(h)
	if !ok {
		return
	}
	switch {
	case !k.namespaced:
		h.Metadata.Namespace = ""
	case h.Metadata.Namespace == "":
		h.Metadata.Namespace = d.namespace
	}
	o := k.new()
	strict, err := kjson.UnmarshalStrict(data, o)
	if err != nil {
		field, message := explain(data, err)
		d.note(Error, h.label(), field, message)
		return
	}
	for _, err := range strict {
		field, message := explainStrict(err)
		d.note(Warning, h.label(), field, message)
	}
	o.SetNamespace(h.Metadata.Namespace)
	if field, message := check(o); field != "" {
		d.note(Error, h.label(), field, message)
		return
	}
	complete(o)
	d.file.entries = append(d.file.entries, entry{h.key(), d.line, o})
}

func (h header) key() key { return key{h.Kind, Name{h.Metadata.Namespace, h.Metadata.Name}} }

// label names an object as Notes do. An object without a name is only its kind.
func (h header) label() string {
	if h.Metadata.Name == "" {
		return h.Kind
	}
	return h.key().String()
}

// labelIn is the label of an object as far as can be seen without decoding all of it.
func (d *decoder) labelIn(data []byte) string {
	var h header
	if kjson.UnmarshalCaseSensitivePreserveInts(data, &h) != nil {
		return ""
	}
	if k, ok := kindOf(h); ok && k.namespaced && h.Metadata.Namespace == "" {
		h.Metadata.Namespace = d.namespace
	}
	return h.label()
}

// complete does what the API server does to an object that it takes in.
func complete(o object) {
	secret, ok := o.(*corev1.Secret)
	if !ok || len(secret.StringData) == 0 {
		return
	}
	if secret.Data == nil {
		secret.Data = make(map[string][]byte, len(secret.StringData))
	}
	for name, text := range secret.StringData {
		secret.Data[name] = []byte(text)
	}
	secret.StringData = nil
}
