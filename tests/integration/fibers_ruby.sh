#!/bin/bash
# SPDX-License-Identifier: MIT
#
# ruby: fibers, whose stacks have guard pages.
# usage: fibers_ruby.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need ruby
need_memory 4000

beyond 100000 ruby "$here/beyond/fibers.rb"
