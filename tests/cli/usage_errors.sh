#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A wrong command line ends with status 2, nothing on stdout and one line on
# stderr that names the cause and the remedy.
# usage: usage_errors.sh SUREFREE
set -u
surefree=$1
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

# refused LINE ARGS...
refused() {
	line=$1
	shift
	run "$surefree" "$@"
	expect_status 2 "$*"
	[ ! -s "$out" ] || fail "$*: something on stdout"
	[ "$(cat "$err")" = "$line" ] || fail "$*: not '$line'"
}

see="see 'surefree --help'"
refused "surefree: no command given; $see"
refused "surefree: unknown command 'prob'; $see" prob
refused "surefree: unknown option '--bogus'; $see" --bogus

see="see 'surefree probe --help'"
refused "surefree probe: unknown command 'mmap'; $see" probe mmap
refused "surefree probe: unknown option '-x'; $see" probe -x munmap

see="see 'surefree probe munmap --help'"
refused "surefree probe munmap: unexpected argument 'now'; $see" \
	probe munmap now

name='surefree probe malloc'
see="see '$name --help'"
refused "$name: unknown option '-z'; $see" probe malloc -z
refused "$name: no value for '-s'; $see" probe malloc -s
refused "$name: no value for '--size'; $see" probe malloc --size
refused "$name: no value allowed for '--json=1'; $see" probe malloc --json=1
refused "$name: --size: '12Q' is not a size; $see" probe malloc -s 12Q
refused "$name: --size: '' is not a size; $see" probe malloc -s ''
refused "$name: --size: '1KK' is not a size; $see" probe malloc -s 1KK
refused "$name: --count: '-3' is not a number; $see" probe malloc -n -3
refused "$name: --count: '4K' is not a number; $see" probe malloc -n 4K
refused "$name: --count: '1' is out of range, give 2 to 100000000" \
	probe malloc -n 1
refused "$name: --size: '0' is out of range, give 1 to 1099511627776" \
	probe malloc -s 0
refused "$name: --size: '2T' is out of range, give 1 to 1099511627776" \
	probe malloc -s 2T
huge=99999999999999999999999
refused "$name: --spare: '$huge' is out of range, give 0 to 8388608" \
	probe malloc --spare=$huge

# Who does not see what is printed is told so.
status=0
"$surefree" --version >&- 2>"$err" || status=$?
expect_status 3 "a closed standard output"
grep -q 'cannot write to standard output: Bad file descriptor$' "$err" ||
	fail "a closed standard output: not said"
