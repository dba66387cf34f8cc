#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Fibers of boost.context on stacks with a guard page, as many a C++ program
# has them.
# usage: fibers_boost.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need g++
g++ -O2 -o "$scratch/fibers" "$here/beyond/fibers.cc" -lboost_context \
	2>"$scratch/log" || skip "no boost.context: $(head -n 1 "$scratch/log")"
need_memory 4000

beyond 200000 "$scratch/fibers"
