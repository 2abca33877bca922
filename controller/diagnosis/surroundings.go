package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/controller/cluster"
	"github.com/sluice-ingress/sluice/controller/translate"
)

// webhooks looks at all that are asked about Ingresses, whosever they are: one that nobody answers refuses every change.
func (x *examiner) webhooks() {
	found := map[string]bool{}
	for i := range x.Webhooks {
		configuration := &x.Webhooks[i]
		for j := range configuration.Webhooks {
			if hook := &configuration.Webhooks[j]; IsAboutIngresses(hook) {
				found[configuration.Name] = true
				x.webhook(configuration.Name, hook)
			}
		}
	}
	x.each(func(c *Controller) {
		name := c.Flags.WebhookConfiguration
		if c.Flags.HasWebhook && name != "" && !found[name] && !x.isUnread("ValidatingWebhookConfiguration") {
			x.add(Finding{Check: CheckWebhook, State: Failed, Object: c.object(),
				Cause: fmt.Sprintf("the controller answers reviews, but there is no ValidatingWebhookConfiguration %s that asks it about Ingresses: mistakes are stored unseen", name),
				Fix:   "install the chart again, or make the object as docs/webhook.md says"})
		}
	})
}

// IsAboutIngresses tells whether a webhook is asked about Ingresses.
func IsAboutIngresses(hook *admissionv1.ValidatingWebhook) bool {
	return slices.ContainsFunc(hook.Rules, func(r admissionv1.RuleWithOperations) bool {
		return slices.Contains(r.Resources, "ingresses") && slices.Contains(r.APIGroups, "networking.k8s.io")
	})
}

func (x *examiner) webhook(configuration string, hook *admissionv1.ValidatingWebhook) {
	object := translate.Object{Kind: "ValidatingWebhookConfiguration", Name: configuration}
	consequence := "changes of Ingresses are stored unseen"
	if hook.FailurePolicy == nil || *hook.FailurePolicy == admissionv1.Fail {
		consequence = "the API server refuses every change of an Ingress that it is asked about"
	}
	service := hook.ClientConfig.Service
	switch {
	case service == nil:
		x.add(Finding{Check: CheckWebhook, Object: object, Cause: "it is asked by URL"})
		return
	case len(hook.ClientConfig.CABundle) == 0:
		x.add(Finding{Check: CheckWebhook, State: Failed, Object: object, Field: "webhooks[].clientConfig.caBundle",
			Cause: "it has no certificate authority, so the API server does not trust the webhook: " + consequence,
			Fix:   "the leader writes it: see its log; or let cert-manager's injector, or whoever made the certificate, do so"})
		return
	}
	name := cluster.Name{Namespace: service.Namespace, Name: service.Name}
	_, known := x.Services[name]
	switch {
	case x.isUnread("Service " + name.String()):
	case !known:
		x.add(Finding{Check: CheckWebhook, State: Failed, Object: object, Cause: fmt.Sprintf("it asks Service %s, which does not exist: %s", name, consequence),
			Fix: "if it is left over from a controller that is gone: kubectl delete validatingwebhookconfiguration " + configuration})
	case x.readyEndpoints(name) == 0:
		x.add(Finding{Check: CheckWebhook, State: Failed, Object: object, Cause: fmt.Sprintf("it asks Service %s, which has no ready endpoint: %s", name, consequence),
			Fix: "mend the controller's pods; in an emergency: kubectl delete validatingwebhookconfiguration " + configuration})
	default:
		x.add(Finding{Check: CheckWebhook, Object: object, Cause: fmt.Sprintf("Service %s answers with %d ready endpoints", name, x.readyEndpoints(name))})
	}
}

func (x *examiner) readyEndpoints(service cluster.Name) int {
	n := 0
	for _, slice := range x.Slices[service] {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready == nil || *e.Conditions.Ready {
				n += len(e.Addresses)
			}
		}
	}
	return n
}

// service wants the Service that clients reach the controller by to have an address and endpoints.
func (x *examiner) service(c *Controller) {
	name := c.Flags.Service
	if name.Name == "" {
		x.add(Finding{Check: CheckService, Object: c.object(), Cause: "no Service is published (--publish-service)"})
		return
	}
	object := translate.Object{Kind: "Service", Namespace: name.Namespace, Name: name.Name}
	service := x.Services[name]
	switch {
	case service == nil && x.isUnread("Service "+name.String()):
		return
	case service == nil:
		x.add(Finding{Check: CheckService, State: Failed, Object: object, Cause: "it does not exist, so Ingresses get no address",
			Fix: "make it, or name another one by --publish-service"})
		return
	case x.readyEndpoints(name) == 0:
		x.add(Finding{Check: CheckService, State: Failed, Object: object, Field: "spec.selector", Cause: "it has no ready endpoint: nobody gets through to the controller",
			Fix: "compare its selector with the labels of the controller's pods, and see whether they are ready"})
		return
	}
	addresses := addressesOf(service)
	switch {
	case service.Spec.Type == corev1.ServiceTypeLoadBalancer && len(addresses) == 0:
		x.add(Finding{Check: CheckService, State: Failed, Object: object, Field: "status.loadBalancer", Cause: "it waits for the address of a load balancer",
			Fix: fmt.Sprintf("kubectl describe service -n %s %s has what the cloud says; a cluster without one needs MetalLB or such, or type NodePort", name.Namespace, name.Name)})
	case service.Spec.Type == corev1.ServiceTypeLoadBalancer:
		x.add(Finding{Check: CheckService, Object: object, Cause: fmt.Sprintf("type LoadBalancer at %s", strings.Join(addresses, ", "))})
	default:
		x.add(Finding{Check: CheckService, Object: object, Cause: fmt.Sprintf("type %s at %s", service.Spec.Type, strings.Join(append(addresses, service.Spec.ClusterIP), ", "))})
	}
}

// addressesOf are those outside the cluster.
func addressesOf(service *corev1.Service) []string {
	addresses := slices.Clone(service.Spec.ExternalIPs)
	for _, i := range service.Status.LoadBalancer.Ingress {
		addresses = append(addresses, i.IP+i.Hostname)
	}
	return addresses
}
