#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes the public static library: one object, internal symbols local.
# usage: static-library.sh CORE.a OUT.a OBJCOPY AR CC [CC-ARGS...]
set -eu

core=$1 out=$2 objcopy=$3 ar=$4
shift 4

object=${out%.a}.o
"$@" -r -nostdlib -o "$object" -Wl,--whole-archive "$core" -Wl,--no-whole-archive
"$objcopy" --localize-hidden "$object"
rm -f "$out"
"$ar" rcs "$out" "$object"
rm -f "$object"
