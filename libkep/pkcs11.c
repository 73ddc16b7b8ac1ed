#include "libkep/pkcs11.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define CRYPTOKI_GNU
#include <p11-kit/pkcs11.h>

#include "libkep/mem.h"

#define MODULE         "p11-kit-proxy.so"
#define PIN_MAX        256
#define ID_MAX         64
#define SLOTS_MAX      64
#define SIGNATURE_MAX  1024
#define POINT_MAX      256

struct pkcs11 {
	char                    *name;          /* the URI without its query, for messages */
	char                    *token, *manufacturer, *model, *serial, *object, *type, *id;
	size_t                   n_id;
	char                    *module, *pin, *pin_source;
	void                    *library;
	struct ck_function_list *f;
	bool                     initialized, open;
	ck_session_handle_t      session;
	ck_object_handle_t       key;
	enum pkcs11_kind         kind;
};

static bool complain(const struct pkcs11 *k, struct buf *error, const char *what)
{
	buf_clear(error);
	buf_addf(error, "%s: %s", k->name, what);
	return false;
}

/* ---- the URI ---- */

bool pkcs11_is_uri(const char *where)
{
	return span_casestarts(span_str(where), SPAN("pkcs11:"));
}

/* Percent-decoded; NULL: not so. */
static char *decode(struct span text, size_t *n)
{
	struct buf out = BUF_INIT;
	unsigned char octet;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '%') {
			buf_addc(&out, text.p[i]);
			continue;
		}
		if (text.n - i < 3 || !hex_decode(&octet, 1, span_of(text.p + i + 1, 2))) {
			buf_release(&out);
			return NULL;
		}
		buf_addc(&out, (char)octet);
		i += 2;
	}
	*n = out.n;
	return buf_take(&out);
}

static bool set_attribute(struct pkcs11 *k, struct span name, struct span value, bool query, struct buf *error)
{
	const struct { const char *name; char **slot; bool query; } rows[] = {
		{ "token", &k->token, false }, { "manufacturer", &k->manufacturer, false }, { "model", &k->model, false }, { "serial", &k->serial, false },
		{ "object", &k->object, false }, { "id", &k->id, false }, { "type", &k->type, false },
		{ "module-path", &k->module, true }, { "pin-value", &k->pin, true }, { "pin-source", &k->pin_source, true },
	};
	char words[160];
	size_t n;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].query == query && span_is(name, rows[i].name) && !*rows[i].slot) {
			if (!(*rows[i].slot = decode(value, &n)) || (rows[i].slot != &k->id && strlen(*rows[i].slot) != n))
				return complain(k, error, "a % in it is not followed by two hexadecimal digits, or an octet is 0");
			if (rows[i].slot == &k->id)
				k->n_id = n;
			return true;
		}
	snprintf(words, sizeof words, "'%.*s' is not known, or stands twice; see seal_key in kep.conf(5)", (int)(name.n > 40 ? 40 : name.n), name.n ? name.p : "");
	return complain(k, error, words);
}

static bool set_attributes(struct pkcs11 *k, struct span rest, char separator, struct buf *error)
{
	bool ok = true;

	while (ok && rest.n) {
		struct span value = span_cut(&rest, separator), name = span_cut(&value, '=');

		ok = set_attribute(k, name, value, separator == '&', error);
	}
	return ok;
}

static bool read_pin(struct pkcs11 *k, struct buf *error)
{
	const char *file = strncmp(k->pin_source, "file:", 5) == 0 ? k->pin_source + 5 : k->pin_source;
	FILE *f = fopen(file, "re");
	char line[PIN_MAX + 2] = "";
	struct stat st;
	bool shut, ok;

	if (!f)
		return complain(k, error, "the file of pin-source cannot be read; is it there?");
	shut = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 077);
	ok = shut && fgets(line, sizeof line, f) && strcspn(line, "\r\n") <= PIN_MAX;
	fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	if (ok && *line)
		k->pin = mem_str(line);
	explicit_bzero(line, sizeof line);
	if (!shut)
		return complain(k, error, "group or others may read the file of pin-source, or it is no regular file; chmod 600 it");
	return k->pin || complain(k, error, "the file of pin-source holds no PIN in its first line");
}

static bool judge(struct pkcs11 *k, struct buf *error)
{
	if (k->type && strcmp(k->type, "private") != 0)
		return complain(k, error, "type must be private");
	if (!k->object && !k->id)
		return complain(k, error, "names no key; add object=LABEL or id=%01");
	if (k->n_id > ID_MAX)
		return complain(k, error, "its id is too long");
	if (k->pin && k->pin_source)
		return complain(k, error, "has pin-value and pin-source; one of them is enough");
	return !k->pin_source || read_pin(k, error);
}

struct pkcs11 *pkcs11_parse(const char *uri, struct buf *error)
{
	struct pkcs11 *k = mem_new(sizeof *k);
	struct span query = span_str(uri + strlen("pkcs11:")), path = span_cut(&query, '?');

	k->name = mem_printf("pkcs11:%.*s", (int)path.n, path.p);
	if (set_attributes(k, path, ';', error) && set_attributes(k, query, '&', error) && judge(k, error))
		return k;
	pkcs11_free(k);
	return NULL;
}

/* ---- the module ---- */

static const char *words_of(ck_rv_t rv)
{
	static const struct { ck_rv_t rv; const char *words; } rows[] = {
		{ CKR_PIN_INCORRECT, "the PIN is wrong" }, { CKR_PIN_INVALID, "the PIN is wrong" }, { CKR_PIN_LEN_RANGE, "the PIN is wrong" },
		{ CKR_PIN_LOCKED, "the PIN is locked after too many wrong ones" }, { CKR_PIN_EXPIRED, "the PIN has expired" },
		{ CKR_USER_PIN_NOT_INITIALIZED, "the token has no user's PIN yet" }, { CKR_USER_NOT_LOGGED_IN, "the key wants a PIN; add pin-source=FILE" },
		{ CKR_TOKEN_NOT_PRESENT, "the token is not there" }, { CKR_TOKEN_NOT_RECOGNIZED, "the token is not known to the module" },
		{ CKR_DEVICE_REMOVED, "the token was removed" }, { CKR_DEVICE_ERROR, "the token has failed" },
		{ CKR_KEY_FUNCTION_NOT_PERMITTED, "the key may not sign" }, { CKR_MECHANISM_INVALID, "the token does not know how to sign so" },
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].rv == rv)
			return rows[i].words;
	return NULL;
}

static bool refuse(const struct pkcs11 *k, struct buf *error, const char *act, ck_rv_t rv)
{
	const char *words = words_of(rv);

	buf_clear(error);
	buf_addf(error, "%s: %s", k->name, words ? words : act);
	if (!words)
		buf_addf(error, " failed in the module with 0x%lx", (unsigned long)rv);
	return false;
}

static bool load(struct pkcs11 *k, struct buf *error)
{
	const char *module = k->module ? k->module : MODULE;
	ck_rv_t (*list)(struct ck_function_list **);
	ck_rv_t rv;

	if (!(k->library = dlopen(module, RTLD_NOW | RTLD_LOCAL))) {
		buf_clear(error);
		buf_addf(error, "%s: its PKCS#11 module cannot be loaded: %s; install it, or name it with module-path", k->name, dlerror());
		return false;
	}
	*(void **)&list = dlsym(k->library, "C_GetFunctionList");
	if (!list || list(&k->f) != CKR_OK || !k->f)
		return complain(k, error, "what module-path names is no PKCS#11 module");
	rv = k->f->C_Initialize(NULL);
	k->initialized = rv == CKR_OK;
	return rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED || refuse(k, error, "C_Initialize", rv);
}

/* A text of a token, filled up with blanks. */
static bool is_text(const char *want, const unsigned char *text, size_t n)
{
	while (n > 0 && text[n - 1] == ' ')
		n--;
	return !want || span_is(span_of((const char *)text, n), want);
}

static bool is_ours(const struct pkcs11 *k, ck_slot_id_t slot)
{
	struct ck_token_info t;

	return k->f->C_GetTokenInfo(slot, &t) == CKR_OK && t.flags & CKF_TOKEN_INITIALIZED && is_text(k->token, t.label, sizeof t.label) &&
	    is_text(k->manufacturer, t.manufacturer_id, sizeof t.manufacturer_id) && is_text(k->model, t.model, sizeof t.model) &&
	    is_text(k->serial, t.serial_number, sizeof t.serial_number);
}

/* The keys that fit in this session; at most two are told. */
static ck_rv_t find(struct pkcs11 *k, ck_object_class_t class, const char *label, struct span id, ck_object_handle_t found[2], unsigned long *n)
{
	struct ck_attribute want[3] = { { CKA_CLASS, &class, sizeof class } };
	unsigned long wants = 1;
	ck_rv_t rv;

	*n = 0;
	if (label)
		want[wants++] = (struct ck_attribute){ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) };
	if (id.n)
		want[wants++] = (struct ck_attribute){ CKA_ID, (void *)(uintptr_t)id.p, id.n };
	rv = k->f->C_FindObjectsInit(k->session, want, wants);
	if (rv != CKR_OK)
		return rv;
	rv = k->f->C_FindObjects(k->session, found, 2, n);
	k->f->C_FindObjectsFinal(k->session);
	return rv;
}

static bool read_kind(struct pkcs11 *k, struct buf *error)
{
	ck_key_type_t type = 0;
	struct ck_attribute a = { CKA_KEY_TYPE, &type, sizeof type };
	ck_rv_t rv = k->f->C_GetAttributeValue(k->session, k->key, &a, 1);

	if (rv != CKR_OK)
		return refuse(k, error, "C_GetAttributeValue", rv);
	k->kind = type == CKK_RSA ? PKCS11_RSA : type == CKK_EC ? PKCS11_EC : PKCS11_ED25519;
	return type == CKK_RSA || type == CKK_EC || type == CKK_EC_EDWARDS || complain(k, error, "is a key of another kind than RSA, EC or Ed25519");
}

static bool log_in(struct pkcs11 *k, struct buf *error)
{
	ck_rv_t rv = k->pin ? k->f->C_Login(k->session, CKU_USER, (unsigned char *)k->pin, strlen(k->pin)) : CKR_OK;

	return rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN || refuse(k, error, "C_Login", rv);
}

static void close_session(struct pkcs11 *k)
{
	if (k->open)
		k->f->C_CloseSession(k->session);
	k->open = false;
}

static bool open_session(struct pkcs11 *k, ck_slot_id_t slot, struct buf *error)
{
	ck_object_handle_t found[2];
	unsigned long n;
	ck_rv_t rv = k->f->C_OpenSession(slot, CKF_SERIAL_SESSION, NULL, NULL, &k->session);

	if (rv != CKR_OK)
		return refuse(k, error, "C_OpenSession", rv);
	k->open = true;
	if (!log_in(k, error))
		return false;
	if ((rv = find(k, CKO_PRIVATE_KEY, k->object, span_of(k->id, k->n_id), found, &n)) != CKR_OK)
		return refuse(k, error, "C_FindObjects", rv);
	if (n != 1)
		return complain(k, error, n ? "there is more than one such private key; name it by object and id" :
		    k->pin ? "there is no such private key in the token" : "there is no such private key, or it wants a PIN; add pin-source=FILE");
	k->key = found[0];
	return read_kind(k, error);
}

/* The one token that fits. */
static bool open_token(struct pkcs11 *k, struct buf *error)
{
	ck_slot_id_t slots[SLOTS_MAX], ours = 0;
	unsigned long n = SLOTS_MAX;
	size_t fit = 0;
	ck_rv_t rv = k->f->C_GetSlotList(1, slots, &n);

	if (rv != CKR_OK)
		return refuse(k, error, "C_GetSlotList", rv);
	for (size_t i = 0; i < n; i++)
		if (is_ours(k, slots[i])) {
			ours = slots[i];
			fit++;
		}
	if (fit != 1)
		return complain(k, error, fit ? "more than one token fits; name it by token and serial" :
		    "no such token is there; is the module configured for this user, and the token plugged in?");
	return open_session(k, ours, error);
}

bool pkcs11_open(struct pkcs11 *k, struct buf *error)
{
	if (load(k, error) && open_token(k, error))
		return true;
	close_session(k);
	return false;
}

void pkcs11_free(struct pkcs11 *k)
{
	if (!k)
		return;
	close_session(k);
	if (k->initialized)
		k->f->C_Finalize(NULL);
	if (k->library)
		dlclose(k->library);
	if (k->pin)
		explicit_bzero(k->pin, strlen(k->pin));
	free(k->name);
	free(k->token);
	free(k->manufacturer);
	free(k->model);
	free(k->serial);
	free(k->object);
	free(k->type);
	free(k->id);
	free(k->module);
	free(k->pin);
	free(k->pin_source);
	free(k);
}

/* ---- the key ---- */

enum pkcs11_kind pkcs11_kind(const struct pkcs11 *k)
{
	return k->kind;
}

static bool sign(struct pkcs11 *k, struct span in, struct buf *out)
{
	static const ck_mechanism_type_t types[] = { [PKCS11_RSA] = CKM_RSA_PKCS, [PKCS11_EC] = CKM_ECDSA, [PKCS11_ED25519] = CKM_EDDSA };
	struct ck_mechanism mechanism = { types[k->kind], NULL, 0 };
	unsigned char signature[SIGNATURE_MAX];
	unsigned long n = sizeof signature;

	if (!k->open || k->f->C_SignInit(k->session, &mechanism, k->key) != CKR_OK ||
	    k->f->C_Sign(k->session, (unsigned char *)(uintptr_t)in.p, in.n, signature, &n) != CKR_OK)
		return false;
	buf_add(out, span_of((const char *)signature, n));
	return true;
}

bool pkcs11_sign(struct pkcs11 *k, struct span in, struct buf *out)
{
	struct buf error = BUF_INIT;
	bool ok = sign(k, in, out);

	if (!ok) {
		close_session(k);
		ok = open_token(k, &error) && sign(k, in, out);
	}
	buf_release(&error);
	return ok;
}

bool pkcs11_point(struct pkcs11 *k, struct buf *out)
{
	char id[ID_MAX];
	unsigned char point[POINT_MAX];
	struct ck_attribute a = { CKA_ID, id, sizeof id }, p = { CKA_EC_POINT, point, sizeof point };
	ck_object_handle_t found[2];
	unsigned long n = 0;

	if (!k->open || k->f->C_GetAttributeValue(k->session, k->key, &a, 1) != CKR_OK || a.value_len > sizeof id ||
	    find(k, CKO_PUBLIC_KEY, k->object, span_of(id, a.value_len), found, &n) != CKR_OK || n != 1 ||
	    k->f->C_GetAttributeValue(k->session, found[0], &p, 1) != CKR_OK || p.value_len > sizeof point)
		return false;
	buf_add(out, span_of((const char *)point, p.value_len));
	return true;
}
