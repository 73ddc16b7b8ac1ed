-- 0010 retention: what may be removed, when, and what must not.
--
-- The body of an evidence may be taken away when it is older than 20 years, past
-- its retain_until and under no legal hold: by kep.prune() alone, which writes
-- evidence of having done so.  Everything else of the row stays, and its leaf: the
-- tree, its checkpoints and all proofs are as they were.

SET ROLE kep_owner;

-- Legal holds ----------------------------------------------------------------------

-- Rows come and go, their history stays, as with pins.
CREATE TABLE kep.hold (
	kep_id  uuid UNIQUE,
	account text UNIQUE,
	at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor   text NOT NULL DEFAULT session_user,
	reason  text NOT NULL CHECK (reason <> ''),
	CHECK (num_nonnulls(kep_id, account) = 1)
);
COMMENT ON TABLE kep.hold IS 'legal holds: nothing of these messages, or of messages from or to these accounts, is removed';
COMMENT ON COLUMN kep.hold.kep_id IS 'the message; empty: an account';
COMMENT ON COLUMN kep.hold.account IS 'the account; empty: a message';
COMMENT ON COLUMN kep.hold.at IS 'since when';
COMMENT ON COLUMN kep.hold.actor IS 'by which database role';
COMMENT ON COLUMN kep.hold.reason IS 'why, such as the file number of a court';

CREATE TABLE kep.hold_history (
	at      timestamptz NOT NULL DEFAULT clock_timestamp(),
	actor   text NOT NULL DEFAULT session_user,
	kep_id  uuid,
	account text,
	held    boolean NOT NULL,
	reason  text NOT NULL
);
CALL kep.make_append_only('kep.hold_history');
COMMENT ON TABLE kep.hold_history IS 'every legal hold that was put on or taken off';
COMMENT ON COLUMN kep.hold_history.at IS 'when';
COMMENT ON COLUMN kep.hold_history.actor IS 'by which database role';
COMMENT ON COLUMN kep.hold_history.kep_id IS 'the message; empty: an account';
COMMENT ON COLUMN kep.hold_history.account IS 'the account; empty: a message';
COMMENT ON COLUMN kep.hold_history.held IS 'true: put on; false: taken off';
COMMENT ON COLUMN kep.hold_history.reason IS 'why';

CREATE FUNCTION kep.held(kep_id uuid) RETURNS boolean
LANGUAGE sql STABLE
AS $$
	SELECT EXISTS (SELECT FROM kep.hold AS h WHERE h.kep_id = $1)
	    OR EXISTS (SELECT FROM kep.message AS m JOIN kep.hold AS h ON h.account = m.sender WHERE m.kep_id = $1)
	    OR EXISTS (SELECT FROM kep.recipient AS r JOIN kep.hold AS h ON h.account = r.address WHERE r.kep_id = $1)
$$;
COMMENT ON FUNCTION kep.held(uuid) IS 'is this message, its sender or a recipient under legal hold?';

CREATE FUNCTION kep.hold_turn(what text, reason text, wanted boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	this_message uuid;
	this_account text;
BEGIN
	IF hold_turn.what ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
		this_message := hold_turn.what::uuid;
		IF NOT EXISTS (SELECT FROM kep.message AS m WHERE m.kep_id = this_message) THEN
			RAISE EXCEPTION 'there is no message %', this_message
				USING ERRCODE = 'KE020', HINT = 'kepctl show finds its KEP id by queue id or Message-ID.';
		END IF;
	ELSIF hold_turn.what LIKE '%@%' THEN
		this_account := kep.check_address(hold_turn.what);
		IF NOT EXISTS (SELECT FROM kep.account AS a WHERE a.address = this_account) THEN
			RAISE EXCEPTION 'there is no account %', this_account
				USING ERRCODE = 'KE012', HINT = 'kepctl account list shows them.';
		END IF;
	ELSE
		RAISE EXCEPTION '"%" is neither a KEP id nor an address', hold_turn.what
			USING ERRCODE = 'KE030', HINT = 'kepctl show finds the KEP id of a message by queue id or Message-ID.';
	END IF;
	IF coalesce(hold_turn.reason, '') = '' THEN
		RAISE EXCEPTION 'a legal hold needs a reason'
			USING ERRCODE = 'KE031', HINT = 'Give --reason, such as the file number of the court.';
	END IF;
	IF hold_turn.wanted THEN
		INSERT INTO kep.hold (kep_id, account, reason) VALUES (this_message, this_account, hold_turn.reason) ON CONFLICT DO NOTHING;
	ELSE
		DELETE FROM kep.hold AS h WHERE h.kep_id = this_message OR h.account = this_account;
	END IF;
	IF FOUND THEN
		INSERT INTO kep.hold_history (kep_id, account, held, reason) VALUES (this_message, this_account, hold_turn.wanted, hold_turn.reason);
	ELSIF NOT hold_turn.wanted THEN
		RAISE EXCEPTION '% is not under legal hold', hold_turn.what
			USING ERRCODE = 'KE032', HINT = 'kepctl hold list shows the holds.';
	END IF;
END $$;
COMMENT ON FUNCTION kep.hold_turn(text, text, boolean) IS 'put on or take off a legal hold and note it; KE002, KE012, KE020, KE030, KE031, KE032';

CREATE FUNCTION kep.hold_add(what text, reason text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT kep.hold_turn(what, reason, true) $$;
COMMENT ON FUNCTION kep.hold_add(text, text) IS 'put a message, by its KEP id, or an account, by its address, under legal hold';

CREATE FUNCTION kep.hold_remove(what text, reason text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT kep.hold_turn(what, reason, false) $$;
COMMENT ON FUNCTION kep.hold_remove(text, text) IS 'take the legal hold off again';

CREATE FUNCTION kep.hold_list() RETURNS TABLE (what text, at timestamptz, actor text, reason text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT coalesce(h.account, h.kep_id::text), h.at, h.actor, h.reason FROM kep.hold AS h ORDER BY h.at $$;
COMMENT ON FUNCTION kep.hold_list() IS 'the legal holds: KEP ids and addresses';

-- The lock on evidence ------------------------------------------------------------

-- P.1 is ours: bodies were removed.  The row names the evidence of its own pruning.
ALTER TABLE kep.evidence ADD COLUMN pruned_by uuid;
COMMENT ON COLUMN kep.evidence.pruned_by IS 'the evidence (P.1) of the removal of its body; empty: it is there';
COMMENT ON COLUMN kep.evidence.body IS 'the record itself: canonical JSON (RFC 8785), the octets that are sealed and sent; empty: removed after its retention';
COMMENT ON COLUMN kep.evidence.outcome IS 'what happened, as a code of EN 319 522-1: A.1 accepted, A.2 refused, B.1-B.3 relay, D.1 delivered, D.2 not delivered, E.1 read, E.2 deemed read; or P.1 of our own: bodies were removed';
COMMENT ON COLUMN kep.evidence.kep_id IS 'the message; of a P.1 the evidence''s own id';
ALTER TABLE kep.evidence ALTER COLUMN body DROP NOT NULL,
	ADD CHECK ((body IS NULL) = (pruned_by IS NOT NULL)),
	DROP CONSTRAINT evidence_outcome_check,
	ADD CONSTRAINT evidence_outcome_check CHECK (outcome ~ '^([AE]\.[12]|B\.[123]|D\.[12]|P\.1)$');
CREATE INDEX evidence_pruning ON kep.evidence (recorded_at) WHERE outcome = 'P.1';

CREATE FUNCTION kep.evidence_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	IF NEW.retain_until > OLD.retain_until AND NEW.body IS NOT DISTINCT FROM OLD.body AND NEW.pruned_by IS NOT DISTINCT FROM OLD.pruned_by THEN
		RETURN NEW;
	END IF;
	IF OLD.body IS NOT NULL AND NEW.body IS NULL AND NEW.retain_until = OLD.retain_until AND OLD.outcome <> 'P.1'
	   AND greatest(OLD.retain_until, OLD.event_time + interval '20 years', OLD.recorded_at + interval '20 years') <= clock_timestamp()
	   AND NOT kep.held(OLD.kep_id)
	   AND EXISTS (SELECT FROM kep.evidence AS e WHERE e.id = NEW.pruned_by AND e.outcome = 'P.1') THEN
		RETURN NEW;
	END IF;
	RAISE EXCEPTION 'the change of evidence % is refused', OLD.id
		USING ERRCODE = 'KE100', HINT = 'Only the time of retention may grow, and after 20 years kep.prune() removes the body of what is not under legal hold.';
END $$;
COMMENT ON FUNCTION kep.evidence_kept() IS 'trigger: of evidence only the body goes, after its retention and not under legal hold; retain_until only grows';

-- All other columns are locked as before.
DROP TRIGGER append_only ON kep.evidence;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE
	OR UPDATE OF id, kep_id, recipient_index, outcome, event_time, reason_code, reply, previous, digest, txid, recorded_at
	ON kep.evidence FOR EACH STATEMENT EXECUTE FUNCTION kep.append_only();
CREATE TRIGGER evidence_kept BEFORE UPDATE ON kep.evidence FOR EACH ROW EXECUTE FUNCTION kep.evidence_kept();
ALTER TABLE kep.evidence ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE kep.evidence ENABLE ALWAYS TRIGGER evidence_kept;
CREATE POLICY pruning ON kep.evidence FOR UPDATE TO kep_owner USING (true);
GRANT UPDATE (body, pruned_by) ON kep.evidence TO kep_owner;

-- A receipt holds the body of its evidence and goes with it.
CREATE OR REPLACE FUNCTION kep.outbox_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	IF TG_OP = 'UPDATE' THEN
		IF NEW.mail IS NULL AND (NEW.evidence_id, NEW.recipient, NEW.created_at, NEW.stored_at) IS NOT DISTINCT FROM
		   (OLD.evidence_id, OLD.recipient, OLD.created_at, OLD.stored_at)
		   AND EXISTS (SELECT FROM kep.evidence AS e WHERE e.id = OLD.evidence_id AND e.pruned_by IS NOT NULL) THEN
			RETURN NEW;
		END IF;
	END IF;
	RAISE EXCEPTION '% of kep.outbox refused: an ordered receipt stays, and its mail is never changed', TG_OP
		USING ERRCODE = 'KE100', HINT = 'Receipts are evidence of what the parties were told.';
END $$;

-- Pruning ------------------------------------------------------------------------

-- Canonical JSON: the members stand in their order, to_json() escapes as RFC 8785
-- wants it, and all numbers are whole.
CREATE FUNCTION kep.prune_body(id uuid, at timestamptz, actor text, pruned bigint[]) RETURNS bytea
LANGUAGE sql STABLE
AS $$
	SELECT pg_catalog.convert_to(pg_catalog.format('{"actor":%s,"count":%s,"event":"Pruning","event_time":"%s","form":"kep-prune-1","id":"%s","leaves":[%s],"outcome":"P.1"}',
	       pg_catalog.to_json(actor), pg_catalog.cardinality(pruned), kep.time_text(at), id, pg_catalog.string_agg(
	       pg_catalog.format('{"first":%s,"last":%s}', r.first, r.last), ',' ORDER BY r.first)), 'UTF8')
	  FROM (SELECT pg_catalog.min(i.index) AS first, pg_catalog.max(i.index) AS last
	          FROM (SELECT u.index, u.index - pg_catalog.row_number() OVER (ORDER BY u.index) AS island FROM pg_catalog.unnest(pruned) AS u (index)) AS i
	         GROUP BY i.island) AS r
$$;
COMMENT ON FUNCTION kep.prune_body(uuid, timestamptz, text, bigint[]) IS 'the body of the evidence that the bodies of these leaves were removed';

-- 0011 says it anew.
CREATE FUNCTION kep.prune_end() RETURNS bigint
LANGUAGE sql STABLE
AS $$ SELECT coalesce(max(c.size), 0) FROM kep.checkpoint AS c $$;
COMMENT ON FUNCTION kep.prune_end() IS 'bodies of the leaves below this index may be removed, as far as the ledger is concerned';

-- A window of the ledger after the other, each its own transaction and its own evidence.
CREATE FUNCTION kep.prune(first bigint, n int, OUT pruned int, OUT held int, OUT next bigint, OUT more boolean, OUT evidence_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	at      timestamptz := clock_timestamp();
	ended   bigint := kep.prune_end();
	ids     uuid[];
	indices bigint[];
	body    bytea;
BEGIN
	IF prune.first < 0 OR prune.n NOT BETWEEN 1 AND 10000 THEN
		RAISE EXCEPTION 'from % on % leaves cannot be looked at', prune.first, prune.n
			USING ERRCODE = 'KE033', HINT = 'Begin at 0 and take 1 to 10000 leaves at a time.';
	END IF;
	LOCK TABLE kep.hold IN SHARE ROW EXCLUSIVE MODE;        -- no hold comes meanwhile, and nobody else prunes
	SELECT coalesce(array_agg(v.id ORDER BY v.index) FILTER (WHERE NOT v.held), '{}'), coalesce(array_agg(v.index ORDER BY v.index) FILTER (WHERE NOT v.held), '{}'),
	       count(*) FILTER (WHERE v.held)
	  INTO ids, indices, held
	  FROM (SELECT e.id, l.index, kep.held(e.kep_id) AS held
	          FROM kep.leaf AS l JOIN kep.evidence AS e ON e.id = l.evidence_id
	         WHERE l.index >= prune.first AND l.index < least(prune.first + prune.n, ended) AND e.body IS NOT NULL AND e.outcome <> 'P.1'
	           AND greatest(e.retain_until, e.event_time + interval '20 years', e.recorded_at + interval '20 years') <= at
	           AND NOT EXISTS (SELECT FROM kep.outbox AS o WHERE o.evidence_id = e.id AND o.sent_at IS NULL)) AS v;
	pruned := cardinality(ids);
	next := least(prune.first + prune.n, ended);
	-- Indices follow the time of recording but for what a transaction may last.
	more := next < ended AND EXISTS (SELECT FROM kep.leaf AS l JOIN kep.evidence AS e ON e.id = l.evidence_id
	         WHERE l.index >= next AND l.index < next + 1000 AND e.recorded_at + interval '20 years' <= at);
	IF pruned > 0 THEN
		evidence_id := gen_random_uuid();
		body := kep.prune_body(evidence_id, at, session_user, indices);
		INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, body, digest, retain_until)
		VALUES (evidence_id, evidence_id, 0, 'P.1', at, body, sha256(body), 'infinity');
		UPDATE kep.evidence AS e SET body = NULL, pruned_by = evidence_id WHERE e.id = ANY (ids);
		UPDATE kep.outbox AS o SET mail = NULL WHERE o.evidence_id = ANY (ids) AND o.mail IS NOT NULL;
		NOTIFY kep_ledger;
	END IF;
END $$;
COMMENT ON FUNCTION kep.prune(bigint, int) IS 'remove the bodies past their retention and not under legal hold among n leaves from this one on, and add evidence of it; next: where to go on while there is more; KE033';

GRANT EXECUTE ON FUNCTION kep.hold_add(text, text), kep.hold_remove(text, text), kep.hold_list(), kep.prune(bigint, int) TO kep_operator;

-- What the auditor reads ------------------------------------------------------------

CREATE OR REPLACE VIEW kep.evidences AS
SELECT e.id AS evidence_id, e.kep_id, e.recipient_index, r.address AS recipient, e.outcome, e.event_time, e.reason_code, e.reply, e.previous,
       e.body, e.digest, e.txid, e.recorded_at, e.retain_until, e.pruned_by
  FROM kep.evidence AS e LEFT JOIN kep.recipient AS r ON r.kep_id = e.kep_id AND r.recipient_index = e.recipient_index;
COMMENT ON COLUMN kep.evidences.pruned_by IS 'the evidence (P.1) of the removal of its body; empty: it is there';
COMMENT ON COLUMN kep.evidences.body IS 'the record itself: canonical JSON (RFC 8785); empty: removed after its retention';
COMMENT ON COLUMN kep.evidences.outcome IS 'what happened, as a code of EN 319 522-1: A.1 accepted, A.2 refused, B.1-B.3 relay, D.1 delivered, D.2 not delivered, E.1 read, E.2 deemed read; or P.1 of our own: bodies were removed';

CREATE VIEW kep.prunings AS
SELECT e.id AS evidence_id, e.event_time AS at, convert_from(e.body, 'UTF8')::jsonb ->> 'actor' AS actor,
       (v.leaves ->> 'first')::bigint AS first, (v.leaves ->> 'last')::bigint AS last
  FROM kep.evidence AS e CROSS JOIN LATERAL jsonb_array_elements(convert_from(e.body, 'UTF8')::jsonb -> 'leaves') AS v (leaves)
 WHERE e.outcome = 'P.1';
COMMENT ON VIEW kep.prunings IS 'leaves whose bodies were removed after their retention, as the evidence of it says';
COMMENT ON COLUMN kep.prunings.evidence_id IS 'the evidence of the removal (P.1)';
COMMENT ON COLUMN kep.prunings.at IS 'when';
COMMENT ON COLUMN kep.prunings.actor IS 'by which database role';
COMMENT ON COLUMN kep.prunings.first IS 'index of the first leaf of a run without gaps';
COMMENT ON COLUMN kep.prunings.last IS 'index of the last one';

CREATE VIEW kep.recipients AS SELECT r.kep_id, r.recipient_index, r.address AS recipient FROM kep.recipient AS r;
COMMENT ON VIEW kep.recipients IS 'recipients of submitted messages, as they were given';
COMMENT ON COLUMN kep.recipients.kep_id IS 'the message';
COMMENT ON COLUMN kep.recipients.recipient_index IS 'number of the recipient in the message, from 1';
COMMENT ON COLUMN kep.recipients.recipient IS 'recipient address';

CREATE VIEW kep.holds AS SELECT h.kep_id, h.account, h.at, h.actor, h.reason FROM kep.hold AS h;
COMMENT ON VIEW kep.holds IS 'legal holds: nothing of these messages, or of messages from or to these accounts, is removed';
COMMENT ON COLUMN kep.holds.kep_id IS 'the message; empty: an account';
COMMENT ON COLUMN kep.holds.account IS 'the account; empty: a message';
COMMENT ON COLUMN kep.holds.at IS 'since when';
COMMENT ON COLUMN kep.holds.actor IS 'by which database role';
COMMENT ON COLUMN kep.holds.reason IS 'why';

CREATE VIEW kep.hold_changes AS SELECT h.at, h.actor, h.kep_id, h.account, h.held, h.reason FROM kep.hold_history AS h;
COMMENT ON VIEW kep.hold_changes IS 'every legal hold that was put on or taken off';
COMMENT ON COLUMN kep.hold_changes.at IS 'when';
COMMENT ON COLUMN kep.hold_changes.actor IS 'by which database role';
COMMENT ON COLUMN kep.hold_changes.kep_id IS 'the message; empty: an account';
COMMENT ON COLUMN kep.hold_changes.account IS 'the account; empty: a message';
COMMENT ON COLUMN kep.hold_changes.held IS 'true: put on; false: taken off';
COMMENT ON COLUMN kep.hold_changes.reason IS 'why';

GRANT SELECT ON kep.prunings, kep.holds, kep.hold_changes, kep.recipients TO kep_auditor;

INSERT INTO kep.migration (number, name) VALUES (10, 'retention');
RESET ROLE;
