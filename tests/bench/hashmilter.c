/* hashmilter - a milter that only digests: the yardstick for kep-milter.
 *
 *   hashmilter unix:PATH
 *
 * It wants no replies for the stages that need none (but answers MAIL, which
 * kep-milter no longer does) and makes one SHA-256 over header and body of each
 * message; nothing else.
 */
#include <libmilter/mfapi.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>

static unsigned long replies_wanted;
static char program[] = "hashmilter", field[] = "X-Digest";     /* libmilter takes no const */

static sfsistat negotiate(SMFICTX *ctx, unsigned long f0, unsigned long f1, unsigned long f2, unsigned long f3,
                          unsigned long *p0, unsigned long *p1, unsigned long *p2, unsigned long *p3)
{
	*p0 = f0 & SMFIF_ADDHDRS;
	*p1 = f1 & (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_DATA | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY |
	    SMFIP_NOUNKNOWN | SMFIP_HDR_LEADSPC);
	*p2 = *p3 = 0;
	replies_wanted = *p1;
	return SMFIS_CONTINUE;
}

static sfsistat quiet(unsigned long flag)
{
	return replies_wanted & flag ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *addr)
{
	smfi_setpriv(ctx, EVP_MD_CTX_new());
	return quiet(SMFIP_NR_CONN);
}

static sfsistat on_helo(SMFICTX *ctx, char *name)
{
	return quiet(SMFIP_NR_HELO);
}

static sfsistat on_envelope(SMFICTX *ctx, char **argv)
{
	EVP_DigestInit_ex(smfi_getpriv(ctx), EVP_sha256(), NULL);
	return SMFIS_CONTINUE;
}

static sfsistat on_header(SMFICTX *ctx, char *name, char *value)
{
	EVP_DigestUpdate(smfi_getpriv(ctx), name, strlen(name));
	EVP_DigestUpdate(smfi_getpriv(ctx), value, strlen(value));
	return quiet(SMFIP_NR_HDR);
}

static sfsistat on_end_of_header(SMFICTX *ctx)
{
	return quiet(SMFIP_NR_EOH);
}

static sfsistat on_body(SMFICTX *ctx, unsigned char *octets, size_t n)
{
	EVP_DigestUpdate(smfi_getpriv(ctx), octets, n);
	return quiet(SMFIP_NR_BODY);
}

static sfsistat on_end(SMFICTX *ctx)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[2 + 2 * EVP_MAX_MD_SIZE] = " ";

	EVP_DigestFinal_ex(smfi_getpriv(ctx), digest, NULL);
	for (int i = 0; i < 32; i++)
		snprintf(text + 1 + 2 * i, 3, "%02x", digest[i]);
	smfi_addheader(ctx, field, text);
	return SMFIS_CONTINUE;
}

static sfsistat on_close(SMFICTX *ctx)
{
	EVP_MD_CTX_free(smfi_getpriv(ctx));
	smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
	struct smfiDesc filter = {
		.xxfi_name = program, .xxfi_version = SMFI_VERSION, .xxfi_flags = SMFIF_ADDHDRS,
		.xxfi_connect = on_connect, .xxfi_helo = on_helo, .xxfi_envfrom = on_envelope, .xxfi_header = on_header,
		.xxfi_eoh = on_end_of_header, .xxfi_body = on_body, .xxfi_eom = on_end, .xxfi_close = on_close,
		.xxfi_negotiate = negotiate,
	};

	if (argc != 2) {
		fprintf(stderr, "usage: hashmilter unix:PATH\n");
		return EX_USAGE;
	}
	umask(0);
	if (smfi_register(filter) != MI_SUCCESS || smfi_setconn(argv[1]) != MI_SUCCESS || smfi_opensocket(1) != MI_SUCCESS)
		return EX_OSERR;
	return smfi_main() == MI_SUCCESS ? EX_OK : EX_SOFTWARE;
}
