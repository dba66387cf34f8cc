#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The checks that read code instead of running it. With names of checks, only
# those: format, lists, tidy, cppcheck, shell, man.
# usage: style.sh BUILD-DIR [CHECK...]
set -u

build=$1
shift
[ $# -gt 0 ] || set -- format lists tidy cppcheck shell man
cd "$(dirname "$0")/.." || exit 1

mapfile -t sources < <(find include src bpf cli tests bench examples \
	-name '*.[ch]' | sort)
mapfile -t compiled < <(printf '%s\n' "${sources[@]}" |
	grep '^\(src\|cli\)/.*\.c$')
mapfile -t scripts < <(grep -rlE '^#!.*/(env )?(ba)?sh' Makefile .ci scripts \
	tests bench examples bpf)
mapfile -t pages < <(find man -name '*.[1-8]' | sort)
failed=0

# What clang-format would change; clang-format -i does.
unformatted() {
	local file status=0

	for file in "${sources[@]}"; do
		clang-format "$file" | diff -u --label "$file" \
			--label "$file, formatted" "$file" - || status=1
	done
	return $status
}

# A source file in no meson.build is built by nobody, and a test never run.
unlisted() {
	local file folder name status=0

	for file in "${sources[@]}"; do
		[[ $file == *.c ]] || continue
		[[ $file != tests/kernels/* ]] || continue
		name=$(basename "$file" .c)
		folder=${file%%/*}
		if ! grep -qsE "['/]$name(\.c)?'" "$folder/meson.build" \
			"$(dirname "$file")/meson.build" &&
			! grep -qsF "$name.c" "$folder"/*.sh \
				"$(dirname "$file")"/../*.sh; then
			echo "$file is in no meson.build" >&2
			status=1
		fi
	done
	return $status
}

# check NAME
check() {
	case $1 in
	format)
		unformatted
		;;
	lists)
		unlisted
		;;
	tidy)
		printf '%s\n' "${compiled[@]}" |
			xargs -n 1 -P "$(nproc)" \
				clang-tidy --quiet -p "$build" 2>&1 |
			grep -v ' warnings\? generated'
		[ "${PIPESTATUS[1]}" -eq 0 ]
		;;
	cppcheck)
		cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
			--enable=warning,performance,portability \
			--suppress=missingIncludeSystem \
			-D__x86_64__ -D__linux__ -j "$(nproc)" \
			-Iinclude -Isrc src cli
		;;
	shell)
		shellcheck -x "${scripts[@]}"
		;;
	man)
		[ ${#pages[@]} -eq 0 ] ||
			mandoc -T lint -W warning "${pages[@]}"
		;;
	*)
		echo "style.sh: no check named $1" >&2
		return 2
		;;
	esac
}

for name; do
	if check "$name"; then
		echo "$name: clean"
	else
		echo "$name: found something" >&2
		failed=1
	fi
done
exit $failed
