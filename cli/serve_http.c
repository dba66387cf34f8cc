// SPDX-License-Identifier: MIT
/*
 * Serves by libmicrohttpd in this thread: its descriptors and the one of
 * signals are waited for together. Who asks while a snapshot is taken waits and
 * gets the same one.
 */
#include "serve.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"

#define FRESH_SECONDS	1.0
#define NR_CONNECTIONS	64
#define TIMEOUT_SECONDS 10
#define POLL_MS		1000

const bool sf_serve_http_built = true;

struct server {
	struct sf_metrics *metrics;
	const char *name;
	struct MHD_Response *text; /* of the last snapshot; NULL: none */
	double taken;		   /* when it was there */
	struct MHD_Response *index, *not_found, *bad_method, *failed;
	int last_error; /* has been told */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct MHD_Response *make_page(const char *type, const char *text)
{
	struct MHD_Response *page = MHD_create_response_from_buffer(
		strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);

	if (page != NULL)
		MHD_add_response_header(page, "Content-Type", type);
	return page;
}

static void drop_page(struct MHD_Response *page)
{
	if (page != NULL)
		MHD_destroy_response(page);
}

/* 0 or -errno; the old text is gone in any case. */
static int refresh(struct server *server)
{
	int err = sf_metrics_update(server->metrics);
	size_t len = 0;
	char *text = NULL;

	drop_page(server->text);
	server->text = NULL;
	if (err == 0) {
		text = sf_metrics_text(server->metrics, &len);
		err = text == NULL ? -ENOMEM : 0;
	}
	if (err == 0) {
		server->text = MHD_create_response_from_buffer(
			len, text, MHD_RESPMEM_MUST_FREE);
		err = server->text == NULL ? -ENOMEM : 0;
	}
	if (server->text != NULL)
		MHD_add_response_header(server->text, "Content-Type",
					"text/plain; version=0.0.4; "
					"charset=utf-8");
	else
		free(text);
	server->taken = now();
	return err;
}

static enum MHD_Result answer_metrics(struct server *server,
				      struct MHD_Connection *connection)
{
	int err = 0;

	if (server->text == NULL || now() - server->taken >= FRESH_SECONDS)
		err = refresh(server);
	if (err != 0 && err != server->last_error)
		sf_cmd_say(server->name, "cannot look at processes: %s",
			   strerror(-err));
	server->last_error = err;
	if (err != 0)
		return MHD_queue_response(connection,
					  MHD_HTTP_SERVICE_UNAVAILABLE,
					  server->failed);
	return MHD_queue_response(connection, MHD_HTTP_OK, server->text);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection,
			      const char *url, const char *method,
			      const char *version, const char *upload,
			      size_t *upload_len, void **state)
{
	struct server *server = arg;

	(void)version;
	(void)upload;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return MHD_queue_response(connection,
					  MHD_HTTP_METHOD_NOT_ALLOWED,
					  server->bad_method);
	/* Answered at once, the connection would be closed. */
	if (*state == NULL) {
		*state = server;
		return MHD_YES;
	}
	/* A body is of no interest; only what follows it can be answered. */
	if (*upload_len > 0) {
		*upload_len = 0;
		return MHD_YES;
	}
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(server, connection);
	if (strcmp(url, "/") == 0)
		return MHD_queue_response(connection, MHD_HTTP_OK,
					  server->index);
	return MHD_queue_response(connection, MHD_HTTP_NOT_FOUND,
				  server->not_found);
}

/* 0 or -ENOMEM. */
static int make_pages(struct server *server)
{
	static const char index[] =
		"<!DOCTYPE html>\n<html lang=\"en\"><head>"
		"<meta charset=\"utf-8\"><title>surefree export</title></head>"
		"<body><h1>surefree export</h1>"
		"<p><a href=\"/metrics\">Metrics</a></p></body></html>\n";

	server->index = make_page("text/html; charset=utf-8", index);
	server->not_found = make_page("text/plain", "Try /metrics.\n");
	server->bad_method = make_page("text/plain", "Only GET and HEAD.\n");
	server->failed = make_page("text/plain",
				   "Cannot look at processes; the log says "
				   "why.\n");
	if (server->bad_method != NULL)
		MHD_add_response_header(server->bad_method, "Allow",
					"GET, HEAD");
	return server->index != NULL && server->not_found != NULL &&
			       server->bad_method != NULL &&
			       server->failed != NULL ?
		       0 :
		       -ENOMEM;
}

static void drop_pages(struct server *server)
{
	drop_page(server->text);
	drop_page(server->index);
	drop_page(server->not_found);
	drop_page(server->bad_method);
	drop_page(server->failed);
}

/*
 * Until a signal comes. 0 or -errno. With all connections open, libmicrohttpd
 * does not wait for more, and takes that up in the next MHD_run() only, of
 * which nothing tells: we look ourselves.
 */
static int serve(struct MHD_Daemon *daemon, int signal_fd)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(
		daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd wait[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = info->epoll_fd, .events = POLLIN },
	};

	while (wait[0].revents == 0) {
		MHD_UNSIGNED_LONG_LONG ms;
		int timeout = POLL_MS;

		if (MHD_get_timeout(daemon, &ms) == MHD_YES && ms < POLL_MS)
			timeout = (int)ms;
		if (poll(wait, 2, timeout) < 0 && errno != EINTR)
			return -errno;
		if (MHD_run(daemon) != MHD_YES)
			return -EIO;
	}
	return 0;
}

int sf_serve_http(struct sf_metrics *metrics, const char *name, int socket_fd,
		  int signal_fd)
{
	struct server server = { .metrics = metrics, .name = name };
	struct MHD_Daemon *daemon = NULL;
	int err = make_pages(&server);

	if (err == 0)
		daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer,
					  &server, MHD_OPTION_LISTEN_SOCKET,
					  socket_fd,
					  MHD_OPTION_CONNECTION_LIMIT,
					  (unsigned)NR_CONNECTIONS,
					  MHD_OPTION_CONNECTION_TIMEOUT,
					  (unsigned)TIMEOUT_SECONDS,
					  MHD_OPTION_END);
	if (daemon != NULL) {
		err = serve(daemon, signal_fd);
		MHD_stop_daemon(daemon); /* closes the socket */
	} else {
		err = err != 0 ? err : -EIO;
		close(socket_fd);
	}
	drop_pages(&server);
	return err;
}
