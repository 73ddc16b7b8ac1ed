/* A whole receipt: whatever is done to it, it is genuine only as long as its evidence
 * is one that was ever in the ledger; and what is not, is said by a check's name. */
#include <glob.h>

#include "libkep/exam.h"
#include "libkep/mem.h"
#include "tests/fuzz/fuzz.h"

#define GENUINE_MAX 16

static struct keyring keyring;
static struct buf known[GENUINE_MAX];   /* evidence that is in the ledger */
static size_t n_known;

static void read_whole(const char *file, struct buf *out)
{
	FILE *f = fopen(file, "re");
	char block[4096];
	size_t n;

	MUST(f != NULL);
	while ((n = fread(block, 1, sizeof block, f)) > 0)
		buf_add(out, span_of(block, n));
	fclose(f);
}

static void learn(const char *file)
{
	struct buf mail = BUF_INIT;
	struct exam x;

	read_whole(file, &mail);
	exam_receipt(&x, buf_span(&mail), &keyring, 0, clock_now());
	MUST(exam_genuine(&x));
	buf_add(&known[n_known++], buf_span(&x.parcel.part[PARCEL_EVIDENCE]));
	exam_release(&x);
	buf_release(&mail);
}

static void set_up(void)
{
	const char *pki = getenv("KEP_FUZZ_PKI");
	struct buf error = BUF_INIT;
	char *path;
	glob_t good;

	if (!pki) {
		fputs("set KEP_FUZZ_PKI to a directory made by tests/pki with --samples, and its scribe/ by tests/scribe.py\n", stderr);
		exit(69);
	}
	path = mem_printf("%s/scribe/trust", pki);
	MUST(keyring_load(&keyring, path, &error));
	free(path);
	path = mem_printf("%s/scribe/receipts/good*.eml", pki);
	MUST(glob(path, 0, NULL, &good) == 0 && good.gl_pathc > 0 && good.gl_pathc <= GENUINE_MAX);
	for (size_t i = 0; i < good.gl_pathc; i++)
		learn(good.gl_pathv[i]);
	globfree(&good);
	free(path);
}

static bool is_known(struct span evidence)
{
	for (size_t i = 0; i < n_known; i++)
		if (span_eq(evidence, buf_span(&known[i])))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = { (const char *)data, size };
	bool failed = false;
	struct exam x;

	if (!keyring.seals)
		set_up();
	exam_receipt(&x, in, &keyring, 0, clock_now());
	exam_message(&x, in);
	for (int i = 0; i < EXAM_CHECKS; i++) {
		failed = failed || x.check[i].state == EXAM_FAILED;
		MUST(x.check[i].state == EXAM_NOT_JUDGED || x.check[i].words.n > 0);
	}
	MUST(failed || x.check[EXAM_MESSAGE].state == EXAM_PASSED);
	x.check[EXAM_MESSAGE].state = EXAM_NOT_JUDGED;
	MUST(!exam_genuine(&x) || is_known(buf_span(&x.parcel.part[PARCEL_EVIDENCE])));
	exam_release(&x);
	return 0;
}
