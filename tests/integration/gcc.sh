#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The whole build of this library under the drop-in, from meson to ld: each file
# is the same, and the unit tests pass. gcc alone in the modes.
# usage: gcc.sh DROP-IN
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
root=$(cd "$here/../.." && pwd)
need gcc ar ld objcopy meson ninja
unset CFLAGS CPPFLAGS LDFLAGS DESTDIR
export CC=gcc

# digests FOLDER: of what was compiled and linked.
digests() {
	find "$1" -type f \( -name '*.o' -o -name '*.a' -o -name '*.so' -o \
		-perm -100 \) -print0 | sort -z | xargs -0 sha256sum
}

build() {
	meson setup build "$root" -Dcommand=disabled -Dbench=false \
		-Dwerror=false >setup.log || cat setup.log
	ninja -C build --quiet libsurefree.a libsurefree-preload.so
	meson test -C build --suite unit -t 4 >test.log || cat test.log
	sed -n '/^Ok:/p; /^Fail:/p; /^Timeout:/p' test.log
	digests build
}

# compile FILE...: of src/
compile() {
	local file

	for file; do
		gcc -std=gnu11 -D_GNU_SOURCE -I"$root/include" -I"$root/src" \
			-O2 -g -c "$root/src/$file"
	done
	digests .
}

in_use 'gcc cc1 as' compile api.c
same '' build
same hardened compile vm/{plane,region,tree,view}.c
same fence compile base/log.c
