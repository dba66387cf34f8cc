#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Both libraries define surefree_* for others, and nothing else. The drop-in has
# C++'s operators new and delete, all of them; without malloc(), none.
# usage: check_exports.sh libsurefree.so libsurefree.a
#        libsurefree-preload.so libsurefree-preload-mmap.so
set -eu

status=0
if ! command -v nm >/dev/null; then
	echo "skipped: no nm" >&2
	exit 77
fi

# check FILE NM-OPTION: the external symbols that FILE defines.
check() {
	names=$(nm "$2" --defined-only "$1" |
		awk 'NF >= 2 && $(NF - 1) != "A" { print $NF }' | sort -u)
	strange=$(printf '%s\n' "$names" | grep -v '^surefree_' || :)
	if [ -n "$strange" ]; then
		echo "$1 exports what is not surefree_*:" >&2
		printf "%s\n" "$strange" >&2
		status=1
	fi
	for name in surefree_version surefree_map surefree_map_aligned \
		surefree_unmap surefree_discard surefree_remap \
		surefree_guard surefree_unguard surefree_stack_map \
		surefree_stack_unmap surefree_stack_trim surefree_map_file \
		surefree_unmap_file surefree_mappings surefree_stats surefree_stats_classes \
		surefree_trim surefree_set; do
		if ! printf '%s\n' "$names" | grep -qx "$name"; then
			echo "$1 does not export $name" >&2
			status=1
		fi
	done
}

# check_operators FILE NR: FILE defines NR of C++'s operators new and delete.
check_operators() {
	nr=$(nm -D --defined-only "$1" |
		awk '$NF ~ /^_Z(n[wa]m|d[la]Pv)/' | wc -l)
	if [ "$nr" -ne "$2" ]; then
		echo "$1 exports $nr operators of C++, not $2" >&2
		status=1
	fi
}

check "$1" -D
check "$2" -g
check_operators "$3" 20
check_operators "$4" 0
exit $status
