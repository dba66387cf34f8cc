// SPDX-License-Identifier: MIT
/* In place of top_screen.c where ncursesw was left out of the build. */
#include "top_screen.h"

#include "cmd.h"

int sf_top_screen(struct sf_top *top, const char *name)
{
	(void)top;
	sf_cmd_say(name, "surefree was built without ncursesw; --once does "
			 "without");
	return SF_EXIT_CANNOT;
}
