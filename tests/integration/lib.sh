# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the tests with real programs share. Each is a script with the path of
# the drop-in as its argument; exit 0: passed, 77: skipped, else: failed.
#
# A workload is a function or a command. It runs in an empty folder, always the
# same one, and ends at the first command that fails. What it prints must not
# depend on time, chance or the number of the process.

drop_in=$(realpath "$1")
scratch=$(mktemp -d) || exit 1
# The programs may leave a folder that can't be written to.
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# Nobody's settings.
unset LD_PRELOAD SUREFREE_OPTIONS
export HOME=$scratch LC_ALL=C TZ=UTC

fail() {
	echo "${0##*/}: $*" >&2
	exit 1
}

skip() {
	echo "${0##*/}: skipped: $*" >&2
	exit 77
}

# need PROGRAM...
need() {
	local program

	for program; do
		command -v "$program" >/dev/null || skip "no $program"
	done
}

# run RESULT WORKLOAD ARGS...: RESULT.out and RESULT.err are what it printed.
run() {
	local result=$scratch/$1
	shift

	rm -rf "${scratch:?}/work"
	mkdir "$scratch/work"
	(
		set -e -o pipefail
		cd "$scratch/work"
		"$@"
	) >"$result.out" 2>"$result.err" </dev/null
}

# preloaded OPTIONS WORKLOAD ARGS...: the workload WORKLOAD with the drop-in
# preloaded into each program that it starts.
preloaded() {
	export LD_PRELOAD=$drop_in SUREFREE_OPTIONS=$1
	shift
	"$@"
}

# expect_success STATUS RESULT WHAT
expect_success() {
	[ "$1" -eq 0 ] && return
	tail -n 40 "$scratch/$2.out" "$scratch/$2.err" >&2
	fail "$3: exit status $1"
}

# same OPTIONS WORKLOAD ARGS...: with the drop-in it does and prints what it
# does without, and the drop-in says nothing.
same() {
	local options=$1 stream
	local what="${*:2} with the drop-in, options '$options'"
	shift

	run plain "$@"
	expect_success $? plain "$* without the drop-in"
	run preloaded preloaded "$options" "$@"
	expect_success $? preloaded "$what"
	for stream in out err; do
		diff -u "$scratch/plain.$stream" \
			"$scratch/preloaded.$stream" >&2 || fail "$what: differs"
	done
	! grep -h 'surefree:' "$scratch"/preloaded.* >&2 || fail "$what: above"
	echo "same: $* ${options:+($options)}"
}

# in_use PROGRAMS WORKLOAD ARGS...: each of PROGRAMS, which are words, allocates
# from the drop-in in the workload: it writes its summary at exit.
in_use() {
	local programs=$1 program
	shift

	run preloaded preloaded stats=exit "$@"
	expect_success $? preloaded "$* with a summary at exit"
	for program in $programs; do
		awk -v name="($program)" '
			/^surefree: process/ { mine = $4 == name }
			mine && /slabs and large/ { found = 1 }
			END { exit !found }' "$scratch/preloaded.err" ||
			fail "$*: no summary of $program"
	done
	echo "in use: $* ($programs)"
}
