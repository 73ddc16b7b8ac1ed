/* samples.h - one evidence, as policyd would write it. */
#ifndef KEP_TESTS_SAMPLES_H
#define KEP_TESTS_SAMPLES_H

#include "libkep/evidence.h"

/* 2026-11-23T18:45:23.101420Z */
#define SAMPLE_TIME ((usec)1795459523101420)

static inline struct evidence sample_evidence(enum outcome outcome)
{
	static const struct span recipients[] = {
		{ "ali@hs01.kep.test", 17 }, { "veli@hs02.kep.test", 18 },
	};
	struct evidence e = {
		.id = "019ab1c2-0000-7000-8000-000000000002",
		.outcome = outcome,
		.event_time = SAMPLE_TIME,
		.provider = SPAN("KEPHS"),
		.host = SPAN("mx1.hs01.kep.test"),
		.kep_id = SPAN("019ab1c2-0000-7000-8000-000000000001"),
		.message_id = SPAN("<1@hs01.kep.test>"),
		.queue_id = SPAN("4Z8F2AB23"),
		.sent_at = SAMPLE_TIME - 3101420,
		.size = 10240,
		.sender = SPAN("ayse@hs01.kep.test"),
		.login = SPAN("ayse@hs01.kep.test"),
		.signer = SPAN("CN=Ayşe Yılmaz,serialNumber=10000000146,C=TR"),
		.identity = SPAN("10000000146"),
		.recipients = recipients,
		.n_recipients = COUNT_OF(recipients),
		.recipient = 1,
		.reason_code = SPAN("RD01"),
		.reason_text = SPAN("250 2.0.0 <ali@hs01.kep.test> Saved"),
		.previous = SPAN("019ab1c2-0000-7000-8000-000000000003"),
	};

	memset(e.fingerprint.sha256, 0x11, SHA256_SIZE);
	memset(e.fingerprint.sha512, 0x22, SHA512_SIZE);
	memset(e.certificate, 0x33, SHA256_SIZE);
	return e;
}

#endif
