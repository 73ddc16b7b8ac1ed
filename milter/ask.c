#include "milter/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "libkep/log.h"
#include "libkep/mem.h"

struct ask {
	const char *path;
	usec        timeout, deadline;  /* deadline: of the question under way, on the monotonic clock */
	int         fd;                 /* -1: not connected */
	struct buf  out, in;
};

enum outcome { ANSWERED, HUNG_UP, FAILED };    /* HUNG_UP: nothing of an answer came */

static usec monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (usec)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

struct ask *ask_new(const char *path, usec timeout)
{
	struct ask *a = mem_new(sizeof *a);

	a->path = path;
	a->timeout = timeout;
	a->fd = -1;
	return a;
}

static void hang_up(struct ask *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
	buf_clear(&a->in);
}

void ask_free(struct ask *a)
{
	if (!a)
		return;
	hang_up(a);
	buf_release(&a->out);
	buf_release(&a->in);
	free(a);
}

static bool complain(const struct ask *a, const char *what)
{
	log_warn("ask socket %s: %s", a->path, what);
	return false;
}

/* The time left, for SO_SNDTIMEO: connect(2) waits for a place in the backlog. */
static struct timeval time_left(const struct ask *a)
{
	usec left = a->deadline - monotonic();

	if (left < 1000)
		left = 1000;
	return (struct timeval){ .tv_sec = (time_t)(left / 1000000), .tv_usec = (suseconds_t)(left % 1000000) };
}

static bool dial(struct ask *a)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct timeval left = time_left(a);

	if (strlen(a->path) >= sizeof to.sun_path)
		return complain(a, "the path is too long for a socket");
	strcpy(to.sun_path, a->path);
	a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (a->fd >= 0 && setsockopt(a->fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof left) == 0 &&
	    connect(a->fd, (struct sockaddr *)&to, sizeof to) == 0)
		return true;
	log_warn("ask socket %s: %s; is kep-policyd running, and may our user use its socket?", a->path, strerror(errno));
	hang_up(a);
	return false;
}

/* true: ready for events before the deadline. */
static bool ready(const struct ask *a, short events)
{
	for (;;) {
		struct pollfd p = { .fd = a->fd, .events = events };
		usec left = a->deadline - monotonic();
		int n = left > 0 ? poll(&p, 1, (int)(left / 1000) + 1) : 0;

		if (n > 0)
			return true;
		if (n == 0 || errno != EINTR)
			return complain(a, n == 0 ? "no answer in time (ask_timeout)" : strerror(errno));
	}
}

static enum outcome put_question(struct ask *a)
{
	for (size_t done = 0; done < a->out.n; ) {
		ssize_t n = send(a->fd, a->out.p + done, a->out.n - done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EAGAIN && errno != EINTR)
			return HUNG_UP;
		else if (!ready(a, POLLOUT))
			return FAILED;
	}
	return ANSWERED;
}

static enum outcome get_answer(struct ask *a)
{
	char block[4096];
	ssize_t n;

	buf_clear(&a->in);
	while (a->in.n <= ASK_ANSWER_MAX) {
		if (!ready(a, POLLIN))
			return FAILED;
		n = recv(a->fd, block, sizeof block, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return a->in.n ? (complain(a, "the answer broke off"), FAILED) : HUNG_UP;
		buf_add(&a->in, span_of(block, (size_t)n));
		if (block[n - 1] == '\n')
			return ANSWERED;
	}
	complain(a, "the answer is too long");
	return FAILED;
}

static enum outcome exchange(struct ask *a)
{
	enum outcome result = put_question(a);

	return result == ANSWERED ? get_answer(a) : result;
}

/* ANSWERED: the line is in a->in.  Otherwise the connection is closed, since a
 * late answer would be taken for that of the next question. */
static bool converse(struct ask *a)
{
	bool kept = a->fd >= 0;
	enum outcome result;

	if (!kept && !dial(a))
		return false;
	result = exchange(a);
	if (result == HUNG_UP && kept) {
		hang_up(a);
		if (!dial(a))
			return false;
		result = exchange(a);
	}
	if (result == HUNG_UP)
		complain(a, "the connection was closed without an answer");
	if (result != ANSWERED)
		hang_up(a);
	return result == ANSWERED;
}

jdoc *ask_question(struct ask *a, const jdoc *question)
{
	struct buf why = BUF_INIT;
	jdoc *answer = NULL;

	buf_clear(&a->out);
	jdoc_write(&a->out, question);
	buf_addc(&a->out, '\n');
	a->deadline = monotonic() + a->timeout;
	if (converse(a)) {
		answer = jdoc_parse(span_trim(buf_span(&a->in)), ASK_ANSWER_MAX, &why);
		if (!answer) {
			log_warn("ask socket %s: the answer is no JSON object: %s", a->path, buf_str(&why));
			hang_up(a);
		}
	}
	buf_release(&why);
	return answer;
}
