# SPDX-License-Identifier: MIT
#
# The page that shows a run of bench-map and bench-ranges, in Markdown.
#
#	awk -f bench/table.awk map.tsv ranges.tsv >map.md

function len_text(len)
{
	if (len % 1048576 == 0)
		return len / 1048576 " MiB"
	return len / 1024 " KiB"
}

# A ratio, with its target and whether it is reached.
function ratio_text(ratio, target, verdict)
{
	if (verdict == "-")
		return sprintf("%.2f", ratio)
	return sprintf("%s%.2f%s (≤ %.2f)", verdict == "met" ? "" : "**",
		       ratio, verdict == "met" ? "" : "**", target)
}

function print_row()
{
	if (row != "")
		print row " |"
	row = ""
}

BEGIN {
	FS = "\t"
	print "# Map, touch, unmap: the library against mmap and munmap\n"
	print "This page and the plot are written by `bench/run build docs/bench`.\n"
	print "![The ratios against the length of the range](map.svg)\n"
	print "## How to read it\n"
	print "Each row is one length of memory that is mapped, touched (a byte" \
	      " written to every page,\nor to the first only) and unmapped, over" \
	      " and over. `mmap` is the time of one such round\nwith mmap() and" \
	      " munmap(). The other columns are ratios to it: below 1.00 the" \
	      " library is\nfaster. *trap*: as it comes, released memory faults" \
	      " when touched. *no trap*: mapped with\n`SUREFREE_NOTRAP`." \
	      " *retain*: with the option `retain`, released memory is kept for" \
	      " reuse, so\nhere nothing goes back to the kernel, and a range that" \
	      " is taken up again is cleared by\nwriting zeros to it. In" \
	      " parentheses: the target, where there is one. **Bold**:" \
	      " target missed.\n"
	print "The variants run in turn, each in a steady state after a" \
	      " warm-up; a ratio is the median\nof the ratios of runs that lie" \
	      " side by side in time. Threads start together and each does\nthe" \
	      " same number of rounds on its own ranges. With two threads, giving" \
	      " memory back\ninterrupts the other CPU (TLB flush), which costs" \
	      " more in a virtual machine than on bare\nmetal; what counts" \
	      " is how often it happens.\n"
	print "Each run works at eight places in turn, spread over what a page" \
	      " table covers: a range that\nhas its page table to itself costs" \
	      " munmap() more, and which one is met would be chance.\n"
	print "## Where it was taken\n"
}

/^# / {
	if (FILENAME == ARGV[1]) {
		sub(/^# /, "")
		print "- " $0
	}
	next
}

$1 == "threads" {
	next
}

FILENAME == ARGV[1] {
	if ($1 != threads || $2 != touch) {
		print_row()
		threads = $1
		touch = $2
		printf("\n## %d thread%s, %s touched\n\n", threads,
		       threads == 1 ? "" : "s at once",
		       touch == "all" ? "every page" : "one page")
		print "| length | mmap | trap | no trap | retain |"
		print "|---:|---:|---:|---:|---:|"
	}
	if ($4 == "mmap") {
		print_row()
		row = sprintf("| %s | %.1f µs", len_text($3), $5 / 1000)
	} else {
		row = row " | " ratio_text($6, $9, $10)
	}
	next
}

$1 == "live" {
	print_row()
	print "\n## The cost of a call while many ranges are live\n"
	print "So many single pages are live. 256 of them, picked at random, are" \
	      " unmapped, then as many\nmapped, and so on; nanoseconds for one" \
	      " call of each. With *retain* no system call is made:\nthis is the" \
	      " bookkeeping, and clearing the page. What growth there is comes" \
	      " from the\nCPU's caches: ten million pages lie in 40 GiB of" \
	      " addresses.\n"
	print "| live pages | unmap | map | unmap, retain | map, retain |" \
	      " metadata KiB | mappings |"
	print "|---:|---:|---:|---:|---:|---:|---:|"
	next
}

{
	if ($1 != live) {
		if (row != "")
			row = row tail
		print_row()
		live = $1
		row = "| " live
	}
	row = row " | " $3 " | " $4
	tail = " | " $5 " | " $6
}

END {
	if (live != "")
		row = row tail
	print_row()
}
