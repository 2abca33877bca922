package charts_test

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestRefusals has the values that are refused, and what is said about them. Those without words are fine.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		values string
		says   []string
	}{
		{`{controller: {image: {image: ingress-nginx/controller}}}`, []string{"controller.image.image is ingress-nginx/controller"}},
		{`{controller: {image: {image: ingress-nginx/controller-chroot}}}`, []string{"controller.image.image"}},
		{`{controller: {image: {image: mirror/ingress-nginx-controller}}}`, []string{"controller.image.image"}},
		{`{controller: {image: {repository: registry.example.com/rancher/nginx-ingress-controller}}}`, []string{"controller.image.repository"}},
		{`{controller: {image: {repository: registry.example.com/ingress-nginx/sluice}}}`, nil},
		{`{controller: {image: {image: ingress-nginx-team/sluice, registry: registry.example.com}}}`, nil},
		{`{controller: {image: {tag: v1.15.1}}}`, []string{"controller.image.tag is v1.15.1"}},
		{`{controller: {image: {tag: v1.15.1, repository: registry.example.com/own}}}`, nil},
		{`{controller: {image: {tag: 0.1.0}}}`, nil},
		{`{controller: {image: {registry: registry.k8s.io}}}`, []string{"controller.image.registry is registry.k8s.io"}},
		{`{global: {image: {registry: registry.k8s.io}}}`, []string{"global.image.registry is registry.k8s.io"}},
		{`{global: {image: {registry: registry.k8s.io}}, controller: {image: {repository: registry.example.com/own}}}`, nil},
		{`{controller: {image: {chroot: true}}}`, []string{"controller.image.chroot"}},
		{`{controller: {image: {chroot: false, digestChroot: "sha256:0"}}}`, nil},
		{`{controller: {image: {image: ingress-nginx/controller, tag: v1.11.2, chroot: true, digest: "sha256:0"}}}`, []string{"controller.image.image", "controller.image.chroot"}},
		{`{rbac: {scope: true}}`, []string{"controller.scope.enabled"}},
		{`{rbac: {scope: true}, controller: {scope: {enabled: true}}}`, nil},
		{`{controller: {autoscaling: {enabled: true}, keda: {enabled: true}}}`, []string{"controller.autoscaling.enabled and controller.keda.enabled"}},
		{`{controller: {customTemplate: {configMapName: a, configMapKey: nginx.tmpl}}}`, []string{"controller.customTemplate.configMapKey"}},
		{`{controller: {customTemplate: {configMapName: a}}}`, nil},
	} {
		var values map[string]any
		if err := yaml.UnmarshalStrict([]byte(test.values), &values); err != nil {
			t.Fatal(err)
		}
		_, err := installation{values: values}.render()
		if len(test.says) == 0 && err != nil {
			t.Errorf("%s is refused: %v", test.values, err)
		}
		for _, words := range test.says {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s gives %v, not %q", test.values, err, words)
			}
		}
		if err != nil {
			if reasons := strings.Count(err.Error(), "\n- "); reasons != len(test.says) {
				t.Errorf("%s gives %d reasons, not %d: %v", test.values, reasons, len(test.says), err)
			}
		}
	}
}
