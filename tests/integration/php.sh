#!/bin/bash
# SPDX-License-Identifier: MIT
#
# php, with its extensions, which it loads with RTLD_DEEPBIND: arrays, strings
# and objects from its own allocator and, with USE_ZEND_ALLOC=0, each from
# malloc().
# usage: php.sh DROP-IN
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
need php

script() {
	php "$here/script.php" "$@"
}

script_malloc() {
	USE_ZEND_ALLOC=0 script "$@"
}

in_use php script_malloc 1 100
same '' script 20 3000
same '' script_malloc 20 3000
same hardened script_malloc 4 500
same fence script 4 500
same fence script_malloc 1 300
