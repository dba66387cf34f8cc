#!/bin/bash
# SPDX-License-Identifier: MIT
#
# python3 frees large strings at the limit: glibc'\''s free() is refused to unmap
# them, and they stay.
# usage: leak_python3.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need python3
need_memory 3000
# What the name stands for may be a script.
python=$(python3 -c "import sys; print(sys.executable)")
# Otherwise glibc raises it when it has seen such a block freed, and it depends
# on what python did before whether these are mapped.
export MALLOC_MMAP_THRESHOLD_=131072

# Blocks of 128 KiB; after the last is freed no more than this may stay, besides
# what python has for its maps.
blocks=4000
bound=$((100 << 10))

# left RESULT: KiB that stay resident, and how many maps there were.
left() {
	read -r left _ maps <"$scratch/$1.out"
}

run plain "$python" "$here/beyond/blocks.py" $blocks
expect_success $? plain blocks.py
left plain
plain=$left
run taken by_run "$python" "$here/beyond/blocks.py" $blocks
expect_success $? taken "blocks.py with the drop-in"
left taken
echo "of $((blocks * 128)) KiB stay $plain without, $left with, at $maps maps"
[ "$left" -lt $bound ] || fail "$left KiB stay"
[ "$maps" -ge 300000 ] || [ "$plain" -gt $((blocks * 100)) ] ||
	fail "it is the same without"
