#!/bin/bash
# SPDX-License-Identifier: MIT
#
# sqlite3 builds a table with two indexes, queries and changes it.
# usage: sqlite3.sh DROP-IN
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
need sqlite3

# table ROWS: what is on the disk must be the same, too.
table() {
	sed "s/ROWS/$1/" "$here/../../bench/real/table.sql" |
		sqlite3 -batch -bail file.db
	sqlite3 -batch -bail file.db 'PRAGMA integrity_check' \
		'SELECT count(*), sum(length(name || note)) FROM person'
	sqlite3 file.db .dump | sha256sum
	sqlite3 file.db 'DROP INDEX person_town; VACUUM; PRAGMA integrity_check'
	sha256sum file.db
}

in_use sqlite3 table 1000
same '' table 200000
same hardened table 20000
same fence table 1000
