// SPDX-License-Identifier: MIT
/*
 * Serves by libmicrohttpd in this thread: its descriptors and the one of
 * signals are waited for together. Who asks while a snapshot is taken waits and
 * gets the same one.
 *
 * libmicrohttpd ends connections that are silent. That is not enough: who sends
 * a byte now and then would keep all others out. So a request has a time within
 * which it must be complete, an answer one within which it must be taken, and
 * when too many connections are open those go that wait for a request, the
 * oldest first.
 */
#include "serve.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"

#define FRESH_SECONDS	1.0
#define NR_CONNECTIONS	64
#define NR_KEPT		48 /* so that there is room for who comes */
#define TIMEOUT_SECONDS 10 /* of silence, and for a request */
#define ANSWER_SECONDS	60 /* to take one */
#define POLL_MS		1000

const bool sf_serve_http_built = true;

struct client {
	int fd;
	bool is_open;	  /* else this place is free */
	bool is_ended;	  /* by us; libmicrohttpd will find out */
	bool is_answered; /* else its request is not complete */
	double since;	  /* by clock_of() */
};

struct server {
	struct sf_metrics *metrics;
	const char *name;
	struct MHD_Response *text; /* of the last snapshot; NULL: none */
	double taken;		   /* when it was there */
	struct MHD_Response *index, *not_found, *bad_method, *failed;
	int last_error; /* has been told */
	double looking; /* seconds during which nobody was listened to */
	struct client client[NR_CONNECTIONS];
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/*
 * Clients
 */

/* Stands still while a snapshot is taken, which no client is to pay for. */
static double clock_of(const struct server *server)
{
	return now() - server->looking;
}

static void end_client(struct client *client)
{
	shutdown(client->fd, SHUT_RDWR);
	client->is_ended = true;
}

/* A connection has come, or is about to be closed. */
static void note_connection(void *arg, struct MHD_Connection *connection,
			    void **slot,
			    enum MHD_ConnectionNotificationCode what)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct server *server = arg;
	struct client *client = *slot;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED && client != NULL)
		client->is_open = false;
	if (what != MHD_CONNECTION_NOTIFY_STARTED || info == NULL)
		return;
	for (size_t i = 0; i < NR_CONNECTIONS; i++) {
		client = &server->client[i];
		if (client->is_open)
			continue;
		*client = (struct client){ .fd = info->connect_fd,
					   .is_open = true,
					   .since = clock_of(server) };
		*slot = client;
		break;
	}
}

/* Its request is complete and is answered, or the answer has been taken. */
static void note_answer(const struct server *server,
			struct MHD_Connection *connection, bool is_answered)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct client *client = info != NULL ? info->socket_context : NULL;

	if (client == NULL)
		return;
	client->is_answered = is_answered;
	client->since = clock_of(server);
}

static void note_end(void *arg, struct MHD_Connection *connection, void **state,
		     enum MHD_RequestTerminationCode why)
{
	(void)state;
	(void)why;
	note_answer(arg, connection, false);
}

/* Who would go first: who waits for a request, then who waits longest. */
static bool is_before(const struct client *a, const struct client *b)
{
	if (a->is_answered != b->is_answered)
		return b->is_answered;
	return a->since < b->since;
}

/* End who takes too long, and who is too many. Whether there was any. */
static bool end_clients(struct server *server)
{
	struct client *first = NULL;
	bool any = false;
	size_t nr = 0;

	for (size_t i = 0; i < NR_CONNECTIONS; i++) {
		struct client *client = &server->client[i];
		double seconds = clock_of(server) - client->since;

		if (!client->is_open || client->is_ended)
			continue;
		if (seconds >
		    (client->is_answered ? ANSWER_SECONDS : TIMEOUT_SECONDS)) {
			end_client(client);
			any = true;
			continue;
		}
		nr++;
		if (first == NULL || is_before(client, first))
			first = client;
	}
	if (nr <= NR_KEPT || first == NULL)
		return any;
	end_client(first);
	end_clients(server);
	return true;
}

/*
 * Answers
 */

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
	double start = now();
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
	server->looking += server->taken - start;
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

static enum MHD_Result answer_get(struct server *server,
				  struct MHD_Connection *connection,
				  const char *url)
{
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(server, connection);
	if (strcmp(url, "/") == 0)
		return MHD_queue_response(connection, MHD_HTTP_OK,
					  server->index);
	return MHD_queue_response(connection, MHD_HTTP_NOT_FOUND,
				  server->not_found);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection,
			      const char *url, const char *method,
			      const char *version, const char *upload,
			      size_t *upload_len, void **state)
{
	struct server *server = arg;
	enum MHD_Result result;

	(void)version;
	(void)upload;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		note_answer(server, connection, true);
		return MHD_queue_response(connection,
					  MHD_HTTP_METHOD_NOT_ALLOWED,
					  server->bad_method);
	}
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
	result = answer_get(server, connection, url);
	note_answer(server, connection, true);
	return result;
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
static int serve(struct server *server, struct MHD_Daemon *daemon,
		 int signal_fd)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(
		daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd wait[] = {
		{ .fd = signal_fd, .events = POLLIN },
		{ .fd = info->epoll_fd, .events = POLLIN },
	};
	bool again = false;

	while (wait[0].revents == 0) {
		MHD_UNSIGNED_LONG_LONG ms;
		int timeout = POLL_MS;

		if (MHD_get_timeout(daemon, &ms) == MHD_YES && ms < POLL_MS)
			timeout = (int)ms;
		if (again)
			timeout = 0;
		if (poll(wait, 2, timeout) < 0 && errno != EINTR)
			return -errno;
		if (MHD_run(daemon) != MHD_YES)
			return -EIO;
		again = end_clients(server);
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
		daemon = MHD_start_daemon(
			MHD_USE_EPOLL, 0, NULL, NULL, answer, &server,
			MHD_OPTION_LISTEN_SOCKET, socket_fd,
			MHD_OPTION_CONNECTION_LIMIT, (unsigned)NR_CONNECTIONS,
			MHD_OPTION_CONNECTION_TIMEOUT,
			(unsigned)TIMEOUT_SECONDS, MHD_OPTION_NOTIFY_CONNECTION,
			note_connection, &server, MHD_OPTION_NOTIFY_COMPLETED,
			note_end, &server, MHD_OPTION_END);
	if (daemon != NULL) {
		err = serve(&server, daemon, signal_fd);
		MHD_stop_daemon(daemon); /* closes the socket */
	} else {
		err = err != 0 ? err : -EIO;
		close(socket_fd);
	}
	drop_pages(&server);
	return err;
}
