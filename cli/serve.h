/* SPDX-License-Identifier: MIT */
/*
 * How surefree export hands out its text: to whoever asks, or in a file. Both
 * end when a signal says so; signal_fd becomes readable then.
 */
#ifndef SF_CLI_SERVE_H
#define SF_CLI_SERVE_H

#include <stdbool.h>

#include "metrics.h"

/* Whether this was built with what serves HTTP. */
extern const bool sf_serve_http_built;

/*
 * Answer on a listening socket, which is closed in the end. One snapshot at a
 * time is taken, and given to everybody who asks within a second. Slow clients
 * keep nobody out. 0 or -errno.
 */
int sf_serve_http(struct sf_metrics *metrics, const char *name, int socket_fd,
		  int signal_fd);

/*
 * Write the text to a file that is there in whole or not at all ("-": standard
 * output), every so many seconds (0: once). 0, or -errno after a
 * message when that fails at first; later it is said, and tried again.
 */
int sf_serve_file(struct sf_metrics *metrics, const char *name,
		  const char *path, unsigned seconds, int signal_fd);

#endif
