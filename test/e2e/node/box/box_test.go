package box

import (
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

func TestTheTopmostMountsOfThisMachineAreSeen(t *testing.T) {
	got := machineMounts(`1 0 8:1 / / rw - ext4 /dev/sda rw
2 1 0:5 / /proc rw - proc proc rw
3 2 0:6 / /proc/sys/fs/binfmt_misc rw - autofs none rw
4 1 0:7 / /sys rw - sysfs sysfs rw
5 4 0:8 / /sys/fs/cgroup rw - cgroup2 none rw
6 1 0:9 / /tmp rw - tmpfs none rw
7 1 0:9 / /tmpfs rw - tmpfs none rw
8 1 0:10 / /pods/1/memory rw - tmpfs none rw
9 1 0:11 / /pods2 rw - tmpfs none rw
`, "/pods")
	want := []Mount{{Source: "/sys", Target: "/sys"}, {Source: "/tmp", Target: "/tmp"}, {Source: "/tmpfs", Target: "/tmpfs"}, {Source: "/pods2", Target: "/pods2"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestParseCapability(t *testing.T) {
	for name, want := range map[string]Capabilities{
		"CHOWN": 1, "NET_BIND_SERVICE": 1 << unix.CAP_NET_BIND_SERVICE, "CAP_SYS_ADMIN": 1 << unix.CAP_SYS_ADMIN,
		"checkpoint_restore": 1 << unix.CAP_CHECKPOINT_RESTORE, "ALL": AllCapabilities,
	} {
		if got, err := ParseCapability(name); err != nil || got != want {
			t.Errorf("%s: %#x, %v; want %#x", name, got, err, want)
		}
	}
	if got, err := ParseCapability("FLY"); err == nil {
		t.Errorf("FLY: %#x", got)
	}
}

func TestParseUser(t *testing.T) {
	for text, want := range map[string]User{"101": {ID: 101}, "101:82": {ID: 101, Group: 82}} {
		if got, err := ParseUser(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "www-data", "101:", ":82"} {
		if got, err := ParseUser(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
