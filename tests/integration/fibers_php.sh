#!/bin/bash
# SPDX-License-Identifier: MIT
#
# php: fibers, each on a stack of 2 MiB with a guard page.
# usage: fibers_php.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need php
php -n -r "exit(class_exists(\"Fiber\") ? 0 : 1);" || skip "php has no fibers"
need_memory 4500

beyond 200000 php -n -d memory_limit=-1 "$here/beyond/fibers.php"
