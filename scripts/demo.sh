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

1. With munmap(): what plain Linux fails to release, and libsurefree beside it.

EOF
experiment probe munmap
cat <<EOF
2. With malloc() and free(), in a process close to the limit. free() cannot
   report that munmap() failed: the memory is lost without a word.

EOF
experiment probe malloc

if [ $found -gt 0 ]; then
	echo "Found in $found of 2 experiments: memory that was released by the"
	echo "program and not by the kernel. With libsurefree it is released."
else
	echo "No failure was found on this system."
fi
echo "More: surefree probe --help, README.md"
