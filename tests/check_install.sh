#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs into a folder, then builds and runs a user's program with nothing
# but what is there and what pkg-config says, shared and static.
# usage: check_install.sh BUILD-DIR
set -eu

build=$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d) || exit 1
trap 'rm -rf "$root"' EXIT

fail() {
	echo "check_install: $*" >&2
	exit 1
}

meson install --quiet --no-rebuild -C "$build" --destdir "$root" >"$root/log" ||
	{ cat "$root/log" >&2; fail "meson install failed"; }

pc=$(find "$root" -name surefree.pc)
[ -n "$pc" ] || fail "no surefree.pc"
PKG_CONFIG_PATH=$(dirname "$pc")
PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
libdir=$root$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=libdir surefree)
prefix=$root$(PKG_CONFIG_SYSROOT_DIR='' pkg-config --variable=prefix surefree)
version=$(pkg-config --modversion surefree)

for file in "$libdir/libsurefree.so" "$libdir/libsurefree.so.0" \
	"$libdir/libsurefree.a" "$prefix/include/surefree.h" \
	"$prefix/share/doc/surefree/LICENSE"; do
	[ -e "$file" ] || fail "not installed: ${file#"$root"}"
done
[ "$(find "$prefix/include" -type f | wc -l)" = 1 ] ||
	fail "more headers than surefree.h"
readelf -d "$libdir/libsurefree.so" | grep -q 'SONAME.*\[libsurefree.so.0\]' ||
	fail "soname is not libsurefree.so.0"

# shellcheck disable=SC2046,SC2086 # lists of words
${CC:-cc} -DVERSION="\"$version\"" "$here/installed.c" -o "$root/shared" \
	$(pkg-config --cflags --libs surefree)
LD_LIBRARY_PATH=$libdir "$root/shared" || fail "the shared program failed"

# shellcheck disable=SC2046,SC2086
${CC:-cc} -static -DVERSION="\"$version\"" "$here/installed.c" \
	-o "$root/static" $(pkg-config --static --cflags --libs surefree)
"$root/static" || fail "the static program failed"

if [ -x "$prefix/bin/surefree" ]; then
	"$prefix/bin/surefree" --help >/dev/null || fail "surefree --help"
	for file in bash-completion/completions/surefree \
		zsh/site-functions/_surefree man/man1/surefree-top.1; do
		[ -s "$prefix/share/$file" ] || fail "not installed: $file"
	done
fi
