#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Shows, with numbers measured here and now, how plain Linux fails to release
# memory and that libsurefree doesn't. Exit 0: shown; anything else: could not.
# usage: demo.sh PATH-OF-SUREFREE
set -u

surefree=$1
limit=$(cat /proc/sys/vm/max_map_count)
found=0

# experiment ARGS...: 1 says that a failure was found, which is what we show.
experiment() {
	echo "\$ surefree $*"
	"$surefree" "$@"
	status=$?
	echo
	if [ $status -gt 1 ]; then
		echo "surefree $* ended with status $status: nothing shown" >&2
		exit 1
	fi
	found=$((found + status))
}

cat <<EOF
A Linux process may hold at most $limit mappings (vm.max_map_count). Giving
back memory can need one more of them: munmap() of the middle of a mapping cuts
it in two. At the limit the kernel refuses, and the memory stays.

1. munmap() of every second page: look at "failed calls" and "still resident",
   on the left through the kernel alone, on the right through libsurefree.

EOF
experiment probe munmap
cat <<EOF
2. malloc() and free(), in a process with room for mappings, in one close to
   the limit, and the same blocks through libsurefree. free() has no way to say
   that memory could not be given back: look at what is still resident when all
   is freed.

EOF
experiment probe malloc

if [ $found -gt 0 ]; then
	echo "So much for memory that a program gave back and that stayed. The last"
	echo "column is the same work through libsurefree: README.md says how."
else
	echo "Nothing failed on this system."
fi
