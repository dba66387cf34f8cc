# SPDX-License-Identifier: MIT
"""What bench/malloc measured: targets, and the table as text, TSV, Markdown.

A result is a dict: unit, what, and for each allocator the lists `time`, `cpu`
and `peak` of its runs (cpu is empty where it is not measured), or a string that
says why there are none.
"""
from statistics import median

FOUR = ("glibc", "jemalloc", "mimalloc", "tcmalloc")

# The judged allocator's ratios, two digits: at most so much of ...
TIME_TO_BEST = 1.05  # the best time of the four
PEAK_TO_MEDIAN = 1.10  # the median of the four's peaks
# and less than glibc's time.


class Row:
    """One workload: medians, ratios and verdicts."""

    def __init__(self, name, result, allocators, judged, lowest):
        self.name = name
        self.unit = result["unit"]
        self.what = result["what"]
        self.allocators = allocators
        self.judged = judged
        self.runs = result["runs"]
        good = {a: r for a, r in self.runs.items() if not isinstance(r, str)}
        middle = min if lowest else median
        self.time = {a: middle(r["time"]) for a, r in good.items()}
        self.peak = {a: median(r["peak"]) for a, r in good.items()}
        times = [self.time[a] for a in FOUR if a in self.time]
        peaks = [self.peak[a] for a in FOUR if a in self.peak]
        self.best = min(times) if times else None
        self.median_peak = median(peaks) if peaks else None

    def to_best(self, a):
        return ratio(self.time.get(a), self.best)

    def to_glibc(self, a):
        return ratio(self.time.get(a), self.time.get("glibc"))

    def to_median(self, a):
        return ratio(self.peak.get(a), self.median_peak)

    def missed(self):
        """The targets the judged allocator missed; None: nothing to say."""
        j = self.judged
        if j not in self.runs:
            return None
        if j not in self.time:
            return ["failed"]
        missed = []
        if self.best and round(self.to_best(j), 2) > TIME_TO_BEST:
            missed.append("best")
        if "glibc" in self.time and self.to_glibc(j) >= 1:
            missed.append("glibc")
        if self.median_peak and round(self.to_median(j), 2) > PEAK_TO_MEDIAN:
            missed.append("peak")
        return missed


def ratio(a, b):
    return a / b if a is not None and b else None


def digits(value, form="%.2f"):
    return "-" if value is None else form % value


def number(value):
    """Three digits that count, without an exponent."""
    if value is None:
        return "-"
    return "%.0f" % value if value >= 100 else "%.3g" % value


def verdict(missed):
    if missed is None:
        return "-"
    return "missed: " + ", ".join(missed) if missed else "met"


def print_head(allocators, judged):
    print("time of an operation, peak resident MiB in parentheses; last: %s's"
          " time to the best\nof the four (<= %.2f) and to glibc (< 1), its"
          " peak to their median (<= %.2f)\n" % (judged, TIME_TO_BEST,
                                                  PEAK_TO_MEDIAN))
    print("%-17s%-4s" % ("", "") +
          "".join("%16s" % a for a in allocators) +
          "   best glibc  peak")


def print_row(row):
    cells = ""
    for a in row.allocators:
        if a in row.time:
            cells += "%16s" % ("%s (%s)" % (number(row.time[a]),
                                            number(row.peak[a] / 1024)))
        else:
            cells += "%16s" % ("failed" if a in row.runs else "-")
    j = row.judged
    print("%-17s%-4s%s  %5s %5s %5s  %s" % (
        row.name, row.unit, cells, digits(row.to_best(j)),
        digits(row.to_glibc(j)), digits(row.to_median(j)),
        verdict(row.missed())), flush=True)


def print_summary(rows, judged):
    judgments = [r.missed() for r in rows if r.missed() is not None]
    if not judgments:
        print("\n%s was not measured: nothing to judge" % judged)
        return
    print("\n%d workloads: all targets met on %d; missed the best's time on"
          " %d, glibc's on %d, the peak on %d; failed %d" % (
              len(judgments), sum(not m for m in judgments),
              sum("best" in m for m in judgments),
              sum("glibc" in m for m in judgments),
              sum("peak" in m for m in judgments),
              sum("failed" in m for m in judgments)))


def write_tsv(path, facts, rows):
    with open(path, "w", encoding="utf-8") as out:
        for fact in facts:
            print("# " + fact, file=out)
        print("workload", "allocator", "unit", "time", "low", "high", "cpu",
              "peak_kib", "to_best", "to_glibc", "peak_to_median", "verdict",
              sep="\t", file=out)
        for row in rows:
            for a in row.allocators:
                if a not in row.time:
                    continue
                runs = row.runs[a]
                cpu = median(runs["cpu"]) if runs["cpu"] else None
                print(row.name, a, row.unit, "%.4f" % row.time[a],
                      "%.4f" % min(runs["time"]), "%.4f" % max(runs["time"]),
                      digits(cpu, "%.3f"), "%.0f" % row.peak[a],
                      digits(row.to_best(a), "%.3f"),
                      digits(row.to_glibc(a), "%.3f"),
                      digits(row.to_median(a), "%.3f"),
                      verdict(row.missed()) if a == row.judged else "-",
                      sep="\t", file=out)


HEAD = """# malloc: the drop-in against other allocators

This page and the plot are written by `bench/malloc build -o docs/bench`.

![Times and peaks as ratios](malloc.svg)

## How to read it

Each workload is a fixed amount of work, the same calls in the same order for
every allocator, in a process of its own that starts with the allocator
preloaded (glibc: none). The allocators run in turn, in another order each
round; shown is the median unless noted. Time is for one operation of one thread as it passes,
or of the whole program. The ratios are those of %(judged)s:

- *best*: its time to the best of %(four)s; target: at most %(best).2f
- *glibc*: its time to that of glibc; target: less than 1
- *peak*: its peak of resident memory to the median of the four's; target: at
  most %(peak).2f

**Bold**: target missed. The best is picked from four after the measurement:
where all are equally fast, noise alone puts it below the others.

## Where it was taken

"""

PROGRAMS = """
## Programs

Time passed for the whole, and CPU time of the program and what it started.
Peak is that of its largest process.

"""


def markdown_row(row):
    missed = row.missed() or []

    def marked(name, value):
        return "**%s**" % value if name in missed else value

    j = row.judged
    cells = [row.name]
    for a in row.allocators:
        cells.append(number(row.time[a]) if a in row.time else "**failed**")
    cells += [marked("best", digits(row.to_best(j))),
              marked("glibc", digits(row.to_glibc(j)))]
    for a in row.allocators:
        cells.append(number(row.peak[a] / 1024) if a in row.peak else "-")
    cells.append(marked("peak", digits(row.to_median(j))))
    return "| " + " | ".join(cells) + " |"


def write_markdown(path, facts, rows):
    if not rows:
        return
    allocators, judged = rows[0].allocators, rows[0].judged
    head = ("| workload | " + " | ".join(allocators) + " | best | glibc | " +
            " | ".join("MiB " + a for a in allocators) + " | peak |\n|---|" +
            "---:|" * (2 * len(allocators) + 3))
    micro = [r for r in rows if r.unit == "ns"]
    programs = [r for r in rows if r.unit == "s"]
    with open(path, "w", encoding="utf-8") as out:
        print(HEAD % {"judged": judged, "four": ", ".join(FOUR),
                      "best": TIME_TO_BEST, "peak": PEAK_TO_MEDIAN},
              end="", file=out)
        for fact in facts:
            print("- " + fact, file=out)
        if micro:
            print("\n## Workloads: nanoseconds for an operation, peak in MiB\n",
                  file=out)
            print(head, *map(markdown_row, micro), sep="\n", file=out)
        if programs:
            print(PROGRAMS, end="", file=out)
            print(head, *map(markdown_row, programs), sep="\n", file=out)
            print("\nCPU seconds:\n", file=out)
            print("| program | " + " | ".join(allocators) + " |\n|---|" +
                  "---:|" * len(allocators), file=out)
            for r in programs:
                print("| %s | %s |" % (r.name, " | ".join(
                    "%.2f" % median(r.runs[a]["cpu"]) if a in r.time else "-"
                    for a in allocators)), file=out)
        print("\n## The workloads\n", file=out)
        for row in rows:
            print("- `%s`: %s" % (row.name, row.what), file=out)
            for a, runs in row.runs.items():
                if isinstance(runs, str):
                    print("  Failed under %s: %s" % (a, runs), file=out)
