-- 0007 audit: the views an auditor reads.  They stay as they are across versions:
-- columns may be added, never renamed or given another meaning.

SET ROLE kep_owner;

CREATE VIEW kep.message_facts AS
SELECT m.kep_id, m.host, m.queue_id, m.message_id,
       CASE WHEN m.provider IS NULL THEN m.sender ELSE m.from_address END AS sender, r.recipient_index, r.address AS recipient, m.sent_at,
       d.event_time AS delivered_at, rd.event_time AS read_at, dr.event_time AS deemed_read_at,
       m.sha256, m.sha512, m.size, m.signer ->> 'subject' AS signer,
       CASE WHEN x.accepted IS NULL THEN CASE WHEN v.kep_id IS NULL THEN 'pending' ELSE 'void' END
            WHEN rd.id IS NOT NULL THEN 'read'
            WHEN dr.id IS NOT NULL THEN 'deemed read'
            WHEN d.id IS NOT NULL THEN 'delivered'
            WHEN f.id IS NOT NULL THEN 'failed'
            WHEN l.kep_id IS NOT NULL THEN 'relayed'
            ELSE 'waiting' END AS state,
       x.accepted AS accepted_at
  FROM kep.message AS m
  JOIN kep.recipient AS r ON r.kep_id = m.kep_id
  LEFT JOIN LATERAL (SELECT min(e.event_time) AS accepted FROM kep.evidence AS e
                      WHERE e.kep_id = m.kep_id AND e.recipient_index = 0 AND e.outcome IN ('A.1', 'B.1')) AS x ON true
  LEFT JOIN kep.void_trace AS v ON v.kep_id = m.kep_id
  LEFT JOIN kep.relay AS l ON l.kep_id = m.kep_id AND l.recipient_index = r.recipient_index
  LEFT JOIN kep.evidence AS d ON d.kep_id = m.kep_id AND d.recipient_index = r.recipient_index AND d.outcome = 'D.1'
  LEFT JOIN kep.evidence AS rd ON rd.kep_id = m.kep_id AND rd.recipient_index = r.recipient_index AND rd.outcome = 'E.1'
  LEFT JOIN kep.evidence AS dr ON dr.kep_id = m.kep_id AND dr.recipient_index = r.recipient_index AND dr.outcome = 'E.2'
  LEFT JOIN LATERAL (SELECT e.id FROM kep.evidence AS e WHERE e.kep_id = m.kep_id AND e.recipient_index = r.recipient_index
                        AND e.outcome IN ('D.2', 'B.2', 'B.3') LIMIT 1) AS f ON true;
COMMENT ON VIEW kep.message_facts IS 'the five facts of the law per message and recipient: when sent, who to whom, when delivered, when read, integrity of content';
COMMENT ON COLUMN kep.message_facts.kep_id IS 'our id of the message';
COMMENT ON COLUMN kep.message_facts.host IS 'the mail host that took it';
COMMENT ON COLUMN kep.message_facts.queue_id IS 'Postfix''s queue id there';
COMMENT ON COLUMN kep.message_facts.message_id IS 'its Message-ID field';
COMMENT ON COLUMN kep.message_facts.sender IS 'sender (gönderici); of another provider''s mail the From address, since its envelope sender is a return address';
COMMENT ON COLUMN kep.message_facts.recipient_index IS 'number of the recipient in the message';
COMMENT ON COLUMN kep.message_facts.recipient IS 'recipient (alıcı)';
COMMENT ON COLUMN kep.message_facts.sent_at IS 'time of sending (gönderi zamanı)';
COMMENT ON COLUMN kep.message_facts.delivered_at IS 'time of delivery to the mailbox (teslim edilme zamanı); empty: not delivered (yet)';
COMMENT ON COLUMN kep.message_facts.read_at IS 'time of reading (okunma zamanı); empty: not read';
COMMENT ON COLUMN kep.message_facts.deemed_read_at IS 'time at which it counted as read by law (okunmuş sayılma); empty: not so';
COMMENT ON COLUMN kep.message_facts.sha256 IS 'integrity of content (içeriğin bütünlüğü): SHA-256';
COMMENT ON COLUMN kep.message_facts.sha512 IS 'integrity of content (içeriğin bütünlüğü): SHA-512';
COMMENT ON COLUMN kep.message_facts.size IS 'octets digested';
COMMENT ON COLUMN kep.message_facts.signer IS 'subject of the certificate that signed (e-imza)';
COMMENT ON COLUMN kep.message_facts.state IS 'pending, void, waiting, relayed, delivered, failed, read or deemed read';
COMMENT ON COLUMN kep.message_facts.accepted_at IS 'time of acceptance (kabul zamanı); empty: not accepted (yet)';

CREATE VIEW kep.message_timeline AS
SELECT m.kep_id, m.sent_at AS at, 'submitted' AS what, NULL::text AS recipient, NULL::text AS outcome,
       'by ' || m.sender || ', queue id ' || m.queue_id || ' on ' || m.host || ', ' || m.size || ' octets, Message-ID ' || m.message_id AS details
  FROM kep.message AS m
UNION ALL
SELECT v.kep_id, v.at, 'void', NULL, NULL, 'did not reach the queue in time' FROM kep.void_trace AS v
UNION ALL
SELECT e.kep_id, e.event_time,
       CASE e.outcome WHEN 'A.1' THEN 'accepted' WHEN 'A.2' THEN 'refused' WHEN 'B.1' THEN 'accepted by provider'
                      WHEN 'B.2' THEN 'refused by provider' WHEN 'B.3' THEN 'relay failed' WHEN 'D.1' THEN 'delivered'
                      WHEN 'D.2' THEN 'failed' WHEN 'E.1' THEN 'read' ELSE 'deemed read' END,
       r.address, e.outcome, concat_ws(', ', 'evidence ' || e.id, e.reason_code, e.reply)
  FROM kep.evidence AS e LEFT JOIN kep.recipient AS r ON r.kep_id = e.kep_id AND r.recipient_index = e.recipient_index
UNION ALL
SELECT l.kep_id, l.at, 'relayed', r.address, NULL, concat_ws(', ', 'towards ' || nullif(l.relay, ''), 'queue id ' || nullif(l.queue_id, ''))
  FROM kep.relay AS l LEFT JOIN kep.recipient AS r ON r.kep_id = l.kep_id AND r.recipient_index = l.recipient_index
UNION ALL
SELECT n.kep_id, n.at, 'report', r.address, NULL, concat_ws(', ', n.action, nullif(n.status, ''), nullif(n.details, ''))
  FROM kep.relay_event AS n LEFT JOIN kep.recipient AS r ON r.kep_id = n.kep_id AND r.recipient_index = n.recipient_index
UNION ALL
SELECT e.kep_id, o.stored_at, 'receipt stored', o.recipient, e.outcome, 'evidence ' || e.id
  FROM kep.evidence AS e JOIN kep.outbox AS o ON o.evidence_id = e.id WHERE o.stored_at IS NOT NULL
UNION ALL
SELECT e.kep_id, o.sent_at, 'receipt sent', o.recipient, e.outcome, concat_ws(', ', 'evidence ' || e.id, 'queue id ' || o.queue_id)
  FROM kep.evidence AS e JOIN kep.outbox AS o ON o.evidence_id = e.id WHERE o.sent_at IS NOT NULL
UNION ALL
SELECT a.kep_id, a.at, 'alarm', NULL, NULL, concat_ws(', ', a.why, nullif(a.details, ''), 'on ' || a.host)
  FROM kep.alarm AS a WHERE a.kep_id IS NOT NULL;
COMMENT ON VIEW kep.message_timeline IS 'every step of a message with its time; ORDER BY at';
COMMENT ON COLUMN kep.message_timeline.kep_id IS 'our id of the message';
COMMENT ON COLUMN kep.message_timeline.at IS 'when';
COMMENT ON COLUMN kep.message_timeline.what IS 'submitted, accepted, refused, relayed, report, accepted by provider, refused by provider, relay failed, delivered, failed, read, deemed read, receipt stored, receipt sent, alarm or void';
COMMENT ON COLUMN kep.message_timeline.recipient IS 'the recipient it concerns, or the party a receipt went to; empty: the whole message';
COMMENT ON COLUMN kep.message_timeline.outcome IS 'code of the outcome (EN 319 522-1), of evidence and receipts';
COMMENT ON COLUMN kep.message_timeline.details IS 'further words: ids, replies, reasons';

CREATE VIEW kep.messages AS
SELECT m.kep_id, m.host, m.queue_id, m.message_id, m.sent_at, m.sender, m.provider, m.login, m.client, m.from_address, m.size, m.canonical,
       m.sha256, m.sha512, m.signer ->> 'subject' AS signer, m.signer ->> 'issuer' AS signer_issuer, m.signer ->> 'serial' AS signer_serial,
       m.signer ->> 'identity' AS signer_identity, m.signer ->> 'certificate' AS signer_certificate, m.signer ->> 'digest' AS signer_digest,
       CASE WHEN EXISTS (SELECT FROM kep.evidence AS e WHERE e.kep_id = m.kep_id AND e.recipient_index = 0 AND e.outcome IN ('A.1', 'B.1')) THEN 'accepted'
            WHEN EXISTS (SELECT FROM kep.void_trace AS v WHERE v.kep_id = m.kep_id) THEN 'void'
            ELSE 'pending' END AS state
  FROM kep.message AS m;
COMMENT ON VIEW kep.messages IS 'submitted messages (gönderi): fingerprints and parties, never content';
COMMENT ON COLUMN kep.messages.kep_id IS 'our id of the message, also in its X-KEP-ID field';
COMMENT ON COLUMN kep.messages.host IS 'the mail host that took it';
COMMENT ON COLUMN kep.messages.queue_id IS 'Postfix''s queue id there';
COMMENT ON COLUMN kep.messages.message_id IS 'its Message-ID field';
COMMENT ON COLUMN kep.messages.sent_at IS 'time of sending (gönderi zamanı)';
COMMENT ON COLUMN kep.messages.sender IS 'envelope sender (gönderici); of another provider''s mail its return address';
COMMENT ON COLUMN kep.messages.provider IS 'the sender''s provider (KEPHS); empty: ourselves';
COMMENT ON COLUMN kep.messages.login IS 'the login it was sent with; empty: from another provider';
COMMENT ON COLUMN kep.messages.client IS 'IP address it was sent from';
COMMENT ON COLUMN kep.messages.from_address IS 'address in the From field';
COMMENT ON COLUMN kep.messages.size IS 'octets digested';
COMMENT ON COLUMN kep.messages.canonical IS 'version of the canonical form that was digested';
COMMENT ON COLUMN kep.messages.sha256 IS 'fingerprint of the content (parmak izi), SHA-256';
COMMENT ON COLUMN kep.messages.sha512 IS 'fingerprint of the content (parmak izi), SHA-512';
COMMENT ON COLUMN kep.messages.signer IS 'subject of the certificate that signed (e-imza)';
COMMENT ON COLUMN kep.messages.signer_issuer IS 'issuer of that certificate';
COMMENT ON COLUMN kep.messages.signer_serial IS 'serial number of that certificate, hexadecimal';
COMMENT ON COLUMN kep.messages.signer_identity IS 'identity number (T.C. kimlik numarası) in that certificate';
COMMENT ON COLUMN kep.messages.signer_certificate IS 'SHA-256 of that certificate';
COMMENT ON COLUMN kep.messages.signer_digest IS 'digest algorithm of the signature';
COMMENT ON COLUMN kep.messages.state IS 'pending (recorded), accepted (kabul edildi) or void (never reached the queue)';

CREATE VIEW kep.evidences AS
SELECT e.id AS evidence_id, e.kep_id, e.recipient_index, r.address AS recipient, e.outcome, e.event_time, e.reason_code, e.reply, e.previous,
       e.body, e.digest, e.txid, e.recorded_at, e.retain_until
  FROM kep.evidence AS e LEFT JOIN kep.recipient AS r ON r.kep_id = e.kep_id AND r.recipient_index = e.recipient_index;
COMMENT ON VIEW kep.evidences IS 'evidence (KEP delili): one immutable record of one event of one message';
COMMENT ON COLUMN kep.evidences.evidence_id IS 'id of the evidence';
COMMENT ON COLUMN kep.evidences.kep_id IS 'the message';
COMMENT ON COLUMN kep.evidences.recipient_index IS 'number of the recipient it concerns; 0: all of them';
COMMENT ON COLUMN kep.evidences.recipient IS 'that recipient''s address; empty: all of them';
COMMENT ON COLUMN kep.evidences.outcome IS 'what happened, as a code of EN 319 522-1: A.1 accepted, A.2 refused, B.1-B.3 relay, D.1 delivered, D.2 not delivered, E.1 read, E.2 deemed read';
COMMENT ON COLUMN kep.evidences.event_time IS 'when it happened';
COMMENT ON COLUMN kep.evidences.reason_code IS 'why, as a code of EN 319 522-2';
COMMENT ON COLUMN kep.evidences.reply IS 'the answer of the other server, word for word';
COMMENT ON COLUMN kep.evidences.previous IS 'the evidence of this message before this one';
COMMENT ON COLUMN kep.evidences.body IS 'the record itself: canonical JSON (RFC 8785)';
COMMENT ON COLUMN kep.evidences.digest IS 'SHA-256 of the body';
COMMENT ON COLUMN kep.evidences.txid IS 'the database transaction that wrote it';
COMMENT ON COLUMN kep.evidences.recorded_at IS 'when it was written, by the database''s clock';
COMMENT ON COLUMN kep.evidences.retain_until IS 'kept at least until then: 20 years after the event';

CREATE VIEW kep.receipts AS
SELECT o.evidence_id, e.kep_id, e.outcome, o.recipient, o.created_at, o.stored_at, o.sent_at, o.queue_id, o.attempts,
       CASE WHEN o.sent_at IS NULL THEN o.due_at END AS due_at, o.error, octet_length(o.mail) AS size, sha256(o.mail) AS sha256
  FROM kep.outbox AS o LEFT JOIN kep.evidence AS e ON e.id = o.evidence_id;
COMMENT ON VIEW kep.receipts IS 'receipts (delil iletisi): the mails that carry evidence to a party';
COMMENT ON COLUMN kep.receipts.evidence_id IS 'the evidence it carries';
COMMENT ON COLUMN kep.receipts.kep_id IS 'the message';
COMMENT ON COLUMN kep.receipts.outcome IS 'code of the outcome it tells of';
COMMENT ON COLUMN kep.receipts.recipient IS 'to whom';
COMMENT ON COLUMN kep.receipts.created_at IS 'when it was ordered';
COMMENT ON COLUMN kep.receipts.stored_at IS 'when its mail was composed';
COMMENT ON COLUMN kep.receipts.sent_at IS 'when Postfix took it; empty: not yet';
COMMENT ON COLUMN kep.receipts.queue_id IS 'Postfix''s queue id of the mail';
COMMENT ON COLUMN kep.receipts.attempts IS 'how often it was tried';
COMMENT ON COLUMN kep.receipts.due_at IS 'when it will be tried next; empty: it was sent';
COMMENT ON COLUMN kep.receipts.error IS 'why the last attempt failed';
COMMENT ON COLUMN kep.receipts.size IS 'octets of the mail';
COMMENT ON COLUMN kep.receipts.sha256 IS 'SHA-256 of the mail';

CREATE VIEW kep.attempts AS
SELECT a.host, a.instance, e.queue_id, a.at, a.sender, a.recipient, a.why, a.login, a.client, a.tls, a.form, a.fingerprint,
       e.recipient_count, e.size
  FROM kep.attempt AS a LEFT JOIN kep.envelope AS e ON e.host = a.host AND e.instance = a.instance;
COMMENT ON VIEW kep.attempts IS 'requests of Postfix to the policy service: who wanted to send to whom, and the decision';
COMMENT ON COLUMN kep.attempts.host IS 'the mail host';
COMMENT ON COLUMN kep.attempts.instance IS 'Postfix''s name of the SMTP transaction';
COMMENT ON COLUMN kep.attempts.queue_id IS 'its queue id; empty: it never came to DATA';
COMMENT ON COLUMN kep.attempts.at IS 'when';
COMMENT ON COLUMN kep.attempts.sender IS 'sender address; empty: the null sender';
COMMENT ON COLUMN kep.attempts.recipient IS 'recipient address';
COMMENT ON COLUMN kep.attempts.why IS 'the decision: accepted, or the reason of the refusal';
COMMENT ON COLUMN kep.attempts.login IS 'the login (SASL) of the client; empty: none';
COMMENT ON COLUMN kep.attempts.client IS 'the client''s IP address';
COMMENT ON COLUMN kep.attempts.tls IS 'SHA-256 fingerprint of the client''s TLS certificate; empty: none';
COMMENT ON COLUMN kep.attempts.form IS 'version of the envelope fingerprint''s form';
COMMENT ON COLUMN kep.attempts.fingerprint IS 'envelope fingerprint (zarf parmak izi), SHA-256';
COMMENT ON COLUMN kep.attempts.recipient_count IS 'recipients accepted at DATA';
COMMENT ON COLUMN kep.attempts.size IS 'octets received';

CREATE VIEW kep.refusals AS
SELECT f.at, f.host, f.queue_id, f.why, f.sender, f.recipients, f.login, f.client, f.from_address, f.message_id, f.size FROM kep.refusal AS f;
COMMENT ON VIEW kep.refusals IS 'messages refused at submission (Sistem Red)';
COMMENT ON COLUMN kep.refusals.at IS 'when';
COMMENT ON COLUMN kep.refusals.host IS 'the mail host';
COMMENT ON COLUMN kep.refusals.queue_id IS 'Postfix''s queue id; empty: none was given yet';
COMMENT ON COLUMN kep.refusals.why IS 'the reason, such as not-signed';
COMMENT ON COLUMN kep.refusals.sender IS 'sender address';
COMMENT ON COLUMN kep.refusals.recipients IS 'recipient addresses';
COMMENT ON COLUMN kep.refusals.login IS 'the login (SASL); empty: none';
COMMENT ON COLUMN kep.refusals.client IS 'the client''s IP address';
COMMENT ON COLUMN kep.refusals.from_address IS 'address in the From field';
COMMENT ON COLUMN kep.refusals.message_id IS 'its Message-ID field';
COMMENT ON COLUMN kep.refusals.size IS 'octets read until it was refused';

CREATE VIEW kep.accounts AS
SELECT a.address, a.state, a.login, h.name AS holder, h.identity, a.added_at,
       c.at AS changed_at, c.actor AS changed_by, c.reason
  FROM kep.account AS a JOIN kep.holder AS h ON h.id = a.holder
  LEFT JOIN LATERAL (SELECT y.* FROM kep.account_history AS y WHERE y.address = a.address ORDER BY y.at DESC LIMIT 1) AS c ON true;
COMMENT ON VIEW kep.accounts IS 'KEP accounts (KEP hesabı) of this provider';
COMMENT ON COLUMN kep.accounts.address IS 'the KEP address';
COMMENT ON COLUMN kep.accounts.state IS 'active (aktif), suspended (askıda) or closed (kapalı)';
COMMENT ON COLUMN kep.accounts.login IS 'the login that may send for it';
COMMENT ON COLUMN kep.accounts.holder IS 'name of the holder (hesap sahibi)';
COMMENT ON COLUMN kep.accounts.identity IS 'the holder''s identity number (T.C. kimlik numarası), where known';
COMMENT ON COLUMN kep.accounts.added_at IS 'when it was opened';
COMMENT ON COLUMN kep.accounts.changed_at IS 'when it was last changed';
COMMENT ON COLUMN kep.accounts.changed_by IS 'by which database role';
COMMENT ON COLUMN kep.accounts.reason IS 'why';

CREATE VIEW kep.account_changes AS
SELECT y.address, y.at, y.actor, y.state, y.reason FROM kep.account_history AS y;
COMMENT ON VIEW kep.account_changes IS 'every change of an account';
COMMENT ON COLUMN kep.account_changes.address IS 'the KEP address';
COMMENT ON COLUMN kep.account_changes.at IS 'when';
COMMENT ON COLUMN kep.account_changes.actor IS 'by which database role';
COMMENT ON COLUMN kep.account_changes.state IS 'the state after the change';
COMMENT ON COLUMN kep.account_changes.reason IS 'why';

CREATE VIEW kep.providers AS
SELECT p.name, p.number, ARRAY(SELECT d.domain FROM kep.domain AS d WHERE d.provider = p.name ORDER BY 1) AS domains, p.relay, p.tls, p.added_at
  FROM kep.provider AS p;
COMMENT ON VIEW kep.providers IS 'other registered providers (KEP hizmet sağlayıcısı, KEPHS)';
COMMENT ON COLUMN kep.providers.name IS 'name of the provider';
COMMENT ON COLUMN kep.providers.number IS 'its licence number';
COMMENT ON COLUMN kep.providers.domains IS 'its KEP domains';
COMMENT ON COLUMN kep.providers.relay IS 'where mail for it goes; empty: by MX';
COMMENT ON COLUMN kep.providers.tls IS 'SHA-256 fingerprints of the TLS certificates it may connect with';
COMMENT ON COLUMN kep.providers.added_at IS 'when it was registered';

CREATE VIEW kep.provider_changes AS
SELECT y.at, y.actor, y.provider, y.number, y.relay, y.tls, y.domains FROM kep.provider_history AS y;
COMMENT ON VIEW kep.provider_changes IS 'every registration of a provider or of one of our domains, as it was given';
COMMENT ON COLUMN kep.provider_changes.at IS 'when';
COMMENT ON COLUMN kep.provider_changes.actor IS 'by which database role';
COMMENT ON COLUMN kep.provider_changes.provider IS 'the provider; empty: ourselves';
COMMENT ON COLUMN kep.provider_changes.number IS 'its licence number';
COMMENT ON COLUMN kep.provider_changes.relay IS 'where mail for it goes';
COMMENT ON COLUMN kep.provider_changes.tls IS 'fingerprints of its TLS certificates';
COMMENT ON COLUMN kep.provider_changes.domains IS 'its domains';

CREATE VIEW kep.relay_events AS
SELECT n.kep_id, n.recipient_index, r.address AS recipient, n.at, n.action, n.status, n.details
  FROM kep.relay_event AS n LEFT JOIN kep.recipient AS r ON r.kep_id = n.kep_id AND r.recipient_index = n.recipient_index;
COMMENT ON VIEW kep.relay_events IS 'what delivery reports said about messages relayed to other providers';
COMMENT ON COLUMN kep.relay_events.kep_id IS 'the message';
COMMENT ON COLUMN kep.relay_events.recipient_index IS 'number of the recipient';
COMMENT ON COLUMN kep.relay_events.recipient IS 'recipient address';
COMMENT ON COLUMN kep.relay_events.at IS 'when the report came';
COMMENT ON COLUMN kep.relay_events.action IS 'delivered, relayed, delayed, expanded or failed (RFC 3464)';
COMMENT ON COLUMN kep.relay_events.status IS 'enhanced status code (RFC 3463)';
COMMENT ON COLUMN kep.relay_events.details IS 'further words of the report';

CREATE VIEW kep.alarms AS
SELECT a.at, a.kep_id, a.host, a.why, a.details FROM kep.alarm AS a;
COMMENT ON VIEW kep.alarms IS 'what should not happen and did: somebody has to look';
COMMENT ON COLUMN kep.alarms.at IS 'when it was first seen';
COMMENT ON COLUMN kep.alarms.kep_id IS 'the message it is about; empty: none is known';
COMMENT ON COLUMN kep.alarms.host IS 'the mail host that saw it';
COMMENT ON COLUMN kep.alarms.why IS 'the reason, such as digest-differs';
COMMENT ON COLUMN kep.alarms.details IS 'in words';

CREATE VIEW kep.migrations AS
SELECT g.number, g.name, g.applied_at, g.applied_by FROM kep.migration AS g;
COMMENT ON VIEW kep.migrations IS 'the numbered files of the schema that were applied here';
COMMENT ON COLUMN kep.migrations.number IS 'number of the file';
COMMENT ON COLUMN kep.migrations.name IS 'its name';
COMMENT ON COLUMN kep.migrations.applied_at IS 'when it was applied';
COMMENT ON COLUMN kep.migrations.applied_by IS 'the role that applied it';

GRANT SELECT ON kep.message_facts, kep.message_timeline, kep.messages, kep.evidences, kep.receipts, kep.attempts, kep.refusals,
	kep.accounts, kep.account_changes, kep.providers, kep.provider_changes, kep.relay_events, kep.alarms, kep.migrations TO kep_auditor;

INSERT INTO kep.migration (number, name) VALUES (7, 'audit');
RESET ROLE;
