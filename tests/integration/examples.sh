#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The two programs that show the failure of plain Linux, examples/munmap_limit.c
# and examples/malloc_limit.c: by surefree run no release is refused, and all
# memory goes back. strace sees it, too.
# usage: examples.sh DROP-IN SUREFREE
set -u
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/integration/lib.sh
. "$here/lib.sh"
# shellcheck source=tests/integration/beyond.sh
. "$here/beyond.sh"
need gcc
[ "$limit" -le 262144 ] || skip "the limit is $limit, too high to be reached"
need_memory 1500
for name in munmap_limit malloc_limit; do
	gcc -O2 -o "$scratch/$name" "$here/../../examples/$name.c" ||
		fail "gcc $name.c"
done

# said RESULT NAME: the number after these words.
said() {
	sed -n "s/^$2: *\([0-9]*\).*/\1/p" "$scratch/$1.out"
}

# Plain Linux refuses; otherwise the rest shows nothing.
run plain "$scratch/munmap_limit"
expect_success $? plain munmap_limit
[ "$(said plain 'of these failed')" -gt 0 ] || fail "munmap() is not refused"
run plain "$scratch/malloc_limit"
expect_success $? plain malloc_limit
all=$(said plain 'resident with 1000 blocks')
[ "$(said plain 'after freeing all')" -gt $((all / 2)) ] ||
	fail "free() does not leak"

# unmaps OPTION...: how many calls are refused.
unmaps() {
	run taken by_run "$@" "$scratch/munmap_limit"
	expect_success $? taken "surefree run $* munmap_limit"
	[ "$(said taken 'calls of munmap()')" -ge $((limit - 100)) ] ||
		fail "munmap_limit: not all was mapped"
	said taken 'of these failed'
}

[ "$(unmaps --)" -eq 0 ] || fail "munmap() is refused"
[ "$(unmaps --no-malloc)" -eq 0 ] || fail "munmap() is refused, --no-malloc"
[ "$(unmaps --no-mmap)" -gt 0 ] || fail "munmap() is not refused, --no-mmap"

run taken by_run "$scratch/malloc_limit"
expect_success $? taken "surefree run malloc_limit"
[ "$(said taken 'mappings used up')" -ge $((limit / 2)) ] ||
	fail "malloc_limit: the limit was not reached"
all=$(said taken 'resident with 1000 blocks')
half=$(said taken 'after freeing every second')
none=$(said taken 'after freeing all')
echo "blocks: $all KiB, $half KiB, $none KiB"
[ "$half" -lt $((all * 60 / 100)) ] || fail "every second one freed: $half KiB"
[ "$none" -lt $((all / 10)) ] || fail "all freed: $none KiB"

# refused NAME: calls that give memory back and were refused.
refused() {
	strace -f -qq --seccomp-bpf -o "$scratch/strace" \
		-e trace=munmap,madvise,process_madvise -e status=failed \
		"$surefree" run "$scratch/$1" >/dev/null
	grep ENOMEM "$scratch/strace"
}

if strace -f -qq --seccomp-bpf -o "$scratch/strace" -e trace=munmap true \
	2>/dev/null; then
	for name in munmap_limit malloc_limit; do
		refused $name >"$scratch/refused" &&
			fail "$name: $(head "$scratch/refused")"
	done
	echo "strace: none refused"
else
	echo "not run: strace"
fi
