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
without=${library%.so}-mmap.so
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

# The program has the drop-in, and so has all that it starts, however deep.
in_maps="grep -q '$library' /proc/self/maps && echo yes"
prints yes -- sh -c "$in_maps"
prints yes sh -c "sh -c \"$in_maps\""
prints yes env sh -c "echo \"$in_maps\" | xargs -0 sh -c"
run "$surefree" run --stats true
grep -q '^surefree: process [0-9]* (true) at exit' "$err" || fail "no summary"

# What it says to have saved is what the kernel has without it.
cat >"$scratch/maps.c" <<'END'
#include <stdio.h>
#include <sys/mman.h>
int main(void)
{
	int nr = 0;
	for (int i = 0; i < 3000; i++) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || mprotect(p, 65536, PROT_NONE) != 0 ||
		    (i % 2 != 0 && munmap(p + 131072, 65536) != 0))
			return 1;
	}
	FILE *maps = fopen("/proc/self/maps", "r");
	for (int c; (c = getc(maps)) != EOF;)
		nr += c == '\n';
	printf("%d\n", nr);
	return 0;
}
END
if gcc -o "$scratch/maps" "$scratch/maps.c" 2>/dev/null; then
	plain=$("$scratch/maps")
	run "$surefree" run --stats "$scratch/maps"
	expect_status 0 "3000 maps"
	saved=$(sed -n 's/.*mappings saved *\([0-9]*\) .*/\1/p' "$err")
	more=$(($(cat "$out") + ${saved:-0} - plain))
	if [ "$more" -lt -50 ] || [ "$more" -gt 50 ]; then
		fail "$plain mappings are not $(cat "$out") and $saved saved"
	fi
fi

# Threads: three on its stacks, one of a size that is the C library's.
cat >"$scratch/threads.c" <<'END'
#include <pthread.h>
static void *nothing(void *arg)
{
	return arg;
}
int main(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	pthread_attr_init(&attr);
	for (int i = 0; i < 4; i++) {
		if (i == 3)
			pthread_attr_setstacksize(&attr, 2UL << 30);
		if (pthread_create(&thread, &attr, nothing, NULL) != 0)
			return 1;
		pthread_join(thread, NULL);
	}
	return 0;
}
END
if gcc -pthread -o "$scratch/threads" "$scratch/threads.c" 2>/dev/null; then
	run "$surefree" run --stats --trap "$scratch/threads"
	expect_status 0 "4 threads"
	grep -q 'stacks served  *[03]   left to C library [41]$' "$err" ||
		fail "not 3 stacks served, and 1 left"
fi

# Arguments, files, exit status and signals are the program's.
prints '--stats|a b||*' -- sh -c 'IFS="|"; echo "$*"' sh --stats 'a b' '' '*'
[ "$(echo word | "$surefree" run cat)" = word ] || fail "no standard input"
[ "$("$surefree" run cat /dev/fd/5 5<<END
word
END
)" = word ] || fail "no file 5"
run "$surefree" run sh -c 'exit 42'
expect_status 42 "exit 42"
run "$surefree" run sh -c 'kill -TERM $$'
expect_status 143 "kill -TERM"
run sh -c "trap '' HUP; exec '$surefree' run sh -c 'kill -HUP \$\$; exit 5'"
expect_status 5 "an ignored signal"
same=$(sh -c "echo \$\$; exec '$surefree' run sh -c 'echo \$\$'" | uniq | wc -l)
[ "$same" -eq 1 ] || fail "another process"
variables() {
	env A='b  c' "$@" env | grep -v '^LD_PRELOAD=\|^_='
}
[ "$(variables)" = "$(variables "$surefree" run)" ] ||
	fail "other variables have changed"

# A script that names no interpreter is the shell's.
cat >"$scratch/plain" <<END
$in_maps
echo "\$0|\$1|\$2|\$#"
END
chmod +x "$scratch/plain"
prints "yes
$scratch/plain|a b||2" "$scratch/plain" 'a b' ''
PATH=$scratch:$PATH prints "yes
$scratch/plain|||0" plain
: >"$scratch/empty"
chmod +x "$scratch/empty"
prints '' "$scratch/empty"
prints "LD_PRELOAD=$library
SUREFREE_OPTIONS=" --dry-run "$scratch/plain"

# The environment: what was there stays, and nothing comes twice.
prints "LD_PRELOAD=$library
SUREFREE_OPTIONS=" --dry-run true
export LD_PRELOAD="$library" SUREFREE_OPTIONS=retain=1M
prints "LD_PRELOAD=$library
SUREFREE_OPTIONS=retain=1M,stats=exit,retain=2M,hardened=on,backtrace=off" \
	--dry-run --retain 2M --hardened --stats --no-backtrace true
LD_PRELOAD=libm.so.6
prints "LD_PRELOAD=$library:libm.so.6
SUREFREE_OPTIONS=retain=1M" --dry-run true
for name in '' -mmap; do
	other=$scratch/libsurefree-preload$name.so
	gcc -shared -o "$other" -x c /dev/null 2>/dev/null || continue
	LD_PRELOAD="libm.so.6 $other:libc.so.6"
	prints "LD_PRELOAD=$library:libm.so.6:libc.so.6
SUREFREE_OPTIONS=retain=1M" --dry-run true
done
LD_PRELOAD=libm.so.6
run "$surefree" run --json --dry-run --fence true
expect_json "d['surefree_options']" "retain=1M,fence=on"
expect_json "d['ld_preload']" "$library:libm.so.6"
unset LD_PRELOAD SUREFREE_OPTIONS

# Every option of the library, by its name.
options() {
	wanted=$1
	shift
	prints "LD_PRELOAD=$library
SUREFREE_OPTIONS=$wanted" --dry-run "$@" true
}
options trap=off,region=1G,ahead=1M,view_reserve=7 \
	--no-trap --region 1G --ahead 1M --view-reserve 7
options profile=/tmp/a,sample=1,profile_signal=12 \
	--profile /tmp/a --sample 1 --profile-signal 12
options stats=off,fence=off,hardened=off,backtrace=on \
	--no-stats --no-fence --no-hardened --backtrace
options mmap=on,threads=on --mmap --threads --malloc
options mmap=off --mmap --no-mmap
options threads=off --no-threads
names=$(env SUREFREE_OPTIONS='?=1' LD_PRELOAD="$library" true 2>&1 |
	sed 's/.* valid are //; s/=[^,]*//g; s/,//g')
[ -n "$names" ] || fail "the library names no options"
for name in $names; do
	option=$(echo "$name" | tr _ -)
	"$surefree" run --help | grep -Eq -- "--(\[no-\])?$option( |$)" ||
		fail "the library's option $name is none of run"
done

# Without malloc: another library.
if [ -f "$without" ]; then
	prints "LD_PRELOAD=$without
SUREFREE_OPTIONS=mmap=on" --dry-run --no-malloc --mmap true
	prints "$without" --no-malloc sh -c \
		'sed -n "s/.* \(\/.*libsurefree.*\)/\1/p" /proc/self/maps | uniq'
fi
refused 2 "leave nothing to take over" --no-malloc --no-mmap --no-threads true

# Usage.
refused 2 "no program given; see 'surefree run --help'"
refused 2 "'much' is not a size" --retain much true
refused 2 "give 0 to 64" --profile-signal 65 true
refused 2 "has a comma" --profile a,b true
refused 2 "no value allowed for '--no-mmap=1'" --no-mmap=1 true
refused 2 "unknown option '--no'" --no true
refused 2 "unknown option '--no-retain'" --no-retain true

# What cannot be run, or not be reached.
refused 3 "'not-there': No such file" not-there
refused 3 "Permission denied" /etc/passwd
printf 'int main(void) { return 7; }\n' >"$scratch/a.c"

# compiles NAME ARGS...: whether $scratch/NAME is there now.
compiles() {
	name=$1
	shift
	gcc -o "$scratch/$name" "$@" 2>/dev/null
}

# of_script NAME: as the interpreter of a script, too.
of_script() {
	printf '#! %s -x\n' "$scratch/$1" >"$scratch/script"
	chmod +x "$scratch/script"
	printf '#!%s\n' "$scratch/script" >"$scratch/script2"
	chmod +x "$scratch/script2"
	refused 3 "$scratch/$1' $2" "$scratch/script"
	refused 3 "$scratch/$1' $2" "$scratch/script2"
}

for how in -static -static-pie; do
	compiles static "$how" "$scratch/a.c" || continue
	refused 3 "is linked statically" "$scratch/static"
	run "$surefree" run --force "$scratch/static"
	expect_status 7 "--force"
	of_script static "is linked statically"
done
if compiles musl -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 "$scratch/a.c"
then
	refused 3 "has another C library than glibc" "$scratch/musl"
fi
cp "$(command -v env)" "$scratch/other"
printf '\377\377' | dd of="$scratch/other" bs=1 seek=18 conv=notrunc 2>/dev/null
refused 3 "is for another machine" "$scratch/other"
of_script other "is for another machine"

# Go's note, alone and after others.
cat >"$scratch/go.c" <<'END'
__asm__(".section .note.go.buildid, \"a\", @note\n"
	".long 4, 4, 4\n.ascii \"Go\\0\\0\"\n.ascii \"abcd\"\n");
int main(void) { return 0; }
END
for how in none sha1; do
	compiles go -Wl,--build-id=$how "$scratch/go.c" || continue
	refused 3 "is a Go program" "$scratch/go"
done

# Without that note, by a section, and by what Go itself looks for.
cat >"$scratch/go2.c" <<'END'
__attribute__((section(NAME), aligned(16))) char info[32] = TEXT;
int main(void) { return info[0] == 0; }
END
# go2 NAME TEXT: whether $scratch/go2 has a section of that name and text.
go2() {
	compiles go2 "-DNAME=\"$1\"" "-DTEXT=\"$2\"" "$scratch/go2.c"
}
if go2 .go.buildinfo none; then
	refused 3 "is a Go program" "$scratch/go2"
	of_script go2 "is a Go program"
	go2 .gopclntab none && refused 3 "is a Go program" "$scratch/go2"
	go2 .data '\xff Go buildinf:' &&
		refused 3 "is a Go program" "$scratch/go2"
	go2 .data '\xff no buildinf:' && prints '' "$scratch/go2"
fi

# Those whose sanitizer's library won't have another one before it. A library of
# that name is enough.
for name in asan tsan; do
	sanitizer=$scratch/lib$name.so.99
	gcc -shared -fPIC -Wl,-soname,"lib$name.so.99" -o "$sanitizer" \
		-x c /dev/null 2>/dev/null || continue
	compiles $name "$scratch/a.c" -Wl,--no-as-needed "$sanitizer" \
		-Wl,-rpath,"$scratch" || continue
	refused 3 "is built with .*Sanitizer" "$scratch/$name"
	of_script "$name" "is built with .*Sanitizer"
done
if [ -x "$scratch/tsan" ]; then
	run "$surefree" run --no-malloc "$scratch/tsan"
	expect_status 7 "ThreadSanitizer without malloc"
fi

# Programs that gain rights by their start, where starting them does so.
gains_rights() {
	grep -q '^NoNewPrivs:.0' /proc/self/status &&
		! findmnt -n -o OPTIONS -T "$1" | grep -q nosuid
}
ordinary=''
[ "$(id -u)" -ne 0 ] ||
	ordinary='setpriv --reuid=65534 --regid=65534 --clear-groups'
su=$(command -v su)
# shellcheck disable=SC2086 # words, or nothing
if [ -u "$su" ] && gains_rights "$su" && $ordinary test -x "$surefree"; then
	run $ordinary "$surefree" run "$su" --help
	expect_status 3 su
	grep -q "is setuid" "$err" || fail "su: not refused"
	run $ordinary setpriv --no-new-privs "$surefree" run --dry-run "$su"
	expect_status 0 "su without new rights"
fi
if [ "$(id -u)" -eq 0 ] && gains_rights "$scratch"; then
	cp "$(command -v env)" "$scratch/setuid"
	chown nobody "$scratch/setuid"
	chmod 4755 "$scratch/setuid"
	refused 3 "is setuid" "$scratch/setuid"
fi

# Streams are handed on as they are, closed ones too.
status=0
# shellcheck disable=SC2016 # for that shell
"$surefree" run sh -c '[ ! -e /proc/$$/fd/0 ] && [ ! -e /proc/$$/fd/1 ] &&
	[ -e /proc/$$/fd/2 ]' <&- >&- || status=$?
expect_status 0 "with closed streams"

# Where the drop-in is not to be seen, the dynamic linker says so and goes on.
root=$scratch/root
for file in /bin/true $(ldd /bin/true | grep -o '/[^ ]*'); do
	mkdir -p "$root${file%/*}" && cp "$file" "$root$file"
done
if unshare -r chroot "$root" /bin/true 2>/dev/null; then
	run "$surefree" run unshare -r chroot "$root" /bin/true
	expect_status 0 "in another root"
	grep -q "object '$library' from LD_PRELOAD cannot be preloaded" \
		"$err" || fail "in another root: no word"
fi
# In other namespaces with the same files it is.
if unshare -rmnpf true 2>/dev/null; then
	prints yes unshare -rmnpf sh -c "$in_maps"
fi
exit 0
