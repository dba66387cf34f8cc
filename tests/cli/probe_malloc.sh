#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Close to the limit surefree releases every block, with whatever malloc is
# loaded beside it; glibc's does not, and each failed munmap() is counted.
# usage: probe_malloc.sh SUREFREE MAN-DIR
set -u
surefree=$1
man=$2
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# What holds whatever malloc is loaded.
surefree_releases() {
	expect_json 'r[2]["through"]' "surefree_map()"
	expect_json 'r[2]["allocations_failed"]' 0
	expect_json 'r[2]["spare"]' 20
	expect_json 'round(r[2]["resident_half"], 2)' 0.5
	expect_json 'round(r[2]["resident_all"], 2)' 0.0
	expect_json 'r[2]["munmap_failed"] in (0, None)' True
	expect_json 'r[2]["ended"]' normally
}

run "$surefree" probe malloc -n 2000 --json
could_not && skip "$(cat "$err")"
documented "$man/surefree-probe.1"
expect_json 'd["malloc"]["size"]' 131072
surefree_releases
case $(json 'd["malloc"]["malloc"]') in
glibc*)
	expect_status 1 "probe malloc"
	expect_json 'r[0]["resident_all"] < 0.05' True
	expect_json 'r[1]["resident_all"] > 0.8' True
	if [ "$(json 'd["malloc"]["not_counted"]')" = None ]; then
		expect_json 'r[1]["munmap_calls"] > 1900' True
		expect_json 'r[1]["munmap_failed"] > 1500' True
		expect_json 'r[0]["munmap_failed"]' 0
	fi
	;;
esac

for library in libjemalloc.so.2 libmimalloc.so.2 libtcmalloc_minimal.so.4 \
	libtbbmalloc_proxy.so.2; do
	LD_PRELOAD=$library true 2>"$err"
	[ ! -s "$err" ] || continue # not installed
	run env LD_PRELOAD=$library "$surefree" probe malloc -n 1000 --json
	[ "$status" -le 1 ] || fail "$library: status $status"
	expect_json 'd["malloc"]["malloc"].split(".")[0]' "${library%%.*}"
	surefree_releases
done
