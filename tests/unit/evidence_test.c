/* The canonical JSON of an evidence, octet for octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "libkep/evidence.h"
#include "libkep/jdoc.h"
#include "tests/unit/samples.h"

static void test_delivered(void **state)
{
	static const char want[] =
		"{\"event\":\"ContentConsignment\",\"event_time\":\"2026-11-23T18:45:23.101420Z\",\"form\":\"kep-evidence-1\","
		"\"id\":\"019ab1c2-0000-7000-8000-000000000002\",\"issuer\":{\"host\":\"mx1.hs01.kep.test\",\"provider\":\"KEPHS\"},"
		"\"message\":{\"canonical\":1,\"kep_id\":\"019ab1c2-0000-7000-8000-000000000001\",\"message_id\":\"<1@hs01.kep.test>\","
		"\"queue_id\":\"4Z8F2AB23\",\"sent_at\":\"2026-11-23T18:45:20.000000Z\","
		"\"sha256\":\"1111111111111111111111111111111111111111111111111111111111111111\","
		"\"sha512\":\"2222222222222222222222222222222222222222222222222222222222222222"
		"2222222222222222222222222222222222222222222222222222222222222222\",\"size\":10240},"
		"\"outcome\":\"D.1\",\"previous\":\"019ab1c2-0000-7000-8000-000000000003\","
		"\"reason\":{\"code\":\"RD01\",\"text\":\"250 2.0.0 <ali@hs01.kep.test> Saved\"},\"recipient\":1,"
		"\"recipients\":[{\"address\":\"ali@hs01.kep.test\",\"index\":1},{\"address\":\"veli@hs02.kep.test\",\"index\":2}],"
		"\"sender\":{\"address\":\"ayse@hs01.kep.test\","
		"\"certificate_sha256\":\"3333333333333333333333333333333333333333333333333333333333333333\","
		"\"identity\":\"10000000146\",\"login\":\"ayse@hs01.kep.test\",\"signer\":\"CN=Ayşe Yılmaz,serialNumber=10000000146,C=TR\"}}";
	struct evidence e = sample_evidence(OUTCOME_DELIVERED);
	struct buf out = BUF_INIT;

	evidence_write(&out, &e);
	assert_string_equal(buf_str(&out), want);
	buf_clear(&out);
	e.cades = SPAN("T");
	evidence_write(&out, &e);
	assert_non_null(strstr(buf_str(&out), "\"sender\":{\"address\":\"ayse@hs01.kep.test\",\"cades\":\"T\",\"certificate_sha256\":"));
	buf_release(&out);
}

/* Members that may be absent are, and strangers' octets become UTF-8. */
static void test_absent(void **state)
{
	struct evidence e = sample_evidence(OUTCOME_ACCEPTED);
	struct buf out = BUF_INIT, why = BUF_INIT;
	jdoc *d;

	e.previous = e.identity = SPAN_NONE;
	e.login = SPAN("");
	e.recipient = 0;
	e.reason_text = SPAN("5\xff\"\r\n");
	evidence_write(&out, &e);
	d = jdoc_parse(buf_span(&out), 65536, &why);
	assert_non_null(d);
	assert_null(jdoc_get(d, "previous"));
	assert_null(jdoc_get(d, "recipient"));
	assert_null(jdoc_get(jdoc_get(d, "sender"), "identity"));
	assert_null(jdoc_get(jdoc_get(d, "sender"), "login"));
	assert_true(span_is(jdoc_text(jdoc_get(d, "reason"), "text"), "5\xef\xbf\xbd\"\r\n"));
	assert_true(span_is(jdoc_text(d, "outcome"), "A.1"));
	jdoc_free(d);
	buf_release(&why);
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivered),
		cmocka_unit_test(test_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
