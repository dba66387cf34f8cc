#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Print the skeleton of a BPF object, marked as none of clang-tidy's business.
# usage: skeleton.sh BPFTOOL OBJECT NAME
set -eu

echo '/* NOLINTBEGIN */'
"$1" gen skeleton "$2" name "$3"
echo '/* NOLINTEND */'
