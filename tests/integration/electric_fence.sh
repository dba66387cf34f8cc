#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Electric Fence and DUMA, which put each block on pages of its own before a guard
# page, against the option fence: the same program, the same number of blocks.
# usage: electric_fence.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need gcc
shopt -s nullglob
fences=(/usr/lib{,/*}/lib{efence,duma}.so.0)
[ ${#fences[@]} -gt 0 ] || skip "neither Electric Fence nor DUMA"
need_memory 4000
gcc -O0 -o "$scratch/blocks" "$here/beyond/blocks.c" || fail "gcc"

# blocks FENCE NUMBER: with that, or with ours.
blocks() {
	if [ "${SUREFREE_OPTIONS-}" ]; then
		"$scratch/blocks" "$2"
	else
		LD_PRELOAD=$1 "$scratch/blocks" "$2"
	fi
}

by_run() {
	preloaded fence "$@"
}

for fence in "${fences[@]}"; do
	beyond 60000 blocks "$fence"
done
