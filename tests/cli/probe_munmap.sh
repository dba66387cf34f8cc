#!/bin/sh
# SPDX-License-Identifier: MIT
#
# At its real size, munmap() fails and surefree_unmap() does not.
# usage: probe_munmap.sh SUREFREE MAN-DIR
set -u
surefree=$1
man=$2
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

run "$surefree" probe munmap --json
could_not && skip "$(cat "$err")"
expect_status 1 "probe munmap"
documented "$man/surefree-probe.1"
expect_json 'd["finding"]' True
expect_json 'len(d["munmap"]["runs"])' 2
expect_json 'r[0]["through"]' "munmap()"
expect_json 'r[0]["unmap_failed"] > 0' True
expect_json 'r[0]["first_failed_error"]' ENOMEM
expect_json 'r[0]["unmap_calls"] == r[0]["pages_mapped"] // 2' True
expect_json 'r[0]["ended"]' normally
expect_json 'r[1]["through"]' "surefree_unmap()"
expect_json 'r[1]["pages_mapped"] == r[0]["pages_mapped"]' True
expect_json 'r[1]["unmap_failed"]' 0
expect_json 'r[1]["first_failed_index"]' None
# The kernel's own count of resident pages may be off by a few.
expect_json 'r[1]["still_resident_bytes"] * 100 < r[1]["unmapped_bytes"]' True
expect_json 'r[1]["mappings_used"] < 16' True
expect_json 'r[1]["ended"]' normally

# With more pages, every failed call has left one.
run "$surefree" probe munmap -n $(($(cat /proc/sys/vm/max_map_count) * 3)) \
	--json
could_not && skip "$(cat "$err")"
grep -q instead "$err" && skip "$(cat "$err")"
expect_status 1 "probe munmap -n"
expect_json 'r[0]["unmap_failed"] * 3 > r[0]["unmap_calls"]' True
expect_json '3.3 > r[0]["unmapped_bytes"] / r[0]["still_resident_bytes"] > 2.7' \
	True
expect_json 'r[1]["unmap_failed"]' 0
