#include "libkep/receipt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "libkep/encode.h"
#include "libkep/evidence.h"
#include "libkep/mem.h"

#define EVIDENCE_LIMIT ((size_t)1 << 20)

/* -- the evidence, read back ------------------------------------------------- */

struct facts {
	jdoc       *doc;
	const jdoc *issuer, *message, *reason, *recipients, *sender;    /* borrowed from doc */
	struct span id;
	enum outcome outcome;
	usec        event_time, sent_at;
	size_t      recipient;                                          /* 1-based; 0: all */
};

static bool is_canonical(const jdoc *doc, struct span text)
{
	struct buf again = BUF_INIT;
	bool same;

	jdoc_write(&again, doc);
	same = span_eq(buf_span(&again), text);
	buf_release(&again);
	return same;
}

static bool read_members(struct facts *f)
{
	int64_t recipient = jdoc_int(f->doc, "recipient", 0);

	f->issuer = jdoc_get(f->doc, "issuer");
	f->message = jdoc_get(f->doc, "message");
	f->reason = jdoc_get(f->doc, "reason");
	f->recipients = jdoc_get(f->doc, "recipients");
	f->sender = jdoc_get(f->doc, "sender");
	f->id = jdoc_text(f->doc, "id");
	f->outcome = outcome_find(jdoc_text(f->doc, "outcome"));
	f->recipient = recipient > 0 ? (size_t)recipient : 0;
	return f->issuer && f->message && f->reason && f->sender && recipient >= 0 && jdoc_count(f->recipients) > 0 &&
	       f->recipient <= jdoc_count(f->recipients);
}

static bool facts_read(struct facts *f, struct span evidence)
{
	memset(f, 0, sizeof *f);
	f->doc = jdoc_parse(evidence, EVIDENCE_LIMIT, NULL);
	return f->doc && is_canonical(f->doc, evidence) && span_is(jdoc_text(f->doc, "form"), EVIDENCE_FORM) &&
	       read_members(f) && uuid_valid(f->id) && f->outcome != OUTCOME_COUNT &&
	       jdoc_text(f->message, "sha256").n == 2 * SHA256_SIZE && jdoc_text(f->message, "sha512").n == 2 * SHA512_SIZE &&
	       clock_parse(jdoc_text(f->doc, "event_time"), &f->event_time) &&
	       clock_parse(jdoc_text(f->message, "sent_at"), &f->sent_at);
}

static void facts_release(struct facts *f)
{
	jdoc_free(f->doc);
}

static struct span recipient(const struct facts *f, size_t i)
{
	return jdoc_text(jdoc_at(f->recipients, i), "address");
}

/* What an outcome says about delivery and reading. */
enum moment { NOT_YET, NEVER, NOW, EARLIER, DEEMED };

static const struct { enum moment delivered, read; } moments[] = {
	[OUTCOME_ACCEPTED]       = { NOT_YET, NOT_YET },
	[OUTCOME_REFUSED]        = { NEVER,   NEVER },
	[OUTCOME_RELAY_ACCEPTED] = { NOT_YET, NOT_YET },
	[OUTCOME_RELAY_REFUSED]  = { NEVER,   NEVER },
	[OUTCOME_RELAY_FAILED]   = { NEVER,   NEVER },
	[OUTCOME_DELIVERED]      = { NOW,     NOT_YET },
	[OUTCOME_NOT_DELIVERED]  = { NEVER,   NEVER },
	[OUTCOME_READ]           = { EARLIER, NOW },
	[OUTCOME_DEEMED_READ]    = { EARLIER, DEEMED },
};
_Static_assert(COUNT_OF(moments) == OUTCOME_COUNT, "every outcome says when");

/* -- words ------------------------------------------------------------------- */

struct words {
	bool        turkish;
	const char *title, *sent, *sender, *signer, *identity, *certificate, *recipient, *recipients, *this_one;
	const char *delivered, *not_yet_delivered, *not_delivered, *earlier, *read, *not_yet_read, *not_read, *deemed;
	const char *digests, *id, *kind, *at, *reason, *issuer, *kep_id, *message_id, *queue_id, *size, *previous, *ledger, *end, *proof;
};

static const struct words turkish = {
	.turkish = true,
	.title = "KEP DELİLİ", .sent = "Gönderi zamanı", .sender = "Gönderici", .signer = "e-imza sahibi",
	.identity = "T.C. kimlik no", .certificate = "e-imza sertifikası (SHA-256)",
	.recipient = "Alıcı", .recipients = "Alıcılar", .this_one = "bu delil bu alıcı hakkındadır",
	.delivered = "Teslim zamanı", .not_yet_delivered = "henüz teslim edilmedi", .not_delivered = "teslim edilmedi",
	.earlier = "teslim delilinde kayıtlıdır",
	.read = "Okunma zamanı", .not_yet_read = "henüz okunmadı", .not_read = "okunmadı", .deemed = "okunmadı; okunmuş sayıldığı zaman:",
	.digests = "İçerik özetleri", .id = "Delil no", .kind = "Delil türü", .at = "Delil zamanı", .reason = "Gerekçe",
	.issuer = "Düzenleyen", .kep_id = "KEP ileti no", .message_id = "Message-ID", .queue_id = "Kuyruk no",
	.size = "İleti boyutu (bayt)", .previous = "Önceki delil no",
	.ledger = "Delil defteri, kayıt no",
	.end =
		"Bu ileti KEP hizmet sağlayıcısı tarafından otomatik olarak düzenlenmiş ve\n"
		"işlem sertifikasıyla imzalanmıştır; lütfen yanıtlamayın. Delilin asıl kaydı\n"
		"ekteki evidence.json dosyasıdır. İletinin içeriği sistemde saklanmaz; içeriğin\n"
		"bütünlüğü yukarıdaki özetlerle doğrulanabilir.\n",
	.proof =
		"Delilin deftere işlendiği ekteki evidence.tlog-proof ve checkpoint.p7s ile\n"
		"kanıtlanır; tümü ağ bağlantısı olmadan 'kepctl verify' ile doğrulanabilir.\n",
};

static const struct words english = {
	.turkish = false,
	.title = "KEP EVIDENCE", .sent = "Sent at", .sender = "Sender", .signer = "e-signature of",
	.identity = "T.C. identity number", .certificate = "e-signature certificate (SHA-256)",
	.recipient = "Recipient", .recipients = "Recipients", .this_one = "this evidence is about this recipient",
	.delivered = "Delivered at", .not_yet_delivered = "not yet delivered", .not_delivered = "not delivered",
	.earlier = "recorded in the evidence of delivery",
	.read = "Read at", .not_yet_read = "not yet read", .not_read = "not read", .deemed = "not read; deemed read at",
	.digests = "Content digests", .id = "Evidence id", .kind = "Kind of evidence", .at = "Time of evidence", .reason = "Reason",
	.issuer = "Issuer", .kep_id = "KEP message id", .message_id = "Message-ID", .queue_id = "Queue id",
	.size = "Message size (octets)", .previous = "Previous evidence id",
	.ledger = "Evidence ledger, entry",
	.end =
		"This message was made automatically by the KEP provider and is signed with the\n"
		"provider's certificate; please do not reply. The record itself is the attached\n"
		"evidence.json. The content of the message is not kept by the system; that it is\n"
		"unchanged can be verified with the digests above.\n",
	.proof =
		"That the record stands in the ledger is proved by the attached\n"
		"evidence.tlog-proof and checkpoint.p7s; 'kepctl verify' checks all of it\n"
		"without a network.\n",
};

/* -- times ------------------------------------------------------------------- */

/* The process's own TZ is changed for a moment and put back: composing belongs to
 * one thread of a single-threaded daemon. */
static char *zone_enter(const char *name)
{
	char *saved = mem_str(getenv("TZ"));

	setenv("TZ", name, 1);
	tzset();
	return saved;
}

static void zone_leave(char *saved)
{
	if (saved)
		setenv("TZ", saved, 1);
	else
		unsetenv("TZ");
	tzset();
	free(saved);
}

static void add_clock(struct buf *out, const struct tm *t, const struct words *w)
{
	if (w->turkish)
		buf_addf(out, "%02d.%02d.%04d", t->tm_mday, t->tm_mon + 1, t->tm_year + 1900);
	else
		buf_addf(out, "%04d-%02d-%02d", t->tm_year + 1900, t->tm_mon + 1, t->tm_mday);
	buf_addf(out, " %02d:%02d:%02d", t->tm_hour, t->tm_min, t->tm_sec);
}

/* "23.11.2026 21:45:23 (UTC+03:00) = 23.11.2026 18:45:23.101420 UTC", in English
 * with the year first.  The zone must have been entered. */
static void add_time(struct buf *out, usec t, const struct words *w)
{
	time_t s = (time_t)(t / 1000000);
	struct tm local, utc;
	long east;

	localtime_r(&s, &local);
	gmtime_r(&s, &utc);
	east = local.tm_gmtoff / 60;
	add_clock(out, &local, w);
	buf_addf(out, " (UTC%c%02ld:%02ld) = ", east < 0 ? '-' : '+', labs(east) / 60, labs(east) % 60);
	add_clock(out, &utc, w);
	buf_addf(out, ".%06d UTC", (int)(t % 1000000));
}

/* -- the readable text ------------------------------------------------------- */

static void add_line(struct buf *out, const char *indent, const char *label, struct span value)
{
	if (value.n == 0)
		return;
	buf_addf(out, "%s%s: ", indent, label);
	encode_plain(out, value);
	buf_addc(out, '\n');
}

/* The first common name of an RFC 2253 name, or all of the name. */
static void add_common_name(struct buf *out, struct span name)
{
	struct span rest = name;
	bool inside = span_casestarts(rest, SPAN("CN="));

	for (size_t i = 0; !inside && i + 4 <= name.n; i++)
		if (name.p[i] == '\\')
			i++;
		else if (name.p[i] == ',' || name.p[i] == '+') {
			rest = span_of(name.p + i + 1, name.n - i - 1);
			inside = span_casestarts(rest, SPAN("CN="));
		}
	if (!inside) {
		encode_plain(out, name);
		return;
	}
	for (size_t i = 3; i < rest.n && rest.p[i] != ',' && rest.p[i] != '+'; i++) {
		if (rest.p[i] == '\\')
			i++;
		if (i < rest.n)
			buf_addc(out, rest.p[i]);
	}
}

static void add_sender(struct buf *out, const struct facts *f, const struct words *w)
{
	struct span signer = jdoc_text(f->sender, "signer");
	struct buf name = BUF_INIT;

	add_line(out, "", w->sender, jdoc_text(f->sender, "address"));
	if (signer.n == 0)
		return;
	add_common_name(&name, signer);
	add_line(out, "    ", w->signer, buf_span(&name));
	add_line(out, "    ", w->identity, jdoc_text(f->sender, "identity"));
	buf_addf(out, "    %s:\n        ", w->certificate);
	encode_plain(out, jdoc_text(f->sender, "certificate_sha256"));
	buf_addc(out, '\n');
	buf_release(&name);
}

static void add_recipients(struct buf *out, const struct facts *f, const struct words *w)
{
	size_t n = jdoc_count(f->recipients);

	if (n == 1) {
		add_line(out, "", w->recipient, recipient(f, 0));
		return;
	}
	buf_addf(out, "%s:\n", w->recipients);
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "    %zu. ", i + 1);
		encode_plain(out, recipient(f, i));
		if (i + 1 == f->recipient)
			buf_addf(out, " (%s)", w->this_one);
		buf_addc(out, '\n');
	}
}

static void add_moment(struct buf *out, const char *label, enum moment m, usec at, const struct words *w,
                       const char *not_yet, const char *never)
{
	buf_addf(out, "%s: ", label);
	switch (m) {
	case NOT_YET:
		buf_adds(out, not_yet);
		break;
	case NEVER:
		buf_adds(out, never);
		break;
	case EARLIER:
		buf_adds(out, w->earlier);
		break;
	case DEEMED:
		buf_addf(out, "%s ", w->deemed);
		add_time(out, at, w);
		break;
	case NOW:
		add_time(out, at, w);
		break;
	}
	buf_addc(out, '\n');
}

/* The five facts of the law: when sent, who to whom, when delivered, when read, what. */
static void add_facts(struct buf *out, const struct facts *f, const struct words *w)
{
	struct span sha512 = jdoc_text(f->message, "sha512");
	size_t half = sha512.n / 2;

	buf_addf(out, "%s: ", w->sent);
	add_time(out, f->sent_at, w);
	buf_addc(out, '\n');
	add_sender(out, f, w);
	add_recipients(out, f, w);
	add_moment(out, w->delivered, moments[f->outcome].delivered, f->event_time, w, w->not_yet_delivered, w->not_delivered);
	if (moments[f->outcome].read != NEVER)
		add_moment(out, w->read, moments[f->outcome].read, f->event_time, w, w->not_yet_read, "");
	buf_addf(out, "%s (kep-canonical-%d):\n", w->digests, (int)jdoc_int(f->message, "canonical", 0));
	add_line(out, "    ", "SHA-256", jdoc_text(f->message, "sha256"));
	add_line(out, "    ", "SHA-512", span_of(sha512.p, half));
	buf_addf(out, "             ");
	encode_plain(out, span_of(sha512.p + half, sha512.n - half));
	buf_addc(out, '\n');
}

/* What identifies the evidence and its message. */
static void add_particulars(struct buf *out, const struct facts *f, const struct receipt *r, const struct words *w)
{
	const struct outcome_words *o = outcome_words(f->outcome);

	add_line(out, "", w->id, f->id);
	buf_addf(out, "%s: %s %s (%s)\n", w->kind, o->code, o->event, w->turkish ? o->turkish_label : o->english_label);
	buf_addf(out, "%s: ", w->at);
	add_time(out, f->event_time, w);
	buf_addf(out, "\n%s: ", w->reason);
	encode_plain(out, jdoc_text(f->reason, "code"));
	buf_addc(out, ' ');
	encode_plain(out, jdoc_text(f->reason, "text"));
	buf_addf(out, "\n%s: ", w->issuer);
	encode_plain(out, jdoc_text(f->issuer, "provider"));
	buf_adds(out, ", ");
	encode_plain(out, jdoc_text(f->issuer, "host"));
	buf_addc(out, '\n');
	add_line(out, "", w->kep_id, jdoc_text(f->message, "kep_id"));
	add_line(out, "", w->message_id, jdoc_text(f->message, "message_id"));
	add_line(out, "", w->queue_id, jdoc_text(f->message, "queue_id"));
	buf_addf(out, "%s: %lld\n", w->size, (long long)jdoc_int(f->message, "size", 0));
	add_line(out, "", w->previous, jdoc_text(f->doc, "previous"));
	if (r->ledger.n) {
		buf_addf(out, "%s: ", w->ledger);
		encode_plain(out, r->ledger);
		buf_addf(out, ", %" PRIu64 "\n", r->index);
	}
}

static void add_text(struct buf *out, const struct facts *f, const struct receipt *r, const struct words *w)
{
	const struct outcome_words *o = outcome_words(f->outcome);

	buf_addf(out, "%s: %s\n\n%s\n\n", w->title, w->turkish ? o->turkish_label : o->english_label, w->turkish ? o->turkish : o->english);
	add_facts(out, f, w);
	buf_addc(out, '\n');
	add_particulars(out, f, r, w);
	buf_addf(out, "\n%s", w->end);
	if (r->proof.n)
		buf_adds(out, w->proof);
}

static void add_both_texts(struct buf *out, const struct facts *f, const struct receipt *r)
{
	char *saved = zone_enter(r->time_zone);

	add_text(out, f, r, &turkish);
	buf_adds(out, "\n* * *\n\n");
	add_text(out, f, r, &english);
	zone_leave(saved);
}

/* -- the mail ---------------------------------------------------------------- */

void receipt_message_id(struct buf *out, struct span evidence_id, struct span domain)
{
	buf_addc(out, '<');
	buf_add(out, evidence_id);
	buf_adds(out, ".kep@");
	buf_add(out, domain);
	buf_addc(out, '>');
}

static void add_boundary(struct buf *out, const char *kind, const struct facts *f, const char *end)
{
	buf_addf(out, "--kep-%s-", kind);
	buf_add(out, f->id);
	buf_addf(out, "%s\r\n", end);
}

static void add_file(struct buf *out, const struct facts *f, const char *type, const char *name, struct span octets)
{
	if (octets.n == 0)
		return;
	add_boundary(out, "mixed", f, "");
	buf_addf(out, "Content-Type: %s; name=\"%s\"\r\nContent-Transfer-Encoding: base64\r\n", type, name);
	buf_addf(out, "Content-Disposition: attachment; filename=\"%s\"\r\n\r\n", name);
	buf_add_base64(out, octets, 76);
}

bool receipt_content(struct buf *out, const struct receipt *r)
{
	struct buf text = BUF_INIT;
	struct facts f;
	bool ok = facts_read(&f, r->evidence);

	if (ok) {
		add_both_texts(&text, &f, r);
		buf_adds(out, "Content-Type: multipart/mixed;\r\n boundary=\"kep-mixed-");
		buf_add(out, f.id);
		buf_adds(out, "\"\r\n\r\n");
		add_boundary(out, "mixed", &f, "");
		buf_adds(out, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
		              "Content-Language: tr, en\r\nContent-Disposition: inline\r\n\r\n");
		encode_quoted(out, buf_span(&text));
		add_file(out, &f, "application/json", RECEIPT_EVIDENCE, r->evidence);
		add_file(out, &f, "application/octet-stream", RECEIPT_PROOF, r->proof);
		add_file(out, &f, "application/octet-stream", RECEIPT_CHECKPOINT, r->checkpoint);
		add_file(out, &f, "application/vnd.etsi.timestamp-token", RECEIPT_STAMP, r->stamp);
		add_boundary(out, "mixed", &f, "--");
	}
	buf_release(&text);
	facts_release(&f);
	return ok;
}

/* "KEP Delili: Okundu – ali@hs01.kep.test", or the number of recipients. */
static void add_subject(struct buf *out, const struct facts *f)
{
	size_t n = jdoc_count(f->recipients);
	struct buf subject = BUF_INIT;

	buf_addf(&subject, "KEP Delili: %s – ", outcome_words(f->outcome)->turkish_label);
	if (f->recipient || n == 1)
		buf_add(&subject, recipient(f, f->recipient ? f->recipient - 1 : 0));
	else
		buf_addf(&subject, "%zu alıcı", n);
	encode_field(out, "Subject", buf_span(&subject));
	buf_release(&subject);
}

/* Is it safe as it is in a header?  "<" printable ASCII without blanks ">", as short as a line allows. */
static bool is_message_id(struct span id)
{
	if (id.n < 5 || id.n > 250 || id.p[0] != '<' || id.p[id.n - 1] != '>')
		return false;
	for (size_t i = 1; i + 1 < id.n; i++)
		if (id.p[i] <= ' ' || id.p[i] > '~' || id.p[i] == '<' || id.p[i] == '>')
			return false;
	return true;
}

static void add_thread(struct buf *out, struct span message_id)
{
	if (!is_message_id(message_id))
		return;
	buf_adds(out, "In-Reply-To: ");
	buf_add(out, message_id);
	buf_adds(out, "\r\nReferences: ");
	buf_add(out, message_id);
	buf_adds(out, "\r\n");
}

static void add_header(struct buf *out, const struct receipt *r, const struct facts *f)
{
	const struct outcome_words *o = outcome_words(f->outcome);
	char date[CLOCK_TEXT_SIZE];

	clock_mail_date(date, f->event_time);
	encode_mailbox(out, "From", r->provider, r->from);
	encode_mailbox(out, "To", SPAN_NONE, r->to);
	add_subject(out, f);
	buf_addf(out, "Date: %s\r\nMessage-ID: ", date);
	receipt_message_id(out, f->id, r->domain);
	buf_adds(out, "\r\n");
	add_thread(out, jdoc_text(f->message, "message_id"));
	buf_adds(out, "Auto-Submitted: auto-generated\r\nX-KEP-Type: receipt\r\nX-KEP-Evidence: ");
	buf_add(out, f->id);
	buf_addf(out, "\r\nX-KEP-Outcome: %s\r\nX-REM-Evidence-Type: %s\r\n", o->code, o->rem_type);
	buf_addf(out, "X-REM-Event: http:uri.etsi.org/02640/Event#%s\r\n", o->rem_event);
	buf_adds(out, "MIME-Version: 1.0\r\nContent-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n"
	              " micalg=sha-256; boundary=\"kep-signed-");
	buf_add(out, f->id);
	buf_adds(out, "\"\r\n\r\n");
}

bool receipt_mail(struct buf *out, const struct receipt *r, struct span content, struct span p7s)
{
	struct facts f;
	bool ok = facts_read(&f, r->evidence);

	if (ok) {
		add_header(out, r, &f);
		add_boundary(out, "signed", &f, "");
		buf_add(out, content);
		buf_adds(out, "\r\n");
		add_boundary(out, "signed", &f, "");
		buf_adds(out, "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\nContent-Transfer-Encoding: base64\r\n"
		              "Content-Disposition: attachment; filename=\"smime.p7s\"\r\n\r\n");
		buf_add_base64(out, p7s, 76);
		add_boundary(out, "signed", &f, "--");
	}
	facts_release(&f);
	return ok;
}
