#include "libkep/tsp.h"

#include <openssl/err.h>
#include <openssl/ts.h>
#include <time.h>

static bool read_imprint(TS_MSG_IMPRINT *m, struct stamp *out)
{
	static const struct { int nid; const char *name; int n; } digests[] = {
		{ NID_sha256, "sha256", 32 }, { NID_sha384, "sha384", 48 }, { NID_sha512, "sha512", 64 },
	};
	const ASN1_OBJECT *oid;
	ASN1_OCTET_STRING *octets = TS_MSG_IMPRINT_get_msg(m);

	X509_ALGOR_get0(&oid, NULL, NULL, TS_MSG_IMPRINT_get_algo(m));
	for (size_t i = 0; i < COUNT_OF(digests); i++)
		if (OBJ_obj2nid(oid) == digests[i].nid && ASN1_STRING_length(octets) == digests[i].n) {
			out->digest = digests[i].name;
			out->n = (size_t)digests[i].n;
			memcpy(out->imprint, ASN1_STRING_get0_data(octets), out->n);
			return true;
		}
	return false;
}

bool tsp_read(struct span content, struct stamp *out)
{
	const unsigned char *p = (const unsigned char *)content.p;
	TS_TST_INFO *info = d2i_TS_TST_INFO(NULL, &p, (long)content.n);
	bool good = info && (const char *)p == content.p + content.n && TS_TST_INFO_get_version(info) == 1;
	struct tm tm;

	*out = (struct stamp){ .digest = NULL };
	if (good)
		good = read_imprint(TS_TST_INFO_get_msg_imprint(info), out) && ASN1_TIME_to_tm(TS_TST_INFO_get_time(info), &tm);
	if (good)
		out->time = (usec)timegm(&tm) * 1000000;
	TS_TST_INFO_free(info);
	ERR_clear_error();
	return good;
}
