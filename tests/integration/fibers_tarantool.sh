#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tarantool, a database: fibers, whose stacks have guard pages.
# usage: fibers_tarantool.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need tarantool
need_memory 4000

beyond 100000 tarantool "$here/beyond/fibers.lua"
