#!/bin/sh
# SPDX-License-Identifier: MIT
#
# With little address space an experiment shrinks and says so, with less it is
# not tried; with a limit that nobody can reach, likewise. No experiment fails.
# usage: short_of_memory.sh SUREFREE
set -u
surefree=$1
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# within KIB ARGS...: surefree in so much address space.
within() {
	# shellcheck disable=SC2016
	run sh -c 'ulimit -v "$1" && shift && exec "$@"' sh "$1" "$surefree" \
		probe "$2" --json
}

[ "$(cat /proc/sys/vm/max_map_count)" -le 70000 ] ||
	skip "made for a limit of 65530"
within 2000000 malloc
[ "$status" -le 1 ] || fail "malloc in 2 GB: status $status"
grep -q 'COUNT is reduced to [0-9]' "$err" || fail "malloc does not shrink"
expect_json 'd["malloc"]["count"] < 20000' True

for experiment in munmap malloc threads; do
	within 200000 $experiment
	expect_status 3 "$experiment in 200 MB"
	[ "$(wc -l <"$err")" -eq 1 ] || fail "$experiment: not one line"
	expect_json "'$experiment' in d" False
done

# A limit of 2^31, seen in a mount namespace of our own.
limit=$(mktemp)
trap 'rm -f "$out" "$err" "$limit"' EXIT
echo 2147483647 >"$limit"
# shellcheck disable=SC2016
pretend='mount --bind "$1" /proc/sys/vm/max_map_count || exit 77
shift
exec "$@"'
for experiment in munmap malloc threads; do
	run unshare -rm sh -c "$pretend" sh "$limit" "$surefree" probe \
		$experiment
	grep -q '^surefree probe' "$err" || continue # not allowed here
	expect_status 3 "$experiment with a limit of 2^31"
	grep -q 'where vm.max_map_count is lower' "$err" || fail "no remedy"
done
