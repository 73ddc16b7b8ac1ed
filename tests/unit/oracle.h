/* oracle.h - what OpenSSL alone says of a signed message, the way everybody asks
 * it: SMIME_read_CMS() and CMS_verify().  It is no judge (it accepts far more than
 * we do), but what it refuses we must refuse as well. */
#ifndef KEP_TESTS_ORACLE_H
#define KEP_TESTS_ORACLE_H

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "libkep/base.h"
#include "libkep/log.h"

/* The anchors of a PEM file; free with X509_STORE_free(). */
static inline X509_STORE *oracle_store(const char *file)
{
	X509_STORE *store = X509_STORE_new();
	X509_VERIFY_PARAM *param = X509_VERIFY_PARAM_new();

	X509_VERIFY_PARAM_set_auth_level(param, 2);
	if (!store || X509_STORE_load_file(store, file) != 1 || X509_STORE_set1_param(store, param) != 1)
		log_fatal("OpenSSL cannot load %s", file);
	X509_VERIFY_PARAM_free(param);
	return store;
}

static inline bool oracle_accepts(struct span mail, X509_STORE *store)
{
	BIO *in = BIO_new_mem_buf(mail.n ? mail.p : "", (int)mail.n), *content = NULL;
	CMS_ContentInfo *cms = SMIME_read_CMS(in, &content);
	bool good = cms && CMS_verify(cms, NULL, store, content, NULL, CMS_NOCRL) == 1;

	CMS_ContentInfo_free(cms);
	BIO_free(content);
	BIO_free(in);
	return good;
}

#endif
