#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs meson test and ends with what the tests that failed have said, and a line
# "N passed, N failed, N skipped".
# usage: test.sh BUILD-DIR [ARGS OF MESON TEST...]
set -u

build=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# A pipe would hide the exit status from a plain sh.
{ meson test -C "$build" --print-errorlogs "$@"; echo "status $?"; } 2>&1 |
	tee "$log" | grep -v '^status [0-9]*$'
status=$(sed -n 's/^status //p' "$log")

# It was said when they failed, with the tests after them in between.
awk '
	/^ *[0-9]+\/[0-9]+ / || /^Summary of Failures:/ { failed = 0 }
	/^>>> / { failed = 1; nr_lines = 0; print title }
	failed && nr_lines++ < 40
	{ title = $0 }' "$log"
awk -F: '
	/^Ok:/ || /^Expected Fail:/ { passed += $2 }
	/^Fail:/ || /^Unexpected Pass:/ || /^Timeout:/ { failed += $2 }
	/^Skipped:/ { skipped += $2 }
	END {
		printf "%d passed, %d failed", passed, failed
		if (skipped)
			printf ", %d skipped", skipped
		print ""
	}' "$log"
exit "${status:-1}"
