// SPDX-License-Identifier: MIT
/* Writes SVG, see svg.h. Errors stay with the file. */
#include "svg.h"

/* How a kind looks: a colour, and lines or dots over it. */
static const struct {
	const char *fill;
	const char *lines; /* path in a square of 6 */
	const char *stroke;
} looks[SF_NR_KINDS] = {
	[SF_KIND_LIBRARY] = { "#cc79a7", "M2 3h2", "#85406a" },
	[SF_KIND_FILE] = { "#0072b2", "M1.5 0V6", "#9fd0ee" },
	[SF_KIND_SHARED] = { "#d55e00", "M0 1.5H6", "#ffd9b8" },
	[SF_KIND_HEAP] = { "#e69f00", "M0 6L6 0", "#7a5400" },
	[SF_KIND_ANON] = { "#56b4e9", NULL, NULL },
	[SF_KIND_STACK] = { "#f0e442", NULL, NULL },
	[SF_KIND_THREAD_STACK] = { "#009e73", NULL, NULL },
	[SF_KIND_FIBER_STACK] = { "#009e73", "M0 0L6 6", "#b9f0df" },
	[SF_KIND_GUARD] = { "#000000", NULL, NULL },
	[SF_KIND_RESERVED] = { "#ffffff", "M0 6L6 0", "#9a9a9a" },
	[SF_KIND_SUREFREE] = { "#ffffff", "M0 3H6M3 0V6", "#009e73" },
	[SF_KIND_KERNEL] = { "#7f7f7f", NULL, NULL },
	[SF_KIND_OTHER] = { "#cfcfcf", NULL, NULL },
};

static const char style[] =
	"text{font-family:'DejaVu Sans',Verdana,Helvetica,sans-serif;"
	"fill:#111}\n"
	".h1{font-size:24px;font-weight:bold}\n"
	".h2{font-size:17px;font-weight:bold}\n"
	".t{font-size:13px}\n"
	".small{font-size:11.5px;fill:#444}\n"
	".end{font-size:11.5px;fill:#444;text-anchor:end}\n"
	".on{font-size:12px;text-anchor:middle;font-weight:bold;stroke:#fff;"
	"stroke-width:3px;paint-order:stroke;stroke-linejoin:round}\n"
	".frame{fill:none;stroke:#444;stroke-width:1}\n"
	".free{fill:#fff;stroke:#444;stroke-width:1;stroke-dasharray:4 3}\n"
	".bar{fill:#111}\n"
	".break{fill:#fff}\n"
	"line{stroke:#444;stroke-width:1}\n"
	"rect:hover{stroke:#f00;stroke-width:1.5}\n";

/* Names need not be UTF-8, and a picture that is not is none. */
static void put_escaped(FILE *file, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '<')
			fputs("&lt;", file);
		else if (c == '>')
			fputs("&gt;", file);
		else if (c == '&')
			fputs("&amp;", file);
		else
			fputc(c < ' ' || c >= 0x7f ? '?' : c, file);
	}
}

static void put_patterns(FILE *file)
{
	fputs("<defs>\n", file);
	for (int kind = 0; kind < SF_NR_KINDS; kind++)
		if (looks[kind].lines != NULL)
			fprintf(file,
				"<pattern id=\"p%d\" width=\"6\" height=\"6\" "
				"patternUnits=\"userSpaceOnUse\"><rect "
				"width=\"6\" height=\"6\" fill=\"%s\"/><path "
				"d=\"%s\" stroke=\"%s\" stroke-width=\"1.4\"/>"
				"</pattern>\n",
				kind, looks[kind].fill, looks[kind].lines,
				looks[kind].stroke);
	fputs("</defs>\n", file);
}

void sf_svg_open(FILE *file, int width, int height, const char *title)
{
	fprintf(file,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
		"height=\"%d\" viewBox=\"0 0 %d %d\">\n<title>",
		width, height, width, height);
	put_escaped(file, title);
	fprintf(file,
		"</title>\n<style>%s</style>\n"
		"<rect width=\"%d\" height=\"%d\" fill=\"#fff\" "
		"style=\"stroke:none\"/>\n",
		style, width, height);
	put_patterns(file);
}

void sf_svg_close(FILE *file)
{
	fputs("</svg>\n", file);
}

void sf_svg_words(FILE *file, double x, double y, const char *class,
		  const char *text)
{
	fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
	put_escaped(file, text);
	fputs("</text>\n", file);
}

static void end_box(FILE *file, const char *tip)
{
	if (tip == NULL) {
		fputs("/>\n", file);
		return;
	}
	fputs("><title>", file);
	put_escaped(file, tip);
	fputs("</title></rect>\n", file);
}

static void begin_box(FILE *file, const struct sf_svg_box *box)
{
	fprintf(file,
		"<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" ",
		box->x, box->y, box->width, box->height);
}

void sf_svg_kind(FILE *file, const struct sf_svg_box *box, enum sf_kind kind,
		 const char *tip)
{
	begin_box(file, box);
	if (looks[kind].lines != NULL)
		fprintf(file, "fill=\"url(#p%d)\"", (int)kind);
	else
		fprintf(file, "fill=\"%s\"", looks[kind].fill);
	end_box(file, tip);
}

void sf_svg_box(FILE *file, const struct sf_svg_box *box, const char *class,
		const char *tip)
{
	begin_box(file, box);
	fprintf(file, "class=\"%s\"", class);
	end_box(file, tip);
}

void sf_svg_line(FILE *file, double x1, double y1, double x2, double y2)
{
	fprintf(file,
		"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x1,
		y1, x2, y2);
}
