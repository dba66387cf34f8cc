// SPDX-License-Identifier: MIT
/*
 * The textfile, written beside its place and renamed once it is on the disk. A
 * signal that ends us comes before or after that, or its rest would stay.
 */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "files.h"

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t done = write(fd, text, len);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done < 0)
			continue;
		text += done;
		len -= (size_t)done;
	}
	return 0;
}

/* As open() would have made it. */
static mode_t usual_mode(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return 0666 & ~mask;
}

/* Renaming takes the place of whatever is there, also of /dev/null. */
static bool is_other(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

/* node_exporter reads *.prom: the name that it has meanwhile is none. */
static int replace_unsignalled(const char *path, const char *text, size_t len)
{
	char *beside;
	int fd, err;

	if (is_other(path))
		return -EEXIST;
	if (asprintf(&beside, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	fd = mkstemp(beside);
	err = fd < 0 ? -errno : write_all(fd, text, len);
	if (fd >= 0) {
		if (err == 0 && fchmod(fd, usual_mode()) != 0)
			err = -errno;
		if (err == 0 && fsync(fd) != 0)
			err = -errno;
		if (close(fd) != 0 && err == 0)
			err = -errno;
		if (err == 0 && rename(beside, path) != 0)
			err = -errno;
		if (err != 0)
			unlink(beside);
	}
	free(beside);
	return err;
}

static int replace(const char *path, const char *text, size_t len)
{
	sigset_t ending, before;
	int err;

	sigemptyset(&ending);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGHUP);
	sigaddset(&ending, SIGQUIT);
	sigprocmask(SIG_BLOCK, &ending, &before);
	err = replace_unsignalled(path, text, len);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}

static int write_once(struct sf_metrics *metrics, const char *path)
{
	int err = sf_metrics_update(metrics);
	size_t len = 0;
	char *text;

	if (err != 0)
		return err;
	text = sf_metrics_text(metrics, &len);
	if (text == NULL)
		return -ENOMEM;
	err = strcmp(path, "-") == 0 ? write_all(STDOUT_FILENO, text, len) :
				       replace(path, text, len);
	free(text);
	return err;
}

static void say(const char *name, const char *path, int err)
{
	if (err == -EEXIST)
		sf_cmd_say(name,
			   "'%s' is there and is no regular file; give "
			   "another, or - for standard output",
			   path);
	else if (sf_files_remedy(err) != NULL)
		sf_cmd_say(name, "cannot write '%s': %s; %s", path,
			   strerror(-err), sf_files_remedy(err));
	else
		sf_cmd_say(name,
			   "cannot write '%s': %s; give a file in a folder "
			   "that may be written",
			   path, strerror(-err));
}

/* What fails later need not last: a full disk is emptied. */
int sf_serve_file(struct sf_metrics *metrics, const char *name,
		  const char *path, unsigned seconds, int signal_fd)
{
	struct pollfd wait = { .fd = signal_fd, .events = POLLIN };
	int first, last;

	/* A file that would be too large is an error of write(). */
	signal(SIGXFSZ, SIG_IGN);
	first = write_once(metrics, path);
	last = first;
	if (first != 0)
		say(name, path, first);
	while (first == 0 && seconds > 0 &&
	       poll(&wait, 1, (int)seconds * 1000) == 0) {
		int err = write_once(metrics, path);

		if (err != 0 && err != last)
			say(name, path, err);
		last = err;
	}
	return first;
}
