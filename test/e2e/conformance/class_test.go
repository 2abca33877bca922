//go:build e2e

package conformance_test

import (
	"context"
	"fmt"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sluice-ingress/sluice/test/e2e/suite"
)

// patchIngress changes one as `kubectl patch --type merge` does.
func (s site) patchIngress(name, patch string) {
	s.Helper()
	_, err := suite.Client(s).NetworkingV1().Ingresses(s.namespace).Patch(s.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		s.Fatal(err)
	}
}

// class makes an IngressClass that is there until the end of the test, with the test's namespace in its name.
func (s site) class(name, controller string, annotations map[string]string) string {
	s.Helper()
	classes := suite.Client(s).NetworkingV1().IngressClasses()
	class := &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: name + "-" + s.namespace, Annotations: annotations},
		Spec:       networkingv1.IngressClassSpec{Controller: controller},
	}
	if _, err := classes.Create(s.Context(), class, metav1.CreateOptions{}); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { s.deleteClass(class.Name) })
	return class.Name
}

func (s site) deleteClass(name string) {
	s.Helper()
	err := suite.Client(s).NetworkingV1().IngressClasses().Delete(context.WithoutCancel(s.Context()), name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		s.Errorf("remove IngressClass %s: %v", name, err)
	}
}

// of is an Ingress with a class in one of its ways, and a host of its name.
func (s site) of(name, metadata, spec string) {
	s.Helper()
	s.apply(fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: %[1]s, %[2]s}
spec: {%[3]s rules: [{host: %[1]s.DOMAIN, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
`, name, metadata, spec))
}

const ours = "k8s.io/ingress-nginx"

// TestClasses serves what is ours by class name or annotation, and nothing else; nor does anything else get a status.
func TestClasses(t *testing.T) {
	s := newSite(t, "web")
	other, alias := s.class("other", "example.com/other", nil), s.class("alias", ours, nil)
	s.of("other", "", "ingressClassName: "+other+",")
	s.of("missing", "", "ingressClassName: missing-DOMAIN,")
	s.of("foreign", "annotations: {kubernetes.io/ingress.class: other}", "")
	s.of("without", "", "")
	s.of("alias", "", "ingressClassName: "+alias+",")
	s.of("legacy", "annotations: {kubernetes.io/ingress.class: nginx}", "")
	s.of("name", "", "ingressClassName: nginx,")
	for _, name := range []string{"alias", "legacy", "name"} {
		s.wantFrom("web", "http://"+name+".DOMAIN/")
		s.wantAddresses(name, s.Address)
	}
	for _, name := range []string{"other", "missing", "foreign", "without"} {
		s.wantStatus(404, "http://"+name+".DOMAIN/")
		s.wantAddresses(name)
	}
}

// TestTheDefaultClass is given by the API server to Ingresses that have none.
func TestTheDefaultClass(t *testing.T) {
	s := newSite(t, "web")
	s.class("default", ours, map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"})
	suite.Within(t, soon, func() error { // it may not know of the class yet
		s.of("web", "", "")
		ingress, err := suite.Client(t).NetworkingV1().Ingresses(s.namespace).Get(t.Context(), "web", metav1.GetOptions{})
		if err == nil && ingress.Spec.IngressClassName == nil {
			s.deleteIngress("web")
			err = fmt.Errorf("it has no class")
		}
		return err
	})
	s.wantFrom("web", "http://web.DOMAIN/")
}

// TestChangesOfClass are followed in both directions, of the Ingress and of the IngressClass. The name of a class counts
// before the annotation.
func TestChangesOfClass(t *testing.T) {
	t.Parallel()
	s := newSite(t, "web")
	other := s.class("other", "example.com/other", nil)
	s.of("web", "", "ingressClassName: "+other+",")
	s.of("marker", "", "ingressClassName: nginx,")
	s.wantFrom("web", "http://marker.DOMAIN/")
	s.wantStatus(404, "http://web.DOMAIN/")

	s.patchIngress("web", `{"spec": {"ingressClassName": "nginx"}, "metadata": {"annotations": {"kubernetes.io/ingress.class": "other"}}}`)
	s.wantFrom("web", "http://web.DOMAIN/")
	s.wantAddresses("web", s.Address)
	s.patchIngress("web", `{"spec": {"ingressClassName": "`+other+`"}, "metadata": {"annotations": {"kubernetes.io/ingress.class": "nginx"}}}`)
	s.wantStatus(404, "http://web.DOMAIN/")
	s.wantAddresses("web")
	s.patchIngress("web", `{"spec": {"ingressClassName": null}}`)
	s.wantFrom("web", "http://web.DOMAIN/")
	s.patchIngress("web", `{"spec": {"ingressClassName": "`+other+`"}}`)
	s.wantStatus(404, "http://web.DOMAIN/")

	s.deleteClass(other)
	s.class("other", ours, nil)
	s.wantFrom("web", "http://web.DOMAIN/")
	s.deleteClass(other)
	s.wantStatus(404, "http://web.DOMAIN/")
}
