# SPDX-License-Identifier: MIT
#
# What bench/malloc measured: times against the best of the four, and peaks
# against the median of the four; one column for each workload.
#
#	gnuplot -e "tsv='malloc.tsv'; svg='malloc.svg'" bench/malloc.gp

names = system(sprintf("awk -F'\t' '!/^#/ && $1 != \"workload\" " . \
	"&& !seen[$1]++ { print $1 }' '%s'", tsv))
allocators = system(sprintf("awk -F'\t' '!/^#/ && $1 != \"workload\" " . \
	"&& !seen[$2]++ { print $2 }' '%s'", tsv))
nr = words(names)

set terminal svg size 1200,860 enhanced font 'sans-serif,13' background 'white'
set output svg
set datafile separator '\t'

set multiplot layout 2,1 title "malloc: the same work under each allocator" \
	font ',16' margins 0.075,0.98,0.17,0.86 spacing 0,0.05

set xrange [0.3:nr + 0.7]
set grid xtics ytics lc rgb '#e4e4e4' lt 1
set border 3 lc rgb '#666666'
set tics nomirror out
unset key

set style line 1 lc rgb '#444444' pt 2 ps 0.7 lw 1.5
set style line 2 lc rgb '#2471a3' pt 6 ps 0.7 lw 1.5
set style line 3 lc rgb '#1e8449' pt 8 ps 0.8 lw 1.5
set style line 4 lc rgb '#b9770e' pt 4 ps 0.7 lw 1.5
set style line 5 lc rgb '#c0392b' pt 7 ps 0.9 lw 1.5
set style line 6 lc rgb '#7d3c98' pt 12 ps 0.8 lw 1.5
set style line 9 lc rgb '#c0392b' lw 1 dt 2

# The rows of an allocator with the number of their workload in front.
pick(allocator) = sprintf( \
	"< awk -F'\t' -v OFS='\t' '/^#/ || $1 == \"workload\" { next } " . \
	"!($1 in at) { at[$1] = ++nr } $2 == \"%s\" { print at[$1], $0 }' '%s'", \
	allocator, tsv)

set key at screen 0.5,0.92 center top horizontal samplen 1 width 2
set logscale y
set ylabel "time, best of the four = 1" offset 0,0
set yrange [0.2:32]
set ytics ('0.25' 0.25, '0.5' 0.5, '1' 1, '2' 2, '4' 4, '8' 8, '16' 16, \
	'over 32' 32)
set xtics 1,1 format ''
plot 1.05 ls 9 title "target", for [i = 1:words(allocators)] \
	pick(word(allocators, i)) using 1:($10 > 32 ? 32 : $10) \
	with points ls i title word(allocators, i)

unset key
set ylabel "peak, median of the four = 1"
set yrange [0.25:8]
set ytics ('0.25' 0.25, '0.5' 0.5, '1' 1, '2' 2, '4' 4, 'over 8' 8)
set xtics rotate by 60 right offset 0,-0.2 noenhanced ()
set for [i = 1:nr] xtics add (word(names, i) i)
plot 1.10 ls 9, for [i = 1:words(allocators)] \
	pick(word(allocators, i)) using 1:($12 > 8 ? 8 : $12) \
	with points ls i
unset multiplot
