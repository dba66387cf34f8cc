// SPDX-License-Identifier: MIT
/* Addresses as numbers: no names are looked up. */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKLOG 64

/* The C library takes 65537 for 1. */
static bool is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return text[len] == '\0' && len > 0 && len <= 5 &&
	       strtoul(text, NULL, 10) <= UINT16_MAX;
}

int sf_listen_parse(const char *text, struct sf_address *out)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	const char *colon = strrchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : 0;
	struct addrinfo *found;
	char host[SF_ADDRESS_LEN];

	if (len == 0 || len >= sizeof(host) || !is_port(colon + 1))
		return -EINVAL;
	if (text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		return -EINVAL;
	}
	memcpy(host, text, len);
	host[len] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return -EINVAL;
	memcpy(&out->at, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

bool sf_listen_is_loopback(const struct sf_address *address)
{
	const void *at = &address->at;
	const struct sockaddr_in *in = at;
	const struct sockaddr_in6 *in6 = at;

	if (address->at.ss_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static void describe(int fd, char *text, size_t text_len)
{
	struct sf_address own = { .len = sizeof(own.at) };
	char host[SF_ADDRESS_LEN] = "?", port[8] = "?";
	bool six;

	getsockname(fd, (void *)&own.at, &own.len);
	getnameinfo((void *)&own.at, own.len, host, sizeof(host), port,
		    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	six = own.at.ss_family == AF_INET6;
	snprintf(text, text_len, "%s%s%s:%s", six ? "[" : "", host,
		 six ? "]" : "", port);
}

int sf_listen_open(const struct sf_address *address, char *text,
		   size_t text_len)
{
	const int on = 1;
	int fd = socket(address->at.ss_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const void *)&address->at, address->len) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	describe(fd, text, text_len);
	return fd;
}
