package annotations

import (
	"errors"
	"strings"
)

var crossNamespace = Bool("allow-cross-namespace-resources", false).ConfigOnly().Example("true").
	Doc("Whether annotations may name Secrets of other namespaces than their Ingress's.")

var references = Feature{Name: "References", Settings: Settings{crossNamespace}}

// ObjectName names an object.
type ObjectName struct{ Namespace, Name string }

func (r ObjectName) String() string { return r.Namespace + "/" + r.Name }

// named is the object that an annotation means by NAMESPACE/NAME, or by a NAME in the Ingress's own namespace.
func (v Values) named(text string) ObjectName {
	namespace, name, both := strings.Cut(text, "/")
	if !both {
		return ObjectName{v.Namespace, text}
	}
	return ObjectName{namespace, name}
}

// checkNamespace refuses an object, a Secret or a ConfigMap, that is in another namespace, unless the administrator allows that.
func checkNamespace(v Values, s AnySetting, kind string, name ObjectName) error {
	if name.Namespace == v.Namespace || crossNamespace.In(v) {
		return nil
	}
	return Denial(s, InvalidValue, "%s %s is in another namespace than the Ingress, and allow-cross-namespace-resources is off", kind, name)
}

// configMap finds the data of the ConfigMap that a setting names.
func configMap(v Values, s AnySetting, name ObjectName) (map[string]string, error) {
	data := v.Lookup.ConfigMap(name.Namespace, name.Name)
	if data == nil {
		return nil, Denial(s, MissingConfigMap, "ConfigMap %s does not exist", name)
	}
	return data, nil
}

func missingSecret(s AnySetting, name ObjectName) error {
	return Denial(s, MissingSecret, "Secret %s does not exist", name)
}

// SecretRef is a Secret as namespace/name. Blanks in it do not count. What lacks the namespace is no mistake of
// form: ingress-nginx treats it like a Secret that does not exist.
func SecretRef(key string) *Setting[*ObjectName] {
	parse := func(s string) (*ObjectName, error) {
		text, err := only(strings.Join(strings.Fields(s), ""), basicChars)
		if err != nil {
			return nil, err
		}
		if text == "" {
			return nil, errors.New("is empty")
		}
		namespace, name, both := strings.Cut(text, "/")
		if !both {
			return &ObjectName{"", namespace}, nil
		}
		return &ObjectName{namespace, name}, nil
	}
	show := func(r *ObjectName) string {
		if r == nil {
			return ""
		}
		return r.String()
	}
	return New(key, Kind[*ObjectName]{"a Secret as namespace/name", parse, show, []string{"shop/none", " shop / none "}}, nil)
}

// credentials finds the Secret that a setting names, which v does, or says why it cannot be used.
func credentials(v Values, s *Setting[*ObjectName]) (*Credentials, error) {
	ref := s.In(v)
	if ref.Namespace == "" || ref.Name == "" {
		return nil, Denial(s, InvalidValue, "%s does not name a Secret as namespace/name", printable(ref.String()))
	}
	if err := checkNamespace(v, s, "Secret", *ref); err != nil {
		return nil, err
	}
	found, err := v.Lookup.Credentials(ref.Namespace, ref.Name)
	switch {
	case err != nil:
		return nil, Denial(s, InvalidCertificate, "Secret %s %s", ref, err)
	case found == nil:
		return nil, missingSecret(s, *ref)
	}
	return found, nil
}

// lacks is the error of a Secret that has no such key.
func lacks(s *Setting[*ObjectName], v Values, key string) error {
	return Denial(s, InvalidCertificate, "Secret %s has no %s", s.In(v), key)
}
