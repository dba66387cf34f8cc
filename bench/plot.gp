# SPDX-License-Identifier: MIT
#
# The ratios of bench-map against the length, one panel for each number of
# threads and way to touch.
#
#	gnuplot -e "tsv='map.tsv'; svg='map.svg'" bench/plot.gp

set terminal svg size 960,720 enhanced font 'sans-serif,13' background 'white'
set output svg
set datafile separator '\t'

set multiplot layout 2,2 title \
	"map, touch, unmap through surefree, against mmap and munmap" \
	font ',16' margins 0.07,0.97,0.09,0.82 spacing 0.08,0.14

set logscale x 2
set xrange [3072:192*1024**2]
set xtics ('4K' 4096, '16K' 16384, '64K' 65536, '256K' 262144, '1M' 1048576, \
	'4M' 4194304, '16M' 16777216, '128M' 134217728)
set yrange [0:1.4]
set ytics 0.2 format '%.1f'
set grid ytics lc rgb '#dddddd' lt 1
set border 3 lc rgb '#666666'
set tics nomirror out
unset key

set style line 1 lc rgb '#c0392b' lw 2 pt 7 ps 0.6
set style line 2 lc rgb '#2471a3' lw 2 pt 5 ps 0.6
set style line 3 lc rgb '#1e8449' lw 2 pt 9 ps 0.7
set style line 4 lc rgb '#444444' lw 1 dt 2

pick(threads, touch, variant) = sprintf( \
	"< awk -F'\t' '$1 == %d && $2 == \"%s\" && $4 == \"%s\"' '%s'", \
	threads, touch, variant, tsv)

do for [threads = 1:2] {
	do for [touch in "all one"] {
		set title sprintf("%d thread%s, %s touched", threads, \
			threads > 1 ? "s at once" : "", \
			touch eq "all" ? "every page" : "one page") offset 0,-0.5
		set xlabel threads == 2 ? "length of the range" : "" offset 0,0.4
		set ylabel touch eq "all" ? "time, mmap = 1" : "" offset 1,0
		if (threads == 1 && touch eq "all") {
			set key at screen 0.5,0.93 center top horizontal samplen 2 width 2
		} else {
			unset key
		}
		plot 1 ls 4 title "mmap and munmap", \
			pick(threads, touch, "trap") using 3:6 \
				with linespoints ls 1 title "trap", \
			pick(threads, touch, "no trap") using 3:6 \
				with linespoints ls 2 title "no trap", \
			pick(threads, touch, "retain") using 3:6 \
				with linespoints ls 3 title "retain"
	}
}
unset multiplot
