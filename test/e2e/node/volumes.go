package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	volume "k8s.io/kubernetes/pkg/volume/util"
	"k8s.io/kubernetes/third_party/forked/golang/expansion"

	"github.com/sluice-ingress/sluice/test/e2e/node/box"
)

// makeVolumes puts the pod's volumes into its directory, by name. It may be called again.
func (p *pod) makeVolumes(ctx context.Context) error {
	for i := range p.object.Spec.Volumes {
		v := &p.object.Spec.Volumes[i]
		if v.HostPath != nil {
			continue
		}
		dir := p.volumeDir(v.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		var err error
		if v.EmptyDir != nil {
			err = p.makeEmpty(dir, v.EmptyDir)
		} else {
			err = p.writeVolume(ctx, v)
		}
		if err != nil {
			return fmt.Errorf("volume %s: %w", v.Name, err)
		}
	}
	return nil
}

func (p *pod) volumeDir(name string) string { return filepath.Join(p.dir, "volumes", name) }

// makeEmpty lets everybody write, and what is written belong to the pod's group. Memory is mounted where only the agent
// and its pods see it.
func (p *pod) makeEmpty(dir string, v *corev1.EmptyDirVolumeSource) error {
	if v.Medium == corev1.StorageMediumMemory && !p.memory[dir] {
		size := int64(256 << 20)
		if v.SizeLimit != nil {
			size = v.SizeLimit.Value()
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", size)); err != nil {
			return fmt.Errorf("mount memory: %w", err)
		}
		p.memory[dir] = true
	}
	mode := os.FileMode(0o777)
	if group := p.group(); group != nil {
		if err := os.Chown(dir, -1, *group); err != nil {
			return err
		}
		mode |= os.ModeSetgid
	}
	return os.Chmod(dir, mode) // whatever the umask is
}

// group is the one that volumes belong to; nil if there is none.
func (p *pod) group() *int {
	s := p.object.Spec.SecurityContext
	if s == nil || s.FSGroup == nil {
		return nil
	}
	group := int(*s.FSGroup)
	return &group
}

// writeVolume puts what the API says now into a volume, all at once as the kubelet does.
func (p *pod) writeVolume(ctx context.Context, v *corev1.Volume) error {
	files, err := p.files(ctx, &v.VolumeSource)
	if err != nil {
		return err
	}
	dir := p.volumeDir(v.Name)
	writer, err := volume.NewAtomicWriter(dir, "pod "+p.object.Namespace+"/"+p.object.Name)
	if err != nil {
		return err
	}
	return writer.Write(files, func(data string) error { return p.giveToGroup(filepath.Join(dir, data)) })
}

// giveToGroup lets the pod's group read the files of a volume.
func (p *pod) giveToGroup(dir string) error {
	group := p.group()
	if group == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode() | 0o440
		if entry.IsDir() {
			mode |= os.ModeSetgid | 0o550
		}
		return errors.Join(os.Lchown(name, -1, *group), os.Chmod(name, mode))
	})
}

// files are what a volume holds, by path.
func (p *pod) files(ctx context.Context, v *corev1.VolumeSource) (files, error) {
	switch {
	case v.Secret != nil:
		data, err := p.secret(ctx, v.Secret.SecretName, v.Secret.Optional)
		return pick(data, v.Secret.Items, v.Secret.DefaultMode, v.Secret.Optional, err)
	case v.ConfigMap != nil:
		data, err := p.configMap(ctx, v.ConfigMap.Name, v.ConfigMap.Optional)
		return pick(data, v.ConfigMap.Items, v.ConfigMap.DefaultMode, v.ConfigMap.Optional, err)
	case v.DownwardAPI != nil:
		return p.fields(v.DownwardAPI.Items, v.DownwardAPI.DefaultMode)
	case v.Projected != nil:
		all := files{}
		for _, source := range v.Projected.Sources {
			some, err := p.projected(ctx, source, v.Projected.DefaultMode)
			if err != nil {
				return nil, err
			}
			maps.Copy(all, some)
		}
		return all, nil
	default:
		return nil, fmt.Errorf("the node agent does not know its kind")
	}
}

func (p *pod) projected(ctx context.Context, v corev1.VolumeProjection, mode *int32) (files, error) {
	switch {
	case v.Secret != nil:
		data, err := p.secret(ctx, v.Secret.Name, v.Secret.Optional)
		return pick(data, v.Secret.Items, mode, v.Secret.Optional, err)
	case v.ConfigMap != nil:
		data, err := p.configMap(ctx, v.ConfigMap.Name, v.ConfigMap.Optional)
		return pick(data, v.ConfigMap.Items, mode, v.ConfigMap.Optional, err)
	case v.DownwardAPI != nil:
		return p.fields(v.DownwardAPI.Items, mode)
	case v.ServiceAccountToken != nil:
		token, err := p.token(ctx, v.ServiceAccountToken)
		return files{v.ServiceAccountToken.Path: token}, err
	default:
		return nil, fmt.Errorf("the node agent does not know a projected source's kind")
	}
}

// files are those of a volume, by path, with their modes.
type files map[string]volume.FileProjection

func (f files) add(path string, text []byte, modes ...*int32) {
	const unlessSaid = 0o644
	file := volume.FileProjection{Data: text, Mode: unlessSaid}
	for _, mode := range modes {
		if mode != nil {
			file.Mode = *mode
		}
	}
	f[path] = file
}

// pick takes the items of data; all of it if there are none.
func pick(data map[string][]byte, items []corev1.KeyToPath, mode *int32, optional *bool, err error) (files, error) {
	if err != nil {
		return nil, err
	}
	picked := files{}
	if len(items) == 0 {
		for name, text := range data {
			picked.add(name, text, mode)
		}
	}
	for _, item := range items {
		text, is := data[item.Key]
		if !is && (optional == nil || !*optional) {
			return nil, fmt.Errorf("there is no key %s", item.Key)
		}
		if is {
			picked.add(item.Path, text, mode, item.Mode)
		}
	}
	return picked, nil
}

func (p *pod) fields(items []corev1.DownwardAPIVolumeFile, mode *int32) (files, error) {
	all := files{}
	for _, item := range items {
		if item.FieldRef == nil {
			return nil, fmt.Errorf("the node agent does not know the source of %s", item.Path)
		}
		value, err := p.field(item.FieldRef.FieldPath)
		if err != nil {
			return nil, err
		}
		all.add(item.Path, []byte(value), mode, item.Mode)
	}
	return all, nil
}

// token asks for one that ends with the pod, once for each path: tests end before it does. Like a kubelet's it is only
// for the pod's user or group, if the pod names one.
func (p *pod) token(ctx context.Context, v *corev1.ServiceAccountTokenProjection) (volume.FileProjection, error) {
	if file, is := p.tokens[v.Path]; is {
		return file, nil
	}
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
		return volume.FileProjection{}, err
	}
	file := volume.FileProjection{Data: []byte(answer.Status.Token), Mode: 0o644, FsUser: volume.FsUserFrom(p.object)}
	if file.FsUser != nil || p.group() != nil {
		file.Mode = 0o600
	}
	p.tokens[v.Path] = file
	return file, nil
}

// writeFile lets everybody read: who the container's user is, is only known to the image.
func writeFile(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, text, 0o644)
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
	mounts := []box.Mount{{Source: filepath.Join(p.dir, "hosts"), Target: "/etc/hosts"}}
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
	dir := p.volumeDir(m.Name)
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
