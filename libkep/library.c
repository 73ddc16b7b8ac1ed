#include "libkep/library.h"

#include <openssl/crypto.h>
#include <stdio.h>

/* First versions of each branch with the repairs of April 2026: a delta CRL without
 * number (CVE-2026-28388), key agreement and key transport in CMS (CVE-2026-28389,
 * CVE-2026-28390); and of January 2026: AuthEnvelopedData (CVE-2025-15467). */
static const struct { unsigned minor, patch; } repaired[] = {
	{ 0, 20 }, { 3, 7 }, { 4, 5 }, { 5, 6 }, { 6, 2 },
};

#define MISSING "CVE-2026-28388 (delta CRLs), CVE-2026-28389 and CVE-2026-28390 (CMS)"

static unsigned major(unsigned long version)
{
	return (unsigned)(version >> 28);
}

static unsigned minor(unsigned long version)
{
	return (unsigned)(version >> 20 & 0xff);
}

static unsigned patch(unsigned long version)
{
	return (unsigned)(version >> 4 & 0xff);
}

unsigned long library_version(void)
{
	return OpenSSL_version_num();
}

void library_name(unsigned long version, struct buf *out)
{
	buf_addf(out, "%u.%u.%u", major(version), minor(version), patch(version));
}

/* Branches between the known ones were given up before; later ones began repaired. */
static bool is_repaired(unsigned long version)
{
	if (major(version) != 3)
		return major(version) > 3;
	for (size_t i = 0; i < COUNT_OF(repaired); i++)
		if (minor(version) == repaired[i].minor)
			return patch(version) >= repaired[i].patch;
	return minor(version) > repaired[COUNT_OF(repaired) - 1].minor;
}

bool library_repaired(unsigned long version, struct buf *words)
{
	buf_clear(words);
	if (is_repaired(version))
		return true;
	buf_adds(words, "OpenSSL ");
	library_name(version, words);
	buf_adds(words, " came without the repairs of " MISSING "; update it, or see in the changelog of your distribution's package that they were put in");
	return false;
}

/* "3.0.20", and nothing behind it. */
static bool parse_version(const char *text, unsigned long *version)
{
	unsigned part[3];
	int n = 0;

	if (sscanf(text, "%2u.%3u.%3u%n", &part[0], &part[1], &part[2], &n) != 3 || text[n])
		return false;
	*version = LIBRARY_VERSION(part[0], part[1], part[2]);
	return part[0] <= 15 && part[1] <= 255 && part[2] <= 255;
}

bool library_suffices(unsigned long version, const char *required, struct buf *error)
{
	unsigned long least;

	buf_clear(error);
	if (!*required)
		return true;
	if (strcmp(required, "fixed") == 0)
		return library_repaired(version, error);
	if (!parse_version(required, &least)) {
		buf_addf(error, "require_openssl = %s; write fixed, or a version such as 3.0.20", required);
		return false;
	}
	if (version >= least)
		return true;
	buf_addf(error, "require_openssl = %s, and this is OpenSSL ", required);
	library_name(version, error);
	buf_adds(error, "; update it, or ask for less");
	return false;
}
