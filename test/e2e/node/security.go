package node

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/sluice-ingress/sluice/test/e2e/node/box"
)

// defaultCapabilities are those that container engines give to a container that does not say which it wants.
var defaultCapabilities = []corev1.Capability{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID",
	"SETPCAP", "SETUID", "SYS_CHROOT",
}

// errRoot has the words of a kubelet.
var errRoot = errors.New("container has runAsNonRoot and image will run as root")

// secure sets who the container's process is and what it may do.
func (c *container) secure(spec *box.Spec, image Image) error {
	var err error
	if spec.User, err = c.user(image); err != nil {
		return err
	}
	security := c.spec.SecurityContext
	if security == nil {
		security = &corev1.SecurityContext{}
	}
	mustNotBeRoot := security.RunAsNonRoot
	if pod := c.pod.object.Spec.SecurityContext; pod != nil && mustNotBeRoot == nil {
		mustNotBeRoot = pod.RunAsNonRoot
	}
	if is(mustNotBeRoot) && spec.User.ID == 0 {
		return errRoot
	}
	spec.ReadOnly = is(security.ReadOnlyRootFilesystem)
	spec.Confined = security.AllowPrivilegeEscalation != nil && !*security.AllowPrivilegeEscalation
	if is(security.Privileged) {
		spec.Capabilities = box.AllCapabilities
		return nil
	}
	spec.Capabilities, err = capabilities(security.Capabilities)
	return err
}

func is(b *bool) bool { return b != nil && *b }

// capabilities are those that engines give by default, with the added, without the dropped. As there, ALL comes first.
func capabilities(wanted *corev1.Capabilities) (box.Capabilities, error) {
	given, err := union(defaultCapabilities)
	if err != nil || wanted == nil {
		return given, err
	}
	if slices.Contains(wanted.Add, "ALL") {
		given = box.AllCapabilities
	}
	if slices.Contains(wanted.Drop, "ALL") {
		given = 0
	}
	isAll := func(c corev1.Capability) bool { return c == "ALL" }
	add, err := union(slices.DeleteFunc(slices.Clone(wanted.Add), isAll))
	if err != nil {
		return 0, err
	}
	drop, err := union(slices.DeleteFunc(slices.Clone(wanted.Drop), isAll))
	return (given | add) &^ drop, err
}

func union(of []corev1.Capability) (box.Capabilities, error) {
	var all box.Capabilities
	for _, name := range of {
		one, err := box.ParseCapability(string(name))
		if err != nil {
			return 0, err
		}
		all |= one
	}
	return all, nil
}

// user is the container's, else the pod's, else the image's. Who is told a user but no group gets the one that the image's
// /etc/passwd knows, else root's.
func (c *container) user(image Image) (box.User, error) {
	var user box.User
	if image.User != "" {
		var err error
		if user, err = box.ParseUser(image.User); err != nil {
			return user, err
		}
	}
	var id, group *int64
	if s := c.pod.object.Spec.SecurityContext; s != nil {
		id, group = s.RunAsUser, s.RunAsGroup
		if s.FSGroup != nil {
			user.Groups = append(user.Groups, int(*s.FSGroup))
		}
		for _, supplemental := range s.SupplementalGroups {
			user.Groups = append(user.Groups, int(supplemental))
		}
	}
	if s := c.spec.SecurityContext; s != nil {
		if s.RunAsUser != nil {
			id = s.RunAsUser
		}
		if s.RunAsGroup != nil {
			group = s.RunAsGroup
		}
	}
	if id != nil {
		user.ID, user.Group = int(*id), groupOf(int(*id), image.Root)
	}
	if group != nil {
		user.Group = int(*group)
	}
	return user, nil
}

// groupOf asks the image for the group of a user.
func groupOf(id int, root string) int {
	file, err := os.Open(filepath.Join("/", root, "etc/passwd"))
	if err != nil {
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) > 3 && fields[2] == strconv.Itoa(id) {
			if group, err := strconv.Atoi(fields[3]); err == nil {
				return group
			}
		}
	}
	return 0
}

// sysctls are those that a pod asks for, of its network.
func (p *pod) sysctls() (map[string]string, error) {
	all := map[string]string{}
	if s := p.object.Spec.SecurityContext; s != nil {
		for _, sysctl := range s.Sysctls {
			if !strings.HasPrefix(sysctl.Name, "net.") || strings.Contains(sysctl.Name, "/") {
				return nil, fmt.Errorf("sysctl %s is not of a pod's network", sysctl.Name)
			}
			all["/proc/sys/"+strings.ReplaceAll(sysctl.Name, ".", "/")] = sysctl.Value
		}
	}
	return all, nil
}
