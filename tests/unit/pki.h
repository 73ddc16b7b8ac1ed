/* pki.h - a PKI made at test time by tests/pki, in a directory that goes away. */
#ifndef KEP_TESTS_PKI_H
#define KEP_TESTS_PKI_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libkep/buf.h"
#include "libkep/log.h"
#include "libkep/mem.h"
#include "libkep/trust.h"

#define PKI_SKIP 77     /* automake's word for a test that could not be run */

static char pki_dir[] = "/tmp/kep-pki-XXXXXX";

static inline void pki_remove(void)
{
	char *command = mem_printf("rm -rf '%s'", pki_dir);

	if (system(command) != 0)
		fprintf(stderr, "%s was left behind\n", pki_dir);
	free(command);
}

/* Make it once; the program ends as skipped where python3 or openssl is missing. */
static inline void pki_make(bool samples)
{
	char *command;

	if (system("command -v python3 >/dev/null && command -v openssl >/dev/null") != 0) {
		fputs("skipped: python3 and openssl are needed to make certificates\n", stderr);
		exit(PKI_SKIP);
	}
	if (!mkdtemp(pki_dir))
		log_fatal("mkdtemp failed");
	atexit(pki_remove);
	command = mem_printf("'%s/pki' '%s' && { %s || '%s/pki' --samples '%s'; }", KEP_TESTS, pki_dir,
	    samples ? "false" : "true", KEP_TESTS, pki_dir);
	if (system(command) != 0)
		log_fatal("tests/pki failed");
	free(command);
}

/* Add what another program of tests/ makes there. */
static inline void pki_more(const char *program)
{
	char *command = mem_printf("PYTHONDONTWRITEBYTECODE=1 python3 '%s/%s' '%s'", KEP_TESTS, program, pki_dir);

	if (system(command) != 0)
		log_fatal("tests/%s failed", program);
	free(command);
}

/* A name below the directory; free it. */
static inline char *pki_path(const char *name)
{
	return mem_printf("%s/%s", pki_dir, name);
}

static inline bool read_file(const char *file, struct buf *out)
{
	FILE *f = fopen(file, "re");
	char block[4096];
	size_t n;

	buf_clear(out);
	if (!f)
		return false;
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(out, span_of(block, n));
	fclose(f);
	return true;
}

static inline void pki_read(const char *name, struct buf *out)
{
	char *file = pki_path(name);

	if (!read_file(file, out))
		log_fatal("%s cannot be read", file);
	free(file);
}

static inline struct trust *pki_trust(const char *name)
{
	struct buf error = BUF_INIT;
	char *path = pki_path(name);
	struct trust *t = trust_load(path, &error);

	if (!t)
		log_fatal("%s", buf_str(&error));
	free(path);
	buf_release(&error);
	return t;
}

/* The folder of published test data, or NULL. */
static inline char *shared_path(const char *name)
{
	const char *shared = getenv("KEP_SHARED");
	char *path = mem_printf("%s/%s", shared ? shared : KEP_TESTS "/../../shared", name);

	if (access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

#endif
