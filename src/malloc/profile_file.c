// SPDX-License-Identifier: MIT
/* Names and contents of profiles, see profile_file.h. */
#include "malloc/profile_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "malloc/samples.h"
#include "os/text.h"

int sf_profile_path(char *path, size_t len, const char *name, unsigned number)
{
	size_t at = 0;

	for (; *name != '\0'; name++) {
		int n;

		if (*name != '%' || strchr("pn%", name[1]) == NULL ||
		    name[1] == '\0')
			n = snprintf(path + at, len - at, "%c", *name);
		else if (*++name == '%')
			n = snprintf(path + at, len - at, "%%");
		else
			n = snprintf(path + at, len - at, "%u",
				     *name == 'n' ? number :
						    (unsigned)getpid());
		at += (size_t)n;
		if (at >= len)
			return -ENAMETOOLONG;
	}
	path[at] = '\0';
	return 0;
}

bool sf_profile_has_pid(const char *name)
{
	for (; *name != '\0'; name++)
		if (*name == '%' && *++name == 'p')
			return true;
		else if (*name == '\0')
			break;
	return false;
}

int sf_profile_look(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	size_t len = slash != NULL ? (size_t)(slash - path) + 1 : 0;

	if (faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0)
		return 0;
	if (errno != ENOENT || len >= sizeof(folder))
		return -errno;
	memcpy(folder, path, len);
	folder[len] = '\0';
	if (faccessat(AT_FDCWD, len > 0 ? folder : ".", W_OK | X_OK,
		      AT_EACCESS) == 0)
		return 0;
	return -errno;
}

static void print_counts(struct sf_text *out, const struct sf_site *site)
{
	sf_text_print(out, "%7llu: %10llu [%7llu: %10llu] @",
		      (unsigned long long)site->nr_used,
		      (unsigned long long)site->used_len,
		      (unsigned long long)site->nr_all,
		      (unsigned long long)site->all_len);
}

static void print_header(struct sf_text *out, size_t mean)
{
	struct sf_site sum = { 0 };

	for (size_t i = 0; i < sf_samples_nr_sites(); i++) {
		const struct sf_site *site = sf_samples_site(i);

		sum.nr_used += site->nr_used;
		sum.used_len += site->used_len;
		sum.nr_all += site->nr_all;
		sum.all_len += site->all_len;
	}
	sf_text_print(out, "heap profile: ");
	print_counts(out, &sum);
	sf_text_print(out, " heap_v2/%zu\n", mean);
}

int sf_profile_write(const char *path, size_t mean)
{
	struct sf_text out;
	int err = sf_text_open(&out, path);

	if (err != 0)
		return err;
	print_header(&out, mean);
	for (size_t i = 0; i < sf_samples_nr_sites(); i++) {
		const struct sf_site *site = sf_samples_site(i);

		print_counts(&out, site);
		for (uint32_t frame = 0; frame < site->depth; frame++)
			sf_text_print(&out, " %p", site->frames[frame]);
		sf_text_print(&out, "\n");
	}
	sf_text_print(&out, "\nMAPPED_LIBRARIES:\n");
	sf_text_copy(&out, "/proc/self/maps");
	return sf_text_close(&out);
}
