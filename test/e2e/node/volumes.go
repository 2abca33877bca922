package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"github.com/sluice-ingress/sluice/test/e2e/node/box"
)

// makeVolumes puts the pod's volumes into its directory, by name. Like environment variables they are not refreshed.
func (p *pod) makeVolumes(ctx context.Context) error {
	for _, v := range p.object.Spec.Volumes {
		if v.HostPath != nil {
			continue
		}
		files, err := p.files(ctx, v.VolumeSource)
		if err != nil {
			return fmt.Errorf("volume %s: %w", v.Name, err)
		}
		dir := filepath.Join(p.dir, "volumes", v.Name)
		mode := os.FileMode(0o755)
		if v.EmptyDir != nil {
			mode = 0o777
		}
		if err := os.MkdirAll(dir, mode); err != nil {
			return err
		}
		if err := os.Chmod(dir, mode); err != nil { // whatever the umask is
			return err
		}
		for name, text := range files {
			if err := writeFile(filepath.Join(dir, name), text); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeFile lets everybody read: who the container's user is, is only known to the image.
func writeFile(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
}

// files are what a volume holds at first, by path.
func (p *pod) files(ctx context.Context, v corev1.VolumeSource) (map[string][]byte, error) {
	switch {
	case v.EmptyDir != nil:
		return nil, nil
	case v.Secret != nil:
		data, err := p.secret(ctx, v.Secret.SecretName, v.Secret.Optional)
		return pick(data, v.Secret.Items, v.Secret.Optional, err)
	case v.ConfigMap != nil:
		data, err := p.configMap(ctx, v.ConfigMap.Name, v.ConfigMap.Optional)
		return pick(data, v.ConfigMap.Items, v.ConfigMap.Optional, err)
	case v.DownwardAPI != nil:
		return p.fields(v.DownwardAPI.Items)
	case v.Projected != nil:
		all := map[string][]byte{}
		for _, source := range v.Projected.Sources {
			files, err := p.projected(ctx, source)
			if err != nil {
				return nil, err
			}
			for name, text := range files {
				all[name] = text
			}
		}
		return all, nil
	default:
		return nil, fmt.Errorf("the node agent does not know its kind")
	}
}

func (p *pod) projected(ctx context.Context, v corev1.VolumeProjection) (map[string][]byte, error) {
	switch {
	case v.Secret != nil:
		data, err := p.secret(ctx, v.Secret.Name, v.Secret.Optional)
		return pick(data, v.Secret.Items, v.Secret.Optional, err)
	case v.ConfigMap != nil:
		data, err := p.configMap(ctx, v.ConfigMap.Name, v.ConfigMap.Optional)
		return pick(data, v.ConfigMap.Items, v.ConfigMap.Optional, err)
	case v.DownwardAPI != nil:
		return p.fields(v.DownwardAPI.Items)
	case v.ServiceAccountToken != nil:
		token, err := p.token(ctx, v.ServiceAccountToken)
		return map[string][]byte{v.ServiceAccountToken.Path: token}, err
	default:
		return nil, fmt.Errorf("the node agent does not know a projected source's kind")
	}
}

// pick takes the items of data; all of it if there are none.
func pick(data map[string][]byte, items []corev1.KeyToPath, optional *bool, err error) (map[string][]byte, error) {
	if err != nil || len(items) == 0 {
		return data, err
	}
	files := map[string][]byte{}
	for _, item := range items {
		text, is := data[item.Key]
		if !is && (optional == nil || !*optional) {
			return nil, fmt.Errorf("there is no key %s", item.Key)
		}
		if is {
			files[item.Path] = text
		}
	}
	return files, nil
}

func (p *pod) fields(items []corev1.DownwardAPIVolumeFile) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("the node agent does not know the source of %s", item.Path)
		}
		value, err := p.field(item.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		files[item.Path] = []byte(value)
	}
	return files, nil
}

// token asks for one that ends with the pod.
func (p *pod) token(ctx context.Context, v *corev1.ServiceAccountTokenProjection) ([]byte, error) {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{
		ExpirationSeconds: v.ExpirationSeconds,
		BoundObjectRef:    &authenticationv1.BoundObjectReference{Kind: "Pod", APIVersion: "v1", Name: p.object.Name, UID: p.object.UID},
	}}
	if v.Audience != "" {
		request.Spec.Audiences = []string{v.Audience}
	}
	accounts := p.agent.Client.CoreV1().ServiceAccounts(p.object.Namespace)
	answer, err := accounts.CreateToken(ctx, p.object.Spec.ServiceAccountName, request, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return []byte(answer.Status.Token), nil
}

// missing lets be absent what is optional.
func missing(err error, optional *bool) error {
	if optional != nil && *optional && apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// mounts are those of a container, parents first.
func (p *pod) mounts(c *corev1.Container, known func(string) string) ([]box.Mount, error) {
	var mounts []box.Mount
	if resolver := filepath.Join(p.dir, "resolv.conf"); p.network != nil {
		mounts = append(mounts, box.Mount{Source: resolver, Target: "/etc/resolv.conf"})
	}
	for _, m := range c.VolumeMounts {
		source, err := p.source(m, known)
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, box.Mount{Source: source, Target: m.MountPath, ReadOnly: m.ReadOnly})
	}
	slices.SortStableFunc(mounts, func(a, b box.Mount) int { return strings.Compare(a.Target, b.Target) })
	return mounts, nil
}

func (p *pod) source(m corev1.VolumeMount, known func(string) string) (string, error) {
	dir := filepath.Join(p.dir, "volumes", m.Name)
	for _, v := range p.object.Spec.Volumes {
		if v.Name != m.Name || v.HostPath == nil {
			continue
		}
		dir = v.HostPath.Path
		if kind := v.HostPath.Type; kind != nil && *kind == corev1.HostPathDirectoryOrCreate {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return "", err
			}
		}
	}
	sub := m.SubPath
	if m.SubPathExpr != "" {
		sub = expansion.Expand(m.SubPathExpr, known)
	}
	if sub == "" {
		return dir, nil
	}
	source := filepath.Join(dir, sub)
	if _, err := os.Stat(source); os.IsNotExist(err) {
		return source, os.MkdirAll(source, 0o777)
	}
	return source, nil
}
