# Tests as shell functions. A script sources this, defines functions named test_… and calls run_tests, which runs each
# in a subshell with `set -e` and in an empty directory of its own. What a failing one printed is shown.
# shellcheck shell=bash
set -uo pipefail

# shellcheck disable=SC2034 # used by those who source this
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# within SECONDS COMMAND... waits until the command succeeds.
within() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		if ((${EPOCHREALTIME/[.,]/} > end)); then
			echo "still not so: $*"
			return 1
		fi
		sleep 0.05
	done
}

# equal WANT GOT
equal() {
	[[ $1 == "$2" ]] && return
	printf 'want: %s\n got: %s\n' "$1" "$2"
	return 1
}

# contains WANT TEXT
contains() {
	[[ $2 == *"$1"* ]] && return
	printf 'want: …%s…\n got: %s\n' "$1" "$2"
	return 1
}

# fails COMMAND... is for commands that must not succeed.
fails() { ! "$@"; }

# gone WORDS: no process is left whose command line holds the words.
gone() { ! pgrep -f -- "$1"; }

# no_mounts: none that rootfs/enter makes is seen by this machine.
no_mounts() { ! grep '^sluice ' /proc/mounts; }

run_tests() {
	local name directory output passed=0 failed=0
	directory=$(mktemp -d)
	# shellcheck disable=SC2013 # names have no blanks
	for name in $(sed -n 's/^test_\([a-z0-9_]*\)().*/\1/p' "$0"); do
		mkdir "$directory/$name"
		# Not in a condition: bash ignores `set -e` there.
		output=$(
			exec 2>&1
			set -e
			cd "$directory/$name"
			"test_$name"
		)
		# shellcheck disable=SC2181
		if (($? == 0)); then
			passed=$((passed + 1))
			echo "ok    ${name//_/ }"
		else
			failed=$((failed + 1))
			echo "FAIL  ${name//_/ }"
			printf '%s\n' "$output" | sed 's/^/      /'
		fi
	done
	rm -rf -- "$directory"
	echo "$passed passed, $failed failed"
	((failed == 0))
}
