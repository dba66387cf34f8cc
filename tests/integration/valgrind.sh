#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A program under valgrind, which does the system calls about memory and signals
# in its own way, finds nothing wrong with the drop-in.
# usage: valgrind.sh DROP-IN
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
need valgrind sqlite3 sort

under_valgrind() {
	valgrind -q --error-exitcode=9 "$@"
}

table() {
	sed 's/ROWS/200/' "$here/../../bench/real/table.sql" |
		under_valgrind sqlite3 -batch -bail file.db
	sqlite3 file.db .dump | sha256sum
}

threads() {
	seq 20000 | under_valgrind sort --parallel=2 -S 100K -R \
		--random-source=/dev/zero | sha256sum
}

same '' table
same '' threads
