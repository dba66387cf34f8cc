#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Electric Fence, which puts each block on pages of its own before a guard page,
# against the option fence: the same program, the same number of blocks.
# usage: electric_fence.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need gcc
shopt -s nullglob
efence=(/usr/lib{,/*}/libefence.so.0)
[ ${#efence[@]} -gt 0 ] || skip "no Electric Fence"
need_memory 4000
gcc -O0 -o "$scratch/blocks" "$here/beyond/blocks.c" || fail "gcc"

# blocks NUMBER: with a fence, of the one or the other kind.
blocks() {
	if [ "${LD_PRELOAD-}" ]; then
		"$scratch/blocks" "$1"
	else
		LD_PRELOAD=${efence[0]} "$scratch/blocks" "$1"
	fi
}

by_run() {
	preloaded fence "$@"
}

beyond 200000 blocks
