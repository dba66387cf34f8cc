// SPDX-License-Identifier: MIT
/* In place of serve_http.c where libmicrohttpd was not there. */
#include "serve.h"

#include <errno.h>
#include <unistd.h>

const bool sf_serve_http_built = false;

int sf_serve_http(struct sf_metrics *metrics, const char *name, int socket_fd,
		  int signal_fd)
{
	(void)metrics;
	(void)name;
	(void)signal_fd;
	close(socket_fd);
	return -ENOSYS;
}
