/* kep.conf: every text is read or refused in words, and nothing leaks. */
#include "libkep/conf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf error = BUF_INIT;
	struct conf c;
	bool good;

	conf_init(&c);
	good = conf_read_text(&c, "kep.conf", span_of((const char *)data, size), &error);
	MUST(good || error.n > 0);
	MUST(conf_hostname(&c) != NULL);
	conf_release(&c);
	buf_release(&error);
	return 0;
}
