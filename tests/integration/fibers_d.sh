#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Fibers of D'\''s library, whose stacks have guard pages.
# usage: fibers_d.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need gdc
need_memory 2000
gdc -O2 -o "$scratch/fibers" "$here/beyond/fibers.d" || fail "gdc"

beyond 100000 "$scratch/fibers"
