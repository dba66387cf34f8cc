/* SPDX-License-Identifier: MIT */
/*
 * A user's program, built by check_install.sh against the installed library.
 */
#include <stdio.h>
#include <string.h>
#include <surefree.h>

int main(void)
{
	size_t len = 1 << 20;
	char *p = surefree_map(len, 0);

	if (p == NULL) {
		perror("surefree_map");
		return 1;
	}
	memset(p, 1, len);
	surefree_unmap(p, len);
	if (strcmp(surefree_version(), VERSION) != 0) {
		fprintf(stderr, "header and library differ: %s, %s\n", VERSION,
			surefree_version());
		return 1;
	}
	return 0;
}
