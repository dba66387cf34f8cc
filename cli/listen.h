/* SPDX-License-Identifier: MIT */
/* A socket on which surefree export is asked. */
#ifndef SF_CLI_LISTEN_H
#define SF_CLI_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define SF_ADDRESS_LEN 64

struct sf_address {
	struct sockaddr_storage at;
	socklen_t len;
};

/* "127.0.0.1:80", "[::1]:80"; numbers only. 0 or -EINVAL. */
int sf_listen_parse(const char *text, struct sf_address *out);

/* Whether only this machine can reach it. */
bool sf_listen_is_loopback(const struct sf_address *address);

/*
 * A listening socket that does not block, or -errno. Into text, where it
 * listens: the port may have been 0.
 */
int sf_listen_open(const struct sf_address *address, char *text,
		   size_t text_len);

#endif
