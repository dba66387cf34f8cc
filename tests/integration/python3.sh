#!/bin/bash
# SPDX-License-Identifier: MIT
#
# python3 with objects of all kinds, threads and forks; with PYTHONMALLOC=malloc
# each object is a block. Some of its own tests, where they are installed.
# usage: python3.sh DROP-IN
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
need python3
# What the name stands for may be a script.
python=$(python3 -c 'import sys; print(sys.executable)')
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1

own_tests=(test.test_{list,dict,set,bytes,unicode,array,deque,heapq,json}
	test.test_{re,struct,zlib,generators,memoryview})

# objects PERCENT
objects() {
	"$python" "$here/../../bench/real/objects.py" "$1"
}

# workers OBJECTS: in threads and forked processes.
workers() {
	"$python" "$here/workers.py" "$1"
}

# Without the seconds that it took.
unittest() {
	"$python" -m unittest "$@" >log 2>&1 || cat log
	sed -nE '/^(Ran|OK|FAILED)/s/ in .*s$//p' log
}

with_malloc() {
	PYTHONMALLOC=malloc "$@"
}

in_use "${python##*/}" with_malloc workers 1000
same '' objects 15
same '' with_malloc objects 15
same '' workers 20000
same '' with_malloc workers 20000
same hardened with_malloc workers 2000
same fence workers 500

if "$python" -c 'import test.test_list' 2>/dev/null; then
	same '' with_malloc unittest "${own_tests[@]}"
	same hardened with_malloc unittest "${own_tests[@]:0:2}"
else
	echo "not run: python3's own tests, which are not installed"
fi
