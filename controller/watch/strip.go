package watch

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
)

// What is stripped off costs no memory, and its changes cost nothing. Each function may meet an object twice.

// classAnnotation keeps its prefix whatever prefix our other annotations have.
const classAnnotation = "kubernetes.io/ingress.class"

// strippedMeta is what says which object it is, and what it owes its age.
func strippedMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name: m.Name, Namespace: m.Namespace, UID: m.UID, ResourceVersion: m.ResourceVersion, CreationTimestamp: m.CreationTimestamp,
	}
}

// only are the entries of a map whose keys are wanted; nil if there are none.
func only[V any](all map[string]V, wanted func(key string) bool) map[string]V {
	var kept map[string]V
	for key, v := range all {
		if wanted(key) {
			put(&kept, key, v)
		}
	}
	return kept
}

func in(keys ...string) func(string) bool {
	return func(key string) bool { return slices.Contains(keys, key) }
}

// stripIngress leaves the status for admitIngress, and labels: those of cert-manager tell what an Ingress is for.
func (s *Source) stripIngress(ing *networkingv1.Ingress) {
	meta := strippedMeta(ing.ObjectMeta)
	meta.Labels = ing.Labels
	meta.Annotations = only(ing.Annotations, func(key string) bool {
		return key == classAnnotation || strings.HasPrefix(key, s.options.AnnotationsPrefix+"/")
	})
	ing.TypeMeta, ing.ObjectMeta = metav1.TypeMeta{}, meta
}

func stripClass(class *networkingv1.IngressClass) {
	meta := strippedMeta(class.ObjectMeta)
	meta.Annotations = only(class.Annotations, in(networkingv1.AnnotationIsDefaultIngressClass))
	class.TypeMeta, class.ObjectMeta = metav1.TypeMeta{}, meta
}

// stripService leaves their status to the Services that flags name: that of --publish-service is copied to Ingresses.
func (s *Source) stripService(service *corev1.Service) {
	spec := corev1.ServiceSpec{
		Type: service.Spec.Type, ClusterIP: service.Spec.ClusterIP, ExternalName: service.Spec.ExternalName,
		Ports: service.Spec.Ports, TrafficDistribution: service.Spec.TrafficDistribution,
	}
	for i := range spec.Ports {
		spec.Ports[i].NodePort = 0
	}
	var status corev1.ServiceStatus
	if slices.Contains(s.options.Services, cluster.NameOf(service)) {
		spec.ExternalIPs = service.Spec.ExternalIPs
		status.LoadBalancer = service.Status.LoadBalancer
	}
	meta := strippedMeta(service.ObjectMeta)
	meta.Annotations = only(service.Annotations, in(corev1.AnnotationTopologyMode))
	*service = corev1.Service{ObjectMeta: meta, Spec: spec, Status: status}
}

func stripSlice(slice *discoveryv1.EndpointSlice) {
	meta := strippedMeta(slice.ObjectMeta)
	meta.Labels = only(slice.Labels, in(discoveryv1.LabelServiceName))
	for i, e := range slice.Endpoints {
		slice.Endpoints[i] = discoveryv1.Endpoint{Addresses: e.Addresses, Conditions: e.Conditions, Hints: e.Hints}
	}
	slice.TypeMeta, slice.ObjectMeta = metav1.TypeMeta{}, meta
}

func stripNamespace(namespace *corev1.Namespace) {
	meta := strippedMeta(namespace.ObjectMeta)
	meta.Labels = namespace.Labels
	*namespace = corev1.Namespace{ObjectMeta: meta}
}

func stripConfigMap(m *corev1.ConfigMap) {
	*m = corev1.ConfigMap{ObjectMeta: strippedMeta(m.ObjectMeta), Data: m.Data}
}

// stripSecret keeps what can serve. Key stores beside a certificate are left out, and all that is in Secrets of
// types whose content is nobody's business here, whoever refers to them. Of other types, any key may be the name of
// a user.
func stripSecret(s *corev1.Secret) {
	data := s.Data
	switch s.Type {
	case corev1.SecretTypeTLS:
		data = only(data, in(corev1.TLSCertKey, corev1.TLSPrivateKeyKey, "ca.crt", "ca.crl", "auth", "dhparam.pem"))
	case corev1.SecretTypeServiceAccountToken, corev1.SecretTypeBootstrapToken, corev1.SecretTypeSSHAuth,
		corev1.SecretTypeDockercfg, corev1.SecretTypeDockerConfigJson, "helm.sh/release.v1":
		data = nil
	}
	*s = corev1.Secret{ObjectMeta: strippedMeta(s.ObjectMeta), Type: s.Type, Data: data}
}

// stripMetadata leaves what lookups.told asks for.
func stripMetadata(m *metav1.PartialObjectMetadata) {
	*m = metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: m.Name, Namespace: m.Namespace, ResourceVersion: m.ResourceVersion}}
}
