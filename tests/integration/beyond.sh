# shellcheck shell=bash
# SPDX-License-Identifier: MIT
#
# What the tests of programs share that the limit on mappings stops: each runs
# as it is, and by surefree run. To be read after lib.sh; the second argument of
# a test is the command.

[ -x "${2-}" ] || skip "no command surefree"
surefree=$(realpath "$2")
limit=$(cat /proc/sys/vm/max_map_count)

# need_memory MIB
need_memory() {
	local available

	available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' \
		/proc/meminfo)
	[ "$available" -ge "$1" ] || skip "$available MiB of memory, not $1"
}

# by_run COMMAND...
by_run() {
	"$surefree" run "$@"
}

# beyond NUMBER COMMAND ARGS...: with NUMBER as its last argument it makes so
# many of something that takes two mappings each. The last line it prints says
# how many there are, and how many mappings. What it prints elsewhere, and how
# it ends where the limit stops it, is its own matter.
beyond() {
	local wanted=$1 plain taken mappings
	shift

	run plain "$@" "$wanted"
	read -r plain _ <<<"$(tail -n 1 "$scratch/plain.out")"
	run taken by_run "$@" "$wanted"
	expect_success $? taken "surefree run $*"
	! grep 'surefree' "$scratch/taken.err" >&2 || fail "$*: above"
	read -r taken mappings <<<"$(tail -n 1 "$scratch/taken.out")"
	echo "${plain:-none} without, $taken with $mappings mappings: $*"
	[ "$taken" -eq "$wanted" ] || fail "$*: $taken, not $wanted"
	[ "$mappings" -lt 1000 ] || fail "$*: $mappings mappings"
	if [ "$limit" -lt $((2 * wanted)) ]; then
		[ "${plain:-0}" -lt "$wanted" ] ||
			fail "$*: the limit does not stop it"
	fi
}
