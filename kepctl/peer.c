#include "kepctl/peer.h"

/* Letters, digits, '-', '.' of a name; ':' of an IPv6 address. */
static bool host_good(struct span host)
{
	for (size_t i = 0; i < host.n; i++) {
		char c = ascii_lower(host.p[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':'))
			return false;
	}
	return host.n > 0 && host.n <= 255;
}

static bool port_good(struct span port)
{
	unsigned n = 0;

	for (size_t i = 0; i < port.n; i++) {
		if (port.p[i] < '0' || port.p[i] > '9')
			return false;
		n = n * 10 + (unsigned)(port.p[i] - '0');
	}
	return port.n > 0 && port.n <= 5 && n > 0 && n < 65536;
}

bool peer_relay(struct span text, struct buf *out)
{
	size_t colon = text.n;
	struct span host, port;

	while (colon > 0 && text.p[colon - 1] != ':')
		colon--;
	if (colon == 0)
		return false;
	host = span_of(text.p, colon - 1);
	port = span_of(text.p + colon, text.n - colon);
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = span_of(host.p + 1, host.n - 2);
	else if (memchr(host.p, ':', host.n))
		return false;   /* an IPv6 address needs its brackets */
	if (!host_good(host) || !port_good(port))
		return false;
	buf_addc(out, '[');
	for (size_t i = 0; i < host.n; i++)
		buf_addc(out, ascii_lower(host.p[i]));
	buf_adds(out, "]:");
	buf_add(out, port);
	return true;
}
