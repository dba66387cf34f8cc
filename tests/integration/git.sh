#!/bin/bash
# SPDX-License-Identifier: MIT
#
# git makes a history, packs it with threads, checks, clones and changes it: the
# numbers of all commits are the same.
# usage: git.sh DROP-IN
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
need git
export GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000'

# stream COMMITS: each changes one of 40 files, for git fast-import.
stream() {
	awk -v commits="$1" 'BEGIN {
		for (i = 1; i <= commits; i++) {
			text = ""
			for (line = 0; line < 150; line++)
				text = text sprintf("line %d of %d, %d\n", \
					line, i % 40, line % 9 ? 0 : i * line)
			print "commit refs/heads/main"
			print "committer C <c@example.org> " 1600000000 + i " +0000"
			print "data <<END\ncommit " i "\nEND"
			print "M 644 inline folder" i % 4 "/file" i % 40
			print "data " length(text) "\n" text
		}
	}'
}

# history COMMITS
history() {
	git init -q repository
	cd repository || return
	git symbolic-ref HEAD refs/heads/main
	stream "$1" | git fast-import --quiet
	git reset -q --hard
	git checkout -q -b side main~3
	echo side >aside
	git add aside
	git commit -q -m side
	git checkout -q main
	git merge -q --no-edit -m merge side
	git -c pack.threads=4 repack -q -a -d -f --depth=50 --window=50
	git -c pack.threads=4 gc -q --prune=now
	git fsck --full --strict
	git log --all --format='%H %T %s' -p | sha256sum
	git rev-parse main side
	git blame main -- folder1/file1 | sha256sum
	git -c grep.threads=4 grep -c 'line 9 ' main | sha256sum
	git clone -q --no-local . ../clone
	git -C ../clone fsck --full --strict
	git -C ../clone rev-list --objects --all | sort | sha256sum
	git -C ../clone archive HEAD | sha256sum
}

in_use git history 20
same '' history 2000
same hardened history 200
same fence history 20
