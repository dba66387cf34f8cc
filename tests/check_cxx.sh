#!/bin/sh
# SPDX-License-Identifier: MIT
#
# <surefree.h> on its own is valid C99 to C17 and C++11 to C++20, without a
# warning, for each compiler at hand.
# usage: check_cxx.sh INCLUDE-DIR
set -eu

directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
cat >"$directory/use.c" <<'EOF'
#include <surefree.h>
#include <surefree.h>

int main(void)
{
	void *p = surefree_map(1, SUREFREE_NOTRAP);

	surefree_unmap(p, 1);
	return p ? 0 : 1;
}
EOF
cp "$directory/use.c" "$directory/use.cc"

# compile COMPILER FILE STANDARD...
compile() {
	compiler=$1 file=$2
	shift 2
	command -v "$compiler" >/dev/null || return 0
	for standard; do
		"$compiler" -std="$standard" -pedantic -Wall -Wextra -Werror \
			-I"$include" -fsyntax-only "$directory/$file"
	done
}

include=$1
for compiler in gcc clang; do
	compile "$compiler" use.c c99 c11 gnu11 c17
done
if ! command -v g++ >/dev/null && ! command -v clang++ >/dev/null; then
	echo "skipped: no C++ compiler" >&2
	exit 77
fi
for compiler in g++ clang++; do
	compile "$compiler" use.cc c++11 c++17 gnu++20
done
