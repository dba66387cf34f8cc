#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the shells complete is what the table of commands has: at each command,
# its commands and its options, as --help lists them.
# usage: completion.sh SUREFREE
set -u
surefree=$1
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
script=$(mktemp)
trap 'rm -f "$script" "$out" "$err"' EXIT

run "$surefree" completion bash
expect_status 0 "completion bash"
# shellcheck disable=SC1090 # it is made
. "$out" || fail "not a script"

# offered WORDS...: what bash offers for the last of them, in a line.
offered() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_surefree
	printf '%s\n' "${COMPREPLY[@]}" | sort -u | paste -sd ' '
}

# offers WANTED WORDS...
offers() {
	local wanted=$1 got
	shift
	got=$(offered "$@")
	[ "$got" = "$wanted" ] || fail "$*: offers '$got', not '$wanted'"
}

# listed ARGS...: what --help lists, options or commands, in a line.
listed() {
	local what=$1
	shift
	"$surefree" "$@" --help >"$out"
	if [ "$what" = commands ]; then
		sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$out"
	else
		echo --version
		sed -n '/^Options:/,/^$/{
			s/^  .*--\[no-\]\([a-z-]*\).*/--\1 --no-\1/p
			s/^  .*\(--[a-z][a-z-]*\).*/\1/p
		}' "$out" | tr ' ' '\n'
		sed -n '/^Options:/,/^$/s/^  \(-[a-z]\),.*/\1/p' "$out"
	fi | sort -u | paste -sd ' '
}

# same ARGS...: at this command, and at those below it.
same() {
	local below
	offers "$(listed options "$@")" surefree "$@" -
	below=$(listed commands "$@")
	[ -n "$below" ] || return 0
	offers "$below" surefree "$@" ''
	for word in $below; do
		same "$@" "$word"
	done
}
same

# Arguments by what they are; options before them make no difference.
offers "$$" surefree ps -p $$
offers "$$" surefree ps --reverse --pid $$
offers "$$" surefree ps --pid = $$
offers root surefree top --delay 3 -u root
offers '' surefree ps --sort ''
offers --sort surefree ps --warn 80 --sor
offers munmap surefree --json probe mu
offers compgen surefree run --retain 1M -- compge
offers '' surefree run compgen --fo

# The script for zsh is one, with the same tables.
run "$surefree" completion zsh
expect_status 0 "completion zsh"
head -n 1 "$out" | grep -qx '#compdef surefree' || fail "no #compdef"
tables() {
	sed -n '/^_surefree_argument/,/^_surefree()/p' "$1"
}
cp "$out" "$script"
run "$surefree" completion bash
cmp -s <(tables "$out") <(tables "$script") || fail "other tables for zsh"
command -v zsh >/dev/null || skip "the rest needs zsh"
# zsh_offers WANTED WORDS...: the same there, with what describes left out.
zsh_offers() {
	local wanted=$1 got
	shift
	# shellcheck disable=SC2016 # for zsh
	got=$(zsh -fc '
		_describe() { print -l -- ${list%%:*} | sort -u | paste -sd " " - }
		_pids() { print pids }
		_command_names() { print programs }
		_default() { print default }
		script=$1
		shift
		words=("$@") CURRENT=$#
		. $script' zsh "$script" "$@")
	[ "$got" = "$wanted" ] || fail "zsh: $*: offers '$got', not '$wanted'"
}
zsh_offers "$(listed options top)" surefree top -
zsh_offers "$(listed commands probe)" surefree --json probe ''
zsh_offers pids surefree ps --warn 80 -p ''
zsh_offers programs surefree run --retain 1M ''
zsh_offers default surefree run env ''
