#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The limits that are printed are the kernel's; JSON has the documented keys;
# a full disk is noticed.
# usage: probe_kernel.sh SUREFREE MAN-DIR
set -u
surefree=$1
man=$2
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

run "$surefree" probe kernel
expect_status 0 "probe kernel"
grep -q "guard markers" "$out" || fail "no table of features"

run "$surefree" probe kernel --json
expect_status 0 "probe kernel --json"
expect_json 'd["kernel"]["limit"]' "$(cat /proc/sys/vm/max_map_count)"
expect_json 'd["kernel"]["page_size"]' "$(getconf PAGESIZE)"
expect_json 'd["kernel"]["release"]' "$(uname -r)"
expect_json 'd["kernel"]["mappings"] > 5' True
expect_json 'd["finding"]' False
expect_json 'sorted(d["kernel"]["features"][0])' \
	"['effect', 'name', 'present', 'since']"
documented "$man/surefree-probe.1"

# --json may stand before the experiment's name.
run "$surefree" --json probe kernel
expect_json '"kernel" in d' True

for how in '' --json; do
	status=0
	# shellcheck disable=SC2086
	"$surefree" probe kernel $how >/dev/full 2>"$err" || status=$?
	expect_status 3 "probe kernel $how >/dev/full"
	grep -q "cannot write to standard output" "$err" || fail "no message"
done
