# shellcheck shell=sh
# SPDX-License-Identifier: MIT
#
# What the tests of the command share. Each is a script with the path of
# surefree as its argument; exit 0: passed, 77: skipped, else: failed.

# Set by run(): what was printed, and how it ended.
out=$(mktemp)
err=$(mktemp)
status=0
trap 'rm -f "$out" "$err"' EXIT
unset SUREFREE_OPTIONS NO_COLOR

fail() {
	echo "${0##*/}: $*" >&2
	echo "stdout:" >&2
	cat "$out" >&2
	echo "stderr:" >&2
	cat "$err" >&2
	exit 1
}

skip() {
	echo "${0##*/}: skipped: $*" >&2
	exit 77
}

# run COMMAND ARGS...
run() {
	status=0
	"$@" >"$out" 2>"$err" || status=$?
}

# expect_status WANTED WHAT
expect_status() {
	[ "$status" -eq "$1" ] || fail "$2: status $status, not $1"
}

# Whether the last experiment could not be tried here; it must say why.
could_not() {
	[ "$status" -eq 3 ] || return 1
	[ -s "$err" ] || fail "status 3 without a word"
}

# json EXPRESSION: what it gives for the document d in $out and the runs r of
# the experiment in it.
json() {
	python3 -c "import json, sys
d = json.load(open(sys.argv[1]))
r = [e['runs'] for e in d.values() if isinstance(e, dict) and 'runs' in e]
r = r[0] if r else None
print($1)" "$out" || fail "no JSON, or not with $1"
}

# expect_json EXPRESSION WANTED
expect_json() {
	got=$(json "$1") || exit 1
	[ "$got" = "$2" ] || fail "$1 is $got, not $2"
}

# documented PAGE: every key of the document in $out is in the man page.
documented() {
	keys=$(sed -n 's/^ *"\([a-z_]*\)":.*/\1/p' "$out" | sort -u)
	for key in $keys; do
		grep -Eq "^(\.Cm|\.It Cm|\.Ss).* ?\<$key\>" "$1" ||
			fail "key $key is not in ${1##*/}"
	done
}
