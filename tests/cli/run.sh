#!/bin/sh
# SPDX-License-Identifier: MIT
#
# surefree run gives a program the drop-in and leaves all else as it is; a
# program that cannot be reached is refused before it starts.
# usage: run.sh SUREFREE
set -u
surefree=$1
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
unset LD_PRELOAD
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch" "$out" "$err"' EXIT
library=$(dirname "$(realpath "$surefree")")/libsurefree-preload.so
[ -f "$library" ] || skip "no drop-in beside the command"

# prints TEXT ARGS...: what surefree run prints, on stdout alone.
prints() {
	wanted=$1
	shift
	run "$surefree" run "$@"
	expect_status 0 "$*"
	[ "$(cat "$out")" = "$wanted" ] || fail "$*: not '$wanted'"
	[ ! -s "$err" ] || fail "$*: something on stderr"
}

# refused STATUS PATTERN ARGS...: one line on stderr, nothing is run.
refused() {
	wanted=$1 pattern=$2
	shift 2
	run "$surefree" run "$@"
	expect_status "$wanted" "$*"
	[ ! -s "$out" ] || fail "$*: something on stdout"
	[ "$(wc -l <"$err")" -eq 1 ] || fail "$*: not one line"
	grep -q "$pattern" "$err" || fail "$*: not '$pattern'"
}

# The program has the drop-in, and so has what it starts.
prints yes -- sh -c "grep -q '$library' /proc/self/maps && echo yes"
prints yes sh -c "sh -c \"grep -q '$library' /proc/self/maps && echo yes\""
run "$surefree" run --stats true
grep -q '^surefree: process [0-9]* (true) at exit' "$err" || fail "no summary"

# Arguments, standard input, exit status and signals are the program's.
prints '--stats|a b||*' -- sh -c 'IFS="|"; echo "$*"' sh --stats 'a b' '' '*'
[ "$(echo word | "$surefree" run cat)" = word ] || fail "no standard input"
run "$surefree" run sh -c 'exit 42'
expect_status 42 "exit 42"
run "$surefree" run sh -c 'kill -TERM $$'
expect_status 143 "kill -TERM"
same=$(sh -c "echo \$\$; exec '$surefree' run sh -c 'echo \$\$'" | uniq | wc -l)
[ "$same" -eq 1 ] || fail "another process"

# The environment: what was there stays, and nothing comes twice.
prints "LD_PRELOAD=$library
SUREFREE_OPTIONS=" --dry-run true
export LD_PRELOAD="$library" SUREFREE_OPTIONS=retain=1M
prints "LD_PRELOAD=$library
SUREFREE_OPTIONS=retain=1M,stats=exit,backtrace=off,retain=2M,hardened" \
	--dry-run --retain 2M --hardened --stats --backtrace off true
LD_PRELOAD=libm.so.6
prints "LD_PRELOAD=$library:libm.so.6
SUREFREE_OPTIONS=retain=1M" --dry-run true
run "$surefree" run --json --dry-run --fence true
expect_json "d['surefree_options']" "retain=1M,fence"
expect_json "d['ld_preload']" "$library:libm.so.6"
unset LD_PRELOAD SUREFREE_OPTIONS

# Usage.
refused 2 "no program given; see 'surefree run --help'"
refused 2 "'much' is not a size" --retain much true
refused 2 "'x' is not on or off" --backtrace x true
refused 2 "unknown option '--no'" --no true

# What cannot be run, or not be reached.
refused 3 "'not-there': No such file" not-there
refused 3 "Permission denied" /etc/passwd
printf 'int main(void) { return 7; }\n' >"$scratch/a.c"
if gcc -static -o "$scratch/static" "$scratch/a.c" 2>/dev/null; then
	refused 3 "is linked statically" "$scratch/static"
	run "$surefree" run --force "$scratch/static"
	expect_status 7 "--force"
	printf '#!%s\n' "$scratch/static" >"$scratch/script"
	chmod +x "$scratch/script"
	refused 3 "is linked statically" "$scratch/script"
fi
cp "$(command -v env)" "$scratch/other"
printf '\377\377' | dd of="$scratch/other" bs=1 seek=18 conv=notrunc 2>/dev/null
refused 3 "is for another machine" "$scratch/other"
cat >"$scratch/go.c" <<'END'
__asm__(".section .note.go.buildid, \"a\", @note\n"
	".long 4, 4, 4\n.ascii \"Go\\0\\0\"\n.ascii \"abcd\"\n");
int main(void) { return 0; }
END
if gcc -Wl,--build-id=none -o "$scratch/go" "$scratch/go.c" 2>/dev/null; then
	refused 3 "is a Go program" "$scratch/go"
fi
if [ "$(id -u)" -eq 0 ]; then
	cp "$(command -v env)" "$scratch/setuid"
	chown nobody "$scratch/setuid"
	chmod 4755 "$scratch/setuid"
	refused 3 "is setuid" "$scratch/setuid"
fi
exit 0
