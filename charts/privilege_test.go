package charts_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

// pod is that of the controller.
func (r rendering) pod(t testing.TB) corev1.PodSpec {
	t.Helper()
	text, err := json.Marshal(r.workload(t).Object)
	if err != nil {
		t.Fatal(err)
	}
	var workload struct {
		Spec struct{ Template corev1.PodTemplateSpec }
	}
	if err := json.Unmarshal(text, &workload); err != nil {
		t.Fatal(err)
	}
	return workload.Spec.Template.Spec
}

const tokens = "/var/run/secrets/kubernetes.io/serviceaccount"

// TestNGINXHasNoToken looks at every example: no container but the controller's mounts a volume with a token, nor gets
// one by itself, nor has the controller's user.
func TestNGINXHasNoToken(t *testing.T) {
	own := controllerValues(t, `{extraVolumes: [{name: own, projected: {sources: [{serviceAccountToken: {path: token}}]}}], extraVolumeMounts: [{name: own, mountPath: /var/run/secrets/own}]}`)
	for _, e := range append(separate(t), example{"a token of its own", installation{values: own}}) {
		pod := render(t, e.installation).pod(t)
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s: all containers get a token", e.name)
		}
		secret := map[string]bool{}
		for _, v := range pod.Volumes {
			if v.Projected != nil {
				for _, source := range v.Projected.Sources {
					secret[v.Name] = secret[v.Name] || source.ServiceAccountToken != nil
				}
			}
		}
		controller, nginx := pod.Containers[0], pod.Containers[1]
		if controller.Name != "controller" || nginx.Name != "nginx" || nginx.Args[0] != "dataplane" {
			t.Fatalf("%s: the containers are %s and %s", e.name, controller.Name, nginx.Name)
		}
		has := false
		for _, m := range controller.VolumeMounts {
			has = has || secret[m.Name] && m.MountPath == tokens && m.ReadOnly
			if m.Name == "sluice-state" || m.Name == "sluice-dataplane" && !m.ReadOnly {
				t.Errorf("%s: the controller has what is NGINX's: %+v", e.name, m)
			}
		}
		if !has {
			t.Errorf("%s: the controller has no token", e.name)
		}
		for _, m := range nginx.VolumeMounts {
			if secret[m.Name] || strings.Contains(m.MountPath, "secrets") {
				t.Errorf("%s: NGINX has a token: %+v", e.name, m)
			}
		}
		if a, b := controller.SecurityContext.RunAsUser, nginx.SecurityContext.RunAsUser; a == nil || b == nil || *a == *b {
			t.Errorf("%s: both have the same user", e.name)
		}
		if c := controller.SecurityContext.Capabilities; c == nil || len(c.Add) > 0 || len(c.Drop) != 1 || c.Drop[0] != "ALL" {
			t.Errorf("%s: the controller has capabilities: %+v", e.name, c)
		}
	}
}

// TestWhoGetsWhat has the values that ingress-nginx has for its one container.
func TestWhoGetsWhat(t *testing.T) {
	pod := render(t, installation{values: controllerValues(t, `{
		resources: {limits: {memory: 1Gi}}, lifecycle: {preStop: {exec: {command: [/wait-shutdown]}}}, metrics: {enabled: true},
		extraArgs: {worker-shutdown-timeout: 1m, v: 2, http-port: 8080}, extraEnvs: [{name: TZ, value: UTC}],
		extraVolumes: [{name: lua, emptyDir: {}}], extraVolumeMounts: [{name: lua, mountPath: /etc/nginx/own}]}`)}).pod(t)
	controller, nginx := pod.Containers[0], pod.Containers[1]
	if _, is := nginx.Resources.Limits[corev1.ResourceMemory]; !is || len(controller.Resources.Limits) > 0 {
		t.Errorf("the limits are the controller's: %+v", controller.Resources)
	}
	if controller.Lifecycle == nil || nginx.Lifecycle != nil || controller.ReadinessProbe == nil || controller.LivenessProbe == nil || nginx.LivenessProbe != nil {
		t.Error("hooks and probes are not the controller's")
	}
	if probe := nginx.ReadinessProbe; probe == nil || probe.TCPSocket == nil || probe.TCPSocket.Port.StrVal != "http" {
		t.Errorf("NGINX's container is ready when %v", probe)
	}
	names := func(ports []corev1.ContainerPort) (list []string) {
		for _, p := range ports {
			list = append(list, p.Name)
		}
		return list
	}
	if diff := gocmp.Diff([][]string{{"metrics", "webhook"}, {"http", "https"}}, [][]string{names(controller.Ports), names(nginx.Ports)}); diff != "" {
		t.Errorf("the ports of both (-want +got):\n%s", diff)
	}
	want := []string{"dataplane", "--dataplane-socket=/run/sluice-dataplane/dataplane.sock", "--v=2", "--worker-shutdown-timeout=1m"}
	if diff := gocmp.Diff(want, nginx.Args); diff != "" {
		t.Errorf("arguments of NGINX's container (-want +got):\n%s", diff)
	}
	for _, c := range pod.Containers {
		if c.Env[len(c.Env)-1].Name != "TZ" || c.VolumeMounts[len(c.VolumeMounts)-1].MountPath != "/etc/nginx/own" {
			t.Errorf("%s lacks what is for both", c.Name)
		}
	}
}

// TestOneContainerForBoth is what was there before, and in ingress-nginx.
func TestOneContainerForBoth(t *testing.T) {
	pod := render(t, installation{values: controllerValues(t, `{dataPlane: {separate: false}, metrics: {enabled: true}}`)}).pod(t)
	if n := len(pod.Containers); n != 1 || !*pod.AutomountServiceAccountToken || len(pod.Containers[0].Ports) != 4 {
		t.Errorf("%d containers, ports %v", n, pod.Containers[0].Ports)
	}
	for _, a := range pod.Containers[0].Args {
		if strings.HasPrefix(a, "--dataplane") {
			t.Errorf("the controller looks for another: %s", a)
		}
	}
	for _, v := range pod.Volumes {
		if v.Projected != nil {
			t.Errorf("volume %s is there for nothing", v.Name)
		}
	}
}

// separate are the examples in which NGINX has a container of its own.
func separate(t testing.TB) []example {
	t.Helper()
	return slices.DeleteFunc(examples(t), func(e example) bool { return e.name == "one-container" })
}
