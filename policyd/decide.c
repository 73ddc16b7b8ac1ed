#include "policyd/decide.h"

bool decide_is_kep(enum party p)
{
	return p >= PARTY_PROVIDER;
}

bool decide_needs_account(enum party sender)
{
	return sender == PARTY_ACTIVE || sender == PARTY_PROVIDER;
}

enum reason decide_sender(enum party sender, enum login login, enum tls tls)
{
	switch (sender) {
	case PARTY_NULL:
	case PARTY_ORDINARY:
	case PARTY_TRACK:
		return REASON_ACCEPTED;
	case PARTY_PROVIDER:
		return tls == TLS_OTHER ? REASON_PROVIDER_NOT_AUTHENTICATED : REASON_ACCEPTED;
	case PARTY_ACTIVE:
	case PARTY_INACTIVE:
		if (login == LOGIN_NONE)
			return REASON_LOGIN_MISSING;
		if (login == LOGIN_WRONG)
			return REASON_LOGIN_MISMATCH;
		return sender == PARTY_ACTIVE ? REASON_ACCEPTED : REASON_SENDER_INACTIVE;
	case PARTY_NO_ACCOUNT:
		return REASON_SENDER_UNKNOWN;
	case PARTY_UNREADABLE:
		return REASON_ADDRESS_SYNTAX;
	case PARTY_OURS:
		break;
	}
	return REASON_UNAVAILABLE;
}

/* From one of ours, or from another provider. */
static enum reason from_kep(enum party sender, enum party rcpt)
{
	switch (rcpt) {
	case PARTY_ACTIVE:
		return REASON_ACCEPTED;
	case PARTY_INACTIVE:
		return REASON_RECIPIENT_INACTIVE;
	case PARTY_NO_ACCOUNT:
		return REASON_RECIPIENT_UNKNOWN;
	case PARTY_UNREADABLE:
		return REASON_ADDRESS_SYNTAX;
	case PARTY_PROVIDER:
		return sender == PARTY_PROVIDER ? REASON_RECIPIENT_NOT_OURS : REASON_ACCEPTED;
	case PARTY_NULL:
	case PARTY_ORDINARY:
	case PARTY_TRACK:
		return sender == PARTY_PROVIDER ? REASON_RECIPIENT_NOT_OURS : REASON_RECIPIENT_ORDINARY;
	case PARTY_OURS:
		break;
	}
	return REASON_UNAVAILABLE;
}

enum reason decide_rcpt(enum party sender, enum party rcpt, bool closed_host)
{
	if (decide_is_kep(sender))
		return from_kep(sender, rcpt);
	if (decide_is_kep(rcpt))
		return sender == PARTY_NULL ? REASON_SENDER_NULL : REASON_SENDER_ORDINARY;
	if (closed_host && !(sender == PARTY_NULL && rcpt == PARTY_TRACK))
		return REASON_CLOSED_HOST;
	return REASON_ACCEPTED;
}
