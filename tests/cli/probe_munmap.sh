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

plain='d["munmap"]["runs"][0]'
expect_json "$plain[\"through\"]" "munmap()"
expect_json "$plain[\"unmap_failed\"] > 0" True
expect_json "$plain[\"first_failed_error\"]" ENOMEM
expect_json "$plain[\"unmap_calls\"] == $plain[\"pages_mapped\"] // 2" True
# Every failed call left its page.
expect_json "$plain[\"still_resident_bytes\"] >= 4096" True
expect_json "$plain[\"ended\"]" normally

cured='d["munmap"]["runs"][1]'
expect_json "$cured[\"through\"]" "surefree_unmap()"
expect_json "$cured[\"pages_mapped\"] == $plain[\"pages_mapped\"]" True
expect_json "$cured[\"unmap_failed\"]" 0
expect_json "$cured[\"first_failed_index\"]" None
expect_json "$cured[\"still_resident_bytes\"]" 0
expect_json "$cured[\"mappings_used\"] < 16" True
expect_json "$cured[\"ended\"]" normally
