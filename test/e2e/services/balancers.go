package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
)

// giveAddresses writes an address into the status of each Service of type LoadBalancer that is not another
// implementation's, and takes it back when the type changes.
func (s *Server) giveAddresses(ctx context.Context) error {
	services, err := s.services.List(labels.Everything())
	if err != nil {
		return err
	}
	taken := map[netip.Addr]bool{}
	for _, service := range services {
		for _, address := range balancers(service) {
			taken[address] = true
		}
	}
	var errs []error
	for _, service := range services {
		wants := service.Spec.Type == corev1.ServiceTypeLoadBalancer && service.Spec.LoadBalancerClass == nil
		has := balancers(service)
		switch {
		case wants && len(has) == 0:
			address, err := s.chooseAddress(service, taken)
			if err == nil {
				taken[address] = true
				err = s.writeAddress(ctx, service, []corev1.LoadBalancerIngress{{IP: address.String(), IPMode: new(corev1.LoadBalancerIPModeVIP)}})
			}
			errs = append(errs, err)
		case service.Spec.Type != corev1.ServiceTypeLoadBalancer && len(has) > 0:
			errs = append(errs, s.writeAddress(ctx, service, nil))
		}
	}
	return errors.Join(errs...)
}

// chooseAddress takes the one that the Service asks for, else the first free one.
func (s *Server) chooseAddress(service *corev1.Service, taken map[netip.Addr]bool) (netip.Addr, error) {
	if wanted := service.Spec.LoadBalancerIP; wanted != "" {
		address, err := netip.ParseAddr(wanted)
		if err != nil || !s.LoadBalancers.Contains(address) || taken[address] {
			return netip.Addr{}, fmt.Errorf("the Service %s/%s cannot have the address %s", service.Namespace, service.Name, wanted)
		}
		return address, nil
	}
	for address := s.LoadBalancers.Masked().Addr().Next(); s.LoadBalancers.Contains(address.Next()); address = address.Next() {
		if !taken[address] {
			return address, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("the Service %s/%s gets no address: all of %s are taken", service.Namespace, service.Name, s.LoadBalancers)
}

// writeAddress does so only if the Service is still the one that was looked at.
func (s *Server) writeAddress(ctx context.Context, service *corev1.Service, ingress []corev1.LoadBalancerIngress) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"resourceVersion": service.ResourceVersion},
		"status":   map[string]any{"loadBalancer": map[string]any{"ingress": ingress}},
	})
	if err != nil {
		return err
	}
	services := s.Client.CoreV1().Services(service.Namespace)
	_, err = services.Patch(ctx, service.Name, types.MergePatchType, patch, metav1.PatchOptions{}, "status")
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // there is news on the way
	}
	return err
}
