#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Threads on stacks from surefree are joined at the limit, whatever the C
# library does to others; an abort is a finding and no crash of the command.
# usage: probe_threads.sh SUREFREE MAN-DIR
set -u
surefree=$1
man=$2
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

run "$surefree" probe threads --json
could_not && skip "$(cat "$err")"
documented "$man/surefree-probe.1"
expect_json '[run["stacks"] for run in d["threads"]["runs"]]' \
	"['default', 'no guard', 'surefree']"
expect_json 'd["threads"]["runs"][2]["joined"]' 48
expect_json 'd["threads"]["runs"][2]["ended"]' normally
aborted=$(json 'any(run["ended"] != "normally" for run in d["threads"]["runs"])')
expect_json 'd["finding"]' "$aborted"
if [ "$aborted" = True ]; then
	expect_status 1 "probe threads"
else
	expect_status 0 "probe threads"
fi
