#!/bin/sh
# SPDX-License-Identifier: MIT
#
# --help of every command goes to stdout, ends with two examples, and names the
# options and commands that the man page does.
# usage: help.sh SUREFREE MAN-DIR
set -u
surefree=$1
man=$2
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# helps PAGE ARGS...
helps() {
	page=$man/$1
	shift
	run "$surefree" "$@" --help
	expect_status 0 "$* --help"
	[ ! -s "$err" ] || fail "$* --help: something on stderr"
	head -n 1 "$out" | grep -q "^Usage: surefree${*:+ $*} \[--json\]" ||
		fail "$* --help: no usage"
	[ "$(tail -n 3 "$out" | head -n 1)" = "Examples:" ] ||
		fail "$* --help: does not end with two examples"
	[ "$(tail -n 2 "$out" | grep -c '^  .*surefree')" -eq 2 ] ||
		fail "$* --help: does not end with two examples"
	awk 'length > 80 { exit 1 }' "$out" || fail "$* --help: too wide"
	options=$(sed -n '/^Options:/,/^$/{
		s/^  .*--\([a-z-]\+\).*/\1/p
		s/^  .*--\[no-\]\([a-z-]*\).*/\1 no-\1/p
	}' "$out")
	[ -n "$options" ] || fail "$* --help: no options"
	for option in $options; do
		[ "$option" = json ] || [ "$option" = help ] ||
			grep -Eq -- "-$option( |\$)" "$page" ||
			fail "--$option is not in $1"
	done
	words=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$out")
	for word in $words; do
		grep -q "^\.It Cm $word\$" "$page" ||
			fail "command $word is not in $page"
	done
}

helps surefree.1
helps surefree-export.1 export
helps surefree-maps.1 maps
helps surefree-probe.1 probe
helps surefree-ps.1 ps
helps surefree-run.1 run
helps surefree-squeeze.1 squeeze
helps surefree-top.1 top
helps surefree-trace.1 trace
for experiment in $("$surefree" probe --help |
	sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
	helps surefree-probe.1 probe "$experiment"
done

run "$surefree" --version
expect_status 0 --version
grep -Eq '^surefree [0-9]+\.[0-9]+\.[0-9]+$' "$out" || fail "no version"
