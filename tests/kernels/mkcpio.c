// SPDX-License-Identifier: MIT
/*
 * Writes an initrd: a cpio archive of the "newc" kind with the directories and
 * the console that a static init needs, and the given files.
 *
 *	mkcpio OUTPUT NAME=FILE...
 *
 * Each entry is 13 numbers of 8 hexadecimal digits, the name and the contents,
 * both padded to 4 bytes. All entries belong to root; files are executable.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned next_inode = 1;

static void pad(FILE *out, size_t len)
{
	for (; len % 4 != 0; len++)
		putc('\0', out);
}

/* Header and name; contents of len bytes follow. */
static void write_header(FILE *out, const char *name, unsigned mode, size_t len,
			 unsigned device_major, unsigned device_minor)
{
	size_t name_len = strlen(name) + 1;

	fprintf(out, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X",
		next_inode++, mode, 0u, 0u, 1u, 0u, len, 0u, 0u, device_major,
		device_minor);
	fprintf(out, "%08zX%08X%s", name_len, 0u, name);
	putc('\0', out);
	pad(out, 110 + name_len);
}

static int write_file(FILE *out, const char *name, const char *path)
{
	char bytes[1 << 16];
	struct stat status;
	size_t len = 0;
	size_t n;
	FILE *in = fopen(path, "rb");

	if (in == NULL || fstat(fileno(in), &status) != 0) {
		perror(path);
		if (in != NULL)
			fclose(in);
		return -1;
	}
	write_header(out, name, S_IFREG | 0755, (size_t)status.st_size, 0, 0);
	while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0)
		len += fwrite(bytes, 1, n, out);
	fclose(in);
	pad(out, len);
	return len == (size_t)status.st_size ? 0 : -1;
}

int main(int argc, char **argv)
{
	static const char *const directories[] = { "dev", "proc", "sys", "tmp",
						   "tests" };
	FILE *out = argc > 2 ? fopen(argv[1], "wb") : NULL;

	if (out == NULL) {
		fprintf(stderr, "usage: mkcpio OUTPUT NAME=FILE...\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		write_header(out, directories[i], S_IFDIR | 0755, 0, 0, 0);
	write_header(out, "dev/console", S_IFCHR | 0600, 0, 5, 1);
	for (int i = 2; i < argc; i++) {
		char *path = strchr(argv[i], '=');

		if (path == NULL) {
			fprintf(stderr, "mkcpio: not NAME=FILE: %s\n", argv[i]);
			return 2;
		}
		*path++ = '\0';
		if (write_file(out, argv[i], path) != 0)
			return 1;
	}
	write_header(out, "TRAILER!!!", 0, 0, 0, 0);
	return fclose(out) == 0 ? 0 : 1;
}
