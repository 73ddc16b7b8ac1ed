/* smtpload - so many sessions sending one prepared mail again and again.
 *
 *   smtpload HOST:PORT SESSIONS COUNT SENDER RECIPIENT FILE [LOGIN PASSWORD]
 *
 * Each session keeps its connection and sends its next mail as soon as the last
 * was answered; commands are not pipelined.  Prints one line:
 *   rate=MAILS_PER_SECOND p50=MS p99=MS sent=N failed=N
 * The first refusal is shown on standard error.  FILE has CRLF line ends.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "libkep/buf.h"

static struct {
	const char *host, *port, *sender, *recipient, *login, *password;
	char       *mail;               /* dot-stuffed, with the final dot */
	size_t      size;
	long        count;
	double     *latency;
} job;
static atomic_long next_mail, sent, failed;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial(void)
{
	struct addrinfo hint = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	int fd = -1, one = 1;

	if (getaddrinfo(job.host, job.port, &hint, &list) != 0)
		return -1;
	fd = socket(list->ai_family, SOCK_STREAM, 0);
	if (connect(fd, list->ai_addr, list->ai_addrlen) != 0) {
		close(fd);
		fd = -1;
	} else {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	}
	freeaddrinfo(list);
	return fd;
}

/* The code of the next reply, 0 when the connection is gone. */
static int reply(int fd, char line[1024])
{
	size_t n = 0;

	for (;;) {
		ssize_t got = read(fd, line + n, 1023 - n);

		if (got <= 0)
			return 0;
		n += (size_t)got;
		line[n] = '\0';
		if (line[n - 1] != '\n')
			continue;
		char *last = line;
		for (char *p = line; (p = strchr(p, '\n')) && p[1]; p++)
			last = p + 1;
		if (strlen(last) >= 4 && last[3] == ' ')
			return atoi(last);
		if (n >= 1000)
			n = 0;
	}
}

static int all_written(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w <= 0)
			return 0;
		p += w;
		n -= (size_t)w;
	}
	return 1;
}

static int say(int fd, const char *what, int want)
{
	static atomic_flag shown = ATOMIC_FLAG_INIT;
	char line[1024] = "";
	int code = all_written(fd, what, strlen(what)) ? reply(fd, line) : 0;

	if (code / 100 != want && !atomic_flag_test_and_set(&shown))
		fprintf(stderr, "smtpload: after %.40s: %s\n", what, line);
	return code / 100 == want;
}

static int greet(int fd)
{
	struct buf plain = BUF_INIT, line = BUF_INIT;
	char text[1024];
	int ok = reply(fd, text) == 220 && say(fd, "EHLO bench.test\r\n", 2);

	if (ok && job.login) {
		buf_addc(&plain, '\0');
		buf_adds(&plain, job.login);
		buf_addc(&plain, '\0');
		buf_adds(&plain, job.password);
		buf_adds(&line, "AUTH PLAIN ");
		buf_add_base64(&line, buf_span(&plain), 0);
		buf_adds(&line, "\r\n");
		ok = say(fd, buf_str(&line), 2);
	}
	buf_release(&plain);
	buf_release(&line);
	return ok;
}

static int send_one(int fd)
{
	char line[700];

	snprintf(line, sizeof line, "MAIL FROM:<%s>\r\n", job.sender);
	if (!say(fd, line, 2))
		return 0;
	snprintf(line, sizeof line, "RCPT TO:<%s>\r\n", job.recipient);
	if (!say(fd, line, 2) || !say(fd, "DATA\r\n", 3) || !all_written(fd, job.mail, job.size - 3))
		return 0;
	return say(fd, job.mail + job.size - 3, 2);
}

static void *session(void *arg)
{
	int fd = dial(), ok = fd >= 0 && greet(fd);
	long i;

	while ((i = atomic_fetch_add(&next_mail, 1)) < job.count) {
		double start = now();

		if (ok && send_one(fd)) {
			job.latency[atomic_fetch_add(&sent, 1)] = now() - start;
			continue;
		}
		atomic_fetch_add(&failed, 1);
		if (fd >= 0)
			close(fd);
		fd = dial();
		ok = fd >= 0 && greet(fd);
	}
	if (fd >= 0) {
		say(fd, "QUIT\r\n", 2);
		close(fd);
	}
	return NULL;
}

static int load(const char *file)
{
	struct buf b = BUF_INIT;
	FILE *f = fopen(file, "r");
	int c, start = 1;

	if (!f)
		return 0;
	while ((c = fgetc(f)) != EOF) {
		if (start && c == '.')
			buf_addc(&b, '.');
		buf_addc(&b, (char)c);
		start = c == '\n';
	}
	fclose(f);
	buf_adds(&b, ".\r\n");
	job.size = b.n;
	job.mail = buf_take(&b);
	return 1;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	int sessions = argc > 2 ? atoi(argv[2]) : 0;
	pthread_t thread[256];
	double start;
	char *colon = argc > 1 ? strrchr(argv[1], ':') : NULL;

	if (argc < 7 || !colon || sessions < 1 || sessions > 256 || !load(argv[6])) {
		fprintf(stderr, "usage: smtpload HOST:PORT SESSIONS COUNT SENDER RECIPIENT FILE [LOGIN PASSWORD]\n");
		return EX_USAGE;
	}
	*colon = '\0';
	job.host = argv[1];
	job.port = colon + 1;
	job.count = atol(argv[3]);
	job.sender = argv[4];
	job.recipient = argv[5];
	job.login = argc > 8 ? argv[7] : NULL;
	job.password = argc > 8 ? argv[8] : NULL;
	job.latency = calloc((size_t)job.count + 1, sizeof *job.latency);
	start = now();
	for (int i = 0; i < sessions; i++)
		pthread_create(&thread[i], NULL, session, NULL);
	for (int i = 0; i < sessions; i++)
		pthread_join(thread[i], NULL);
	qsort(job.latency, (size_t)sent, sizeof *job.latency, by_value);
	printf("rate=%.1f p50=%.1f p99=%.1f sent=%ld failed=%ld\n", (double)sent / (now() - start),
	    1000 * job.latency[sent / 2], 1000 * job.latency[sent * 99 / 100], (long)sent, (long)failed);
	return failed ? 1 : 0;
}
