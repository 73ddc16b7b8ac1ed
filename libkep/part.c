#include "libkep/part.h"

bool part_is_cms(const struct media *m)
{
	return strcmp(m->type, "application/pkcs7-mime") == 0 || strcmp(m->type, "application/x-pkcs7-mime") == 0;
}

/* By smime-type; anywhere, and what else there is to say at the root only or below it only. */
static const struct { const char *smime_type; enum reason root, below; } kinds[] = {
	{ "enveloped-data",     REASON_ENCRYPTED_CONTENT,  REASON_ENCRYPTED_CONTENT },
	{ "authenveloped-data", REASON_ENCRYPTED_CONTENT,  REASON_ENCRYPTED_CONTENT },
	{ "compressed-data",    REASON_COMPRESSED_CONTENT, REASON_COMPRESSED_CONTENT },
	{ "certs-only",         REASON_CERTS_ONLY,         REASON_ACCEPTED },
};

static const struct { const char *type; enum reason root, below; } types[] = {
	{ "message/partial",       REASON_MESSAGE_PARTIAL,   REASON_MESSAGE_PARTIAL },
	{ "message/external-body", REASON_EXTERNAL_BODY,     REASON_EXTERNAL_BODY },
	{ "multipart/encrypted",   REASON_ENCRYPTED_CONTENT, REASON_ENCRYPTED_CONTENT },
	{ "multipart/signed",      REASON_ACCEPTED,          REASON_NESTED_SIGNATURE },
};

static enum reason judge_cms(const struct media *m, bool root)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (strcmp(m->smime_type, kinds[i].smime_type) == 0)
			return root ? kinds[i].root : kinds[i].below;
	return root ? REASON_ACCEPTED : REASON_NESTED_SIGNATURE;
}

enum reason part_judge(const struct media *m, bool root)
{
	if (part_is_cms(m))
		return judge_cms(m, root);
	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (strcmp(m->type, types[i].type) == 0)
			return root ? types[i].root : types[i].below;
	return REASON_ACCEPTED;
}
