#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Fibers of crystal, whose stacks of 8 MiB have guard pages.
# usage: fibers_crystal.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need crystal
need_memory 2000
crystal build -o "$scratch/fibers" "$here/beyond/fibers.cr" >"$scratch/log" 2>&1 ||
	skip "crystal: $(tail -n 1 "$scratch/log")"

beyond 100000 "$scratch/fibers"
