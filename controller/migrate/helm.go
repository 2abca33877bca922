package migrate

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// values are those of ingress-nginx's chart that become flags and keys of the ConfigMap.
type values struct {
	Controller struct {
		Config                  map[string]any `json:"config"`
		ExtraArgs               map[string]any `json:"extraArgs"`
		AllowSnippetAnnotations bool           `json:"allowSnippetAnnotations"`
	} `json:"controller"`
	TCP map[string]any `json:"tcp"`
	UDP map[string]any `json:"udp"`
}

// What the chart makes is called so, in its usual namespace.
const chartName, chartNamespace = "ingress-nginx-controller", "ingress-nginx"

// FromHelmValues reads values of ingress-nginx's chart: the ConfigMap of the controller, and the controller with the flags that
// they ask for. Templates in values stay as they stand.
func FromHelmValues(file string, text []byte) (*corev1.ConfigMap, Controller, error) {
	var v values
	if err := yaml.Unmarshal(text, &v); err != nil {
		return nil, Controller{}, fmt.Errorf("read the values %s: %w", file, err)
	}
	m := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: chartNamespace, Name: chartName},
		Data:       map[string]string{},
	}
	if v.Controller.AllowSnippetAnnotations {
		m.Data["allow-snippet-annotations"] = "true"
	}
	for key, value := range v.Controller.Config {
		m.Data[key] = fmt.Sprint(value)
	}
	c := Controller{File: file, Object: "values " + file, Namespace: chartNamespace}
	c.implied = []Argument{{Name: "configmap", Value: chartNamespace + "/" + chartName}}
	for _, name := range slices.Sorted(maps.Keys(v.Controller.ExtraArgs)) {
		c.Arguments = append(c.Arguments, Argument{"controller.extraArgs." + name, name, fmt.Sprint(v.Controller.ExtraArgs[name])})
	}
	if len(v.TCP) > 0 {
		c.Arguments = append(c.Arguments, Argument{"tcp", "tcp-services-configmap", chartNamespace + "/tcp"})
	}
	if len(v.UDP) > 0 {
		c.Arguments = append(c.Arguments, Argument{"udp", "udp-services-configmap", chartNamespace + "/udp"})
	}
	return m, c, nil
}
