# Plays a container runtime for the image's root: what kubelet and runtime do for a pod with a read-only root, no
# capability but NET_BIND_SERVICE and no_new_privs. A test sources this, sets place (a directory), image (the root),
# user and group, and calls
#
#   start NAME PROGRAM ARG...
#   inside NAME PROGRAM ARG...    one more process in it, as a hook is
#   member NAME                   its first process, as the test sees it
#   members NAME                  all in its PID namespace
#   pause NAME                    a process whose PID namespace others can share
#
# What a subshell starts is killed when that ends, the rest with the test's PID namespace.
#
# In $place/NAME are stdout, stderr, and status when it has ended. These variables change what start does:
#
#   writable=1                    an image's own directories instead of volumes; what is written is in $place/NAME/upper
#   pod=PID                       share the PID namespace of that process
#   mounts=(SOURCE TARGET...)     shown read-only
# shellcheck shell=bash

runtime=${BASH_SOURCE[0]}
started=()
mounts=()

start() { # NAME PROGRAM ARG...
	# shellcheck disable=SC2154 # place is set by those who source this
	local directory=$place/$1 namespaces=(unshare --mount --pid --fork)
	shift
	[[ -z ${pod:-} ]] || namespaces=(nsenter --target "$pod" --pid unshare --mount)
	mkdir "$directory"
	started+=("${directory##*/}")
	((BASH_SUBSHELL == 0)) || trap kill_started EXIT
	(
		# Both outputs are pipes that belong to the user, as a runtime makes them.
		exec > >(cat >>"$directory/stdout" 2>/dev/null) 2> >(cat >>"$directory/stderr" 2>/dev/null)
		chown "$user:$group" /proc/self/fd/1 /proc/self/fd/2
		status=0
		"${namespaces[@]}" bash "$runtime" "$directory" "$image" "${writable:-}" "$user" "$group" "${#mounts[@]}" "${mounts[@]}" "$@" </dev/null || status=$?
		echo "$status" >"$directory/status"
	) &
	within 5 test -s "$directory/member"
}

pause() { # NAME
	mkdir "$place/$1"
	started+=("$1")
	((BASH_SUBSHELL == 0)) || trap kill_started EXIT
	unshare --pid --fork sleep infinity &
	within 5 pgrep --parent $!
	pgrep --parent $! >"$place/$1/member"
}

member() { cat "$place/$1/member"; }

members() { # NAME
	local space directory
	space=$(readlink "/proc/$(member "$1")/ns/pid") || return 0
	for directory in /proc/[0-9]*; do
		[[ $(readlink "$directory/ns/pid") != "$space" ]] || echo "${directory#/proc/}"
	done
}

kill_started() {
	local name
	for name in "${started[@]}"; do
		members "$name" | xargs --no-run-if-empty kill -KILL || true # some end with others
	done
}

inside() { # NAME PROGRAM ARG...
	local root=$place/$1/root
	nsenter --target "$(member "$1")" --mount --pid bash "$runtime" confined "$root" "$user" "$group" "${@:2}"
}

# confined becomes the program. As from a runtime, it is started with the capability in the permitted set, none to
# inherit, and none ambient: those would hide that a program lacks its file capability.
confined() { # ROOT USER GROUP PROGRAM ARG...
	local others
	others=$(seq 0 "$(</proc/sys/kernel/cap_last_cap)" | grep -vx 10 | paste -sd,) # 10 is NET_BIND_SERVICE
	exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin POD_NAME=sluice-0 POD_NAMESPACE=sluice \
		/usr/sbin/capsh --drop="$others" --inh= --chroot="$1" --keep=1 --groups="$3" --gid="$3" --uid="$2" \
		--caps=cap_net_bind_service=ep --no-new-privs --shell="$4" -- "${@:5}"
}

# build_root runs in the container's mount and PID namespaces. The file system of the test stays what / is, so that
# inside finds capsh there.
build_root() { # DIRECTORY IMAGE WRITABLE USER GROUP COUNT (SOURCE TARGET)... PROGRAM ARG...
	local directory=$1 image=$2 writable=$3 user=$4 group=$5 name
	local root=$directory/root bound=("${@:7:$6}")
	shift $((6 + $6))
	cd -P /proc/self # of the test's PID namespace, still
	echo "${PWD##*/}" >"$directory/member.new"
	cd /

	mount --make-rprivate /
	mkdir "$root"
	if [[ -n $writable ]]; then
		mkdir "$directory"/{upper,work}
		mount -t overlay -o "lowerdir=$image,upperdir=$directory/upper,workdir=$directory/work" overlay "$root"
	else
		mount --bind "$image" "$root"
		mount -o remount,bind,ro "$root"
		mount -t tmpfs -o mode=0777 volume "$root/run/sluice"
		mount -t tmpfs -o mode=1777 volume "$root/tmp"
	fi
	mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
	mount -t tmpfs -o nosuid,mode=0755 devices "$root/dev"
	for name in null zero full random urandom tty; do
		touch "$root/dev/$name"
		mount --bind "/dev/$name" "$root/dev/$name"
	done
	ln -s /proc/self/fd "$root/dev/fd"
	for name in stdin:0 stdout:1 stderr:2; do
		ln -s "/proc/self/fd/${name#*:}" "$root/dev/${name%:*}"
	done
	set -- "${bound[@]}" -- "$@"
	while [[ $1 != -- ]]; do
		mount --bind "$1" "$root$2"
		mount -o remount,bind,ro "$root$2"
		shift 2
	done
	mv "$directory/member.new" "$directory/member"
	confined "$root" "$user" "$group" "${@:2}"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
	set -euo pipefail
	if [[ $1 == confined ]]; then
		"$@"
	else
		build_root "$@"
	fi
fi
