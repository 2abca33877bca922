package node

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/fieldpath"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"
)

// environment is what a container's process finds set, by name: what the image says, overridden by envFrom,
// overridden by env.
func (p *pod) environment(ctx context.Context, c *corev1.Container, image []string) (map[string]string, error) {
	all := map[string]string{
		"PATH":     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME": p.hostname(),
	}
	for _, e := range image {
		name, value := cut(e)
		all[name] = value
	}
	maps.Copy(all, p.agent.serviceEnvironment())
	for _, from := range c.EnvFrom {
		values, err := p.envFrom(ctx, from)
		if err != nil {
			return nil, err
		}
		for name, value := range values {
			all[from.Prefix+name] = value
		}
	}
	for _, e := range c.Env {
		value, set, err := p.envValue(ctx, e, expansion.MappingFuncFor(all))
		if err != nil {
			return nil, fmt.Errorf("environment variable %s: %w", e.Name, err)
		}
		if set {
			all[e.Name] = value
		}
	}
	return all, nil
}

// serviceEnvironment is how clients in pods find the API server. Those of other Services nobody uses.
func (a *Agent) serviceEnvironment() map[string]string {
	return map[string]string{"KUBERNETES_SERVICE_HOST": a.API.Addr().String(), "KUBERNETES_SERVICE_PORT": fmt.Sprint(a.API.Port())}
}

func (p *pod) envFrom(ctx context.Context, from corev1.EnvFromSource) (map[string]string, error) {
	values := map[string]string{}
	if from.ConfigMapRef != nil {
		data, err := p.configMap(ctx, from.ConfigMapRef.Name, from.ConfigMapRef.Optional)
		if err != nil {
			return nil, err
		}
		for name, value := range data {
			values[name] = string(value)
		}
	}
	if from.SecretRef != nil {
		data, err := p.secret(ctx, from.SecretRef.Name, from.SecretRef.Optional)
		if err != nil {
			return nil, err
		}
		for name, value := range data {
			values[name] = string(value)
		}
	}
	return values, nil
}

func (p *pod) envValue(ctx context.Context, e corev1.EnvVar, known func(string) string) (value string, set bool, err error) {
	from := e.ValueFrom
	switch {
	case from == nil:
		return expansion.Expand(e.Value, known), true, nil
	case from.FieldRef != nil:
		value, err = p.field(from.FieldRef.FieldPath)
		return value, true, err
	case from.ConfigMapKeyRef != nil:
		data, err := p.configMap(ctx, from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Optional)
		return key(data, from.ConfigMapKeyRef.Key, from.ConfigMapKeyRef.Optional, err)
	case from.SecretKeyRef != nil:
		data, err := p.secret(ctx, from.SecretKeyRef.Name, from.SecretKeyRef.Optional)
		return key(data, from.SecretKeyRef.Key, from.SecretKeyRef.Optional, err)
	default:
		return "", false, fmt.Errorf("the node agent does not know its source")
	}
}

func key(data map[string][]byte, name string, optional *bool, err error) (string, bool, error) {
	value, set := data[name]
	if err == nil && !set && (optional == nil || !*optional) {
		err = fmt.Errorf("there is no key %s", name)
	}
	return string(value), set, err
}

// field is what the downward API says.
func (p *pod) field(path string) (string, error) {
	switch path {
	case "spec.nodeName":
		return p.agent.Name, nil
	case "spec.serviceAccountName":
		return p.object.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return p.agent.IP.String(), nil
	case "status.podIP", "status.podIPs":
		return p.address.String(), nil
	default:
		p.mu.Lock()
		latest := p.latest
		p.mu.Unlock()
		return fieldpath.ExtractFieldPathAsString(latest, path)
	}
}

func (p *pod) configMap(ctx context.Context, name string, optional *bool) (map[string][]byte, error) {
	found, err := p.agent.Client.CoreV1().ConfigMaps(p.object.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, missing(err, optional)
	}
	data := maps.Clone(found.BinaryData)
	if data == nil {
		data = map[string][]byte{}
	}
	for name, value := range found.Data {
		data[name] = []byte(value)
	}
	return data, nil
}

func (p *pod) secret(ctx context.Context, name string, optional *bool) (map[string][]byte, error) {
	found, err := p.agent.Client.CoreV1().Secrets(p.object.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, missing(err, optional)
	}
	return found.Data, nil
}

// list puts an environment into the form of a process's, in a fixed order.
func list(environment map[string]string) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		all = append(all, name+"="+environment[name])
	}
	return all
}
