#include "libkep/signer.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "libkep/addr.h"
#include "libkep/log.h"
#include "libkep/mem.h"

#define STATEMENT_LIMIT 50
#define COMPLIANCE      "0.4.0.1862.1.1"        /* id-etsi-qcs-QcCompliance */

static void *made(void *p)
{
	if (!p)
		log_fatal("out of memory");
	return p;
}

void signer_release(struct signer *s)
{
	free(s->subject);
	free(s->serial);
	free(s->issuer);
	free(s->identity);
	free(s->digest);
	for (size_t i = 0; i < s->n_mailboxes; i++)
		free(s->mailboxes[i]);
	memset(s, 0, sizeof *s);
}

/* Names and numbers. */

static char *name_text(const X509_NAME *name)
{
	/* RFC 2253, but letters of every alphabet as UTF-8 instead of escaped. */
	unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
	BIO *out = made(BIO_new(BIO_s_mem()));
	char *text = NULL, *p;
	long n;

	if (X509_NAME_print_ex(out, name, 0, flags) >= 0 && (n = BIO_get_mem_data(out, &p)) >= 0)
		text = mem_span(span_of(p, (size_t)n));
	BIO_free(out);
	return text && utf8_valid(span_str(text)) ? text : (free(text), mem_str("?"));
}

bool signer_identity_valid(struct span s)
{
	int odd = 0, even = 0, sum = 0;

	if (s.n != 11 || s.p[0] == '0')
		return false;
	for (size_t i = 0; i < 11; i++) {
		int digit = s.p[i] - '0';

		if (digit < 0 || digit > 9)
			return false;
		if (i < 9)
			*(i % 2 ? &even : &odd) += digit;
		if (i < 10)
			sum += digit;
	}
	return s.p[9] - '0' == ((odd * 7 - even) % 10 + 10) % 10 && s.p[10] - '0' == sum % 10;
}

/* "12345678901" or "TR12345678901" in the subject's only serialNumber. */
static char *identity(const X509_NAME *subject)
{
	int at = X509_NAME_get_index_by_NID(subject, NID_serialNumber, -1);
	unsigned char *text = NULL;
	char *found = NULL;
	struct span s;
	int n;

	if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_serialNumber, at) >= 0)
		return NULL;
	n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (n < 0)
		return NULL;
	s = span_of((const char *)text, (size_t)n);
	if (span_casestarts(s, SPAN("TR")))
		s = span_of(s.p + 2, s.n - 2);
	if (signer_identity_valid(s))
		found = mem_span(s);
	OPENSSL_free(text);
	return found;
}

static char *serial_text(X509 *x)
{
	BIGNUM *n = made(ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL));
	char *hex = made(BN_bn2hex(n)), *text = mem_str(hex);

	OPENSSL_free(hex);
	BN_free(n);
	return text;
}

static void fingerprint(unsigned char *out, X509 *x)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);

	if (n < 0)
		log_fatal("out of memory");
	digest_sha256(out, span_of((const char *)der, (size_t)n));
	OPENSSL_free(der);
}

/* Mailboxes. */

/* Visible ASCII only: what a NUL hides from one reader another one sees. */
static bool is_visible(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return s.n > 0;
}

static struct span octets_of(const ASN1_STRING *s)
{
	return span_of((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* NULL: not an address.  addr.c folds the whole of it, we the domain only. */
static char *mailbox(struct span s)
{
	struct addr a;
	char *text;

	if (!is_visible(s) || s.p[0] == '<' || !addr_parse(&a, s) || addr_empty(&a))
		return NULL;
	text = mem_span(s);
	memcpy(text + a.at, a.text + a.at, a.n - a.at);
	return text;
}

static bool add_mailbox(struct signer *s, const ASN1_STRING *name)
{
	char *text = s->n_mailboxes < SIGNER_MAILBOX_LIMIT ? mailbox(octets_of(name)) : NULL;

	if (text)
		s->mailboxes[s->n_mailboxes++] = text;
	return text != NULL;
}

/* One in the subject binds nothing, but must not deceive those who look at it. */
static bool subject_mail_clear(const X509_NAME *subject)
{
	for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_pkcs9_emailAddress, i)) >= 0; )
		if (!is_visible(octets_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)))))
			return false;
	return true;
}

static enum reason read_mailboxes(struct signer *s, X509 *x)
{
	int critical;
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
	bool good = subject_mail_clear(X509_get_subject_name(x));

	if (!names)     /* -1: there is none */
		return critical != -1 ? REASON_SIGNER_CERTIFICATE : good ? REASON_ACCEPTED : REASON_SIGNER_ADDRESS;
	for (int i = 0; good && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_EMAIL)
			good = add_mailbox(s, name->d.rfc822Name);
	}
	GENERAL_NAMES_free(names);
	return good ? REASON_ACCEPTED : REASON_SIGNER_ADDRESS;
}

enum reason signer_read(struct signer *s, struct x509_st *certificate)
{
	enum reason why;

	fingerprint(s->certificate, certificate);
	s->subject = name_text(X509_get_subject_name(certificate));
	s->issuer = name_text(X509_get_issuer_name(certificate));
	s->serial = serial_text(certificate);
	s->identity = identity(X509_get_subject_name(certificate));
	why = read_mailboxes(s, certificate);
	ERR_clear_error();
	return why;
}

/* What a qualified certificate says of itself. */

static struct span oid_text(char out[80], const ASN1_OBJECT *oid)
{
	int n = OBJ_obj2txt(out, 80, oid, 1);

	return n > 0 && n < 80 ? span_of(out, (size_t)n) : SPAN_NONE;
}

/* statementId of QCStatement ::= SEQUENCE { statementId OID, statementInfo ANY OPTIONAL }. */
static struct span statement_id(char out[80], const ASN1_TYPE *statement)
{
	STACK_OF(ASN1_TYPE) *members;
	struct span id = SPAN_NONE;
	const unsigned char *p;

	if (statement->type != V_ASN1_SEQUENCE)
		return id;
	p = ASN1_STRING_get0_data(statement->value.sequence);
	members = d2i_ASN1_SEQUENCE_ANY(NULL, &p, ASN1_STRING_length(statement->value.sequence));
	if (members && sk_ASN1_TYPE_num(members) > 0 && sk_ASN1_TYPE_value(members, 0)->type == V_ASN1_OBJECT)
		id = oid_text(out, sk_ASN1_TYPE_value(members, 0)->value.object);
	sk_ASN1_TYPE_pop_free(members, ASN1_TYPE_free);
	return id;
}

/* The statements of the only extension of that kind; NULL: not so. */
static STACK_OF(ASN1_TYPE) *read_statements(const X509 *x)
{
	int at = X509_get_ext_by_NID(x, NID_qcStatements, -1);
	const ASN1_OCTET_STRING *value;
	STACK_OF(ASN1_TYPE) *list;
	const unsigned char *p;

	if (at < 0 || X509_get_ext_by_NID(x, NID_qcStatements, at) >= 0)
		return NULL;
	value = X509_EXTENSION_get_data(X509_get_ext(x, at));
	p = ASN1_STRING_get0_data(value);
	list = d2i_ASN1_SEQUENCE_ANY(NULL, &p, ASN1_STRING_length(value));
	if (!list || (p == ASN1_STRING_get0_data(value) + ASN1_STRING_length(value) && sk_ASN1_TYPE_num(list) <= STATEMENT_LIMIT))
		return list;
	sk_ASN1_TYPE_pop_free(list, ASN1_TYPE_free);
	return NULL;
}

static bool has_statements(const X509 *x, const char *of_law)
{
	STACK_OF(ASN1_TYPE) *list = read_statements(x);
	bool complies = false, lawful = false;
	char text[80];

	for (int i = 0; list && i < sk_ASN1_TYPE_num(list); i++) {
		struct span id = statement_id(text, sk_ASN1_TYPE_value(list, i));

		complies |= span_is(id, COMPLIANCE);
		lawful |= id.n && profile_lists(of_law, id);
	}
	sk_ASN1_TYPE_pop_free(list, ASN1_TYPE_free);
	return complies && lawful;
}

static bool has_policy(const X509 *x, const char *policies)
{
	CERTIFICATEPOLICIES *list;
	bool found = false;
	char text[80];

	if (!span_trim(span_str(policies)).n)
		return true;
	list = X509_get_ext_d2i(x, NID_certificate_policies, NULL, NULL);
	for (int i = 0; list && i < sk_POLICYINFO_num(list); i++) {
		struct span id = oid_text(text, sk_POLICYINFO_value(list, i)->policyid);

		found |= id.n && profile_lists(policies, id);
	}
	CERTIFICATEPOLICIES_free(list);
	return found;
}

enum reason signer_qualifies(const struct signer *s, struct x509_st *certificate, const struct profile *p)
{
	enum reason why = REASON_ACCEPTED;

	if (p->kind != PROFILE_NES)
		return REASON_ACCEPTED;
	if (!(X509_get_extension_flags(certificate) & EXFLAG_KUSAGE) || !(X509_get_key_usage(certificate) & KU_NON_REPUDIATION))
		why = REASON_SIGNER_USAGE;
	else if (!has_statements(certificate, p->statements))
		why = REASON_SIGNER_NOT_QUALIFIED;
	else if (!has_policy(certificate, p->policies))
		why = REASON_SIGNER_POLICY;
	else if (!s->identity)
		why = REASON_SIGNER_NO_IDENTITY;
	ERR_clear_error();
	return why;
}
