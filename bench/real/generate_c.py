# SPDX-License-Identifier: MIT
"""Print a C file with so many functions, always the same: generate_c.py NR."""
import sys

state = 1


def draw(n):
    """A number below n."""
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    return (state >> 33) % n


def print_function(i):
    cases = "".join("""\tcase %d:
\t\tn->count += %d;
\t\tsum ^= (unsigned long)n->values[(i + %du) %% 16] << (sum & 7);
\t\tbreak;
""" % (c, draw(1000), draw(16)) for c in range(4 + draw(8)))
    callee = draw(i) if i else 0
    call = "\tsum += f%d(n->next, depth - 1);\n" % callee if i else ""
    print("""struct node%(i)d {
\tstruct node *inner;
\tunsigned long field%(i)d[%(len)d];
\tconst char *name;
};

unsigned long f%(i)d(struct node *n, int depth)
{
\tstruct node%(i)d local = { .inner = n, .name = "node %(i)d" };
\tunsigned long sum = %(start)du;

\tif (!n || depth <= 0)
\t\treturn sum;
\tfor (unsigned i = 0; i < %(len)du; i++)
\t\tlocal.field%(i)d[i] = n->values[i %% 16] * %(factor)du + i;
\tfor (unsigned i = 0; i < %(len)du; i++) {
\t\tswitch ((n->kind + local.field%(i)d[i]) %% 12) {
%(cases)s\t\tdefault:
\t\t\tsum = sum * 31 + local.field%(i)d[i] + (unsigned char)*local.name;
\t\t}
\t}
%(call)s\treturn sum + (local.inner == n->next);
}
""" % {"i": i, "len": 4 + draw(28), "start": draw(10**6),
       "factor": 3 + draw(1000), "cases": cases, "call": call})


print("""struct node {
\tstruct node *next;
\tunsigned kind;
\tunsigned count;
\tunsigned long values[16];
};
""")
for number in range(int(sys.argv[1])):
    print_function(number)
