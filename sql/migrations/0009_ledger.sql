-- 0009 ledger: evidence as the leaves of one Merkle tree (RFC 6962), its tiles
-- (C2SP tlog-tiles), its checkpoints, their time-stamps and cosignatures.
--
-- Intake stays free of locks: evidence is written as before.  One sequencer, under
-- a lease in kep.ledger_state, then gives leaves their indices, many at a time.  It
-- takes only rows of transactions that ended before its snapshot (txid below the
-- snapshot's xmin), in the order of (txid, id): nothing can appear later behind its
-- cursor, so that indices have no gaps and no evidence is left out.  A transaction
-- that writes and stays open, in any database of the cluster, therefore holds the
-- ledger up, and nothing else.

SET ROLE kep_owner;

-- The way of the sequencer through the evidence.
CREATE INDEX evidence_order ON kep.evidence (txid, id);

CREATE TABLE kep.leaf (
	index       bigint PRIMARY KEY,
	evidence_id uuid NOT NULL,
	hash        bytea NOT NULL
) PARTITION BY RANGE (index);
CALL kep.make_append_only('kep.leaf');
COMMENT ON TABLE kep.leaf IS 'the ledger: which evidence stands at which index; in partitions by index';
COMMENT ON COLUMN kep.leaf.index IS 'index of the leaf, from 0 without gaps';
COMMENT ON COLUMN kep.leaf.evidence_id IS 'the evidence';
COMMENT ON COLUMN kep.leaf.hash IS 'leaf hash of RFC 6962: SHA-256 of an octet 0 and the body of the evidence';

CREATE TABLE kep.tile (
	level  int NOT NULL CHECK (level BETWEEN 0 AND 7),
	number bigint NOT NULL CHECK (number >= 0),
	hashes bytea NOT NULL CHECK (octet_length(hashes) % 32 = 0 AND octet_length(hashes) BETWEEN 32 AND 8192),
	PRIMARY KEY (level, number)
);
ALTER TABLE kep.tile ALTER COLUMN hashes SET STORAGE EXTERNAL;
COMMENT ON TABLE kep.tile IS 'the nodes of the tree that a proof is made of: tiles of up to 256 hashes (C2SP tlog-tiles)';
COMMENT ON COLUMN kep.tile.level IS 'level of the tile; its hashes are those of level 8 x level of the tree';
COMMENT ON COLUMN kep.tile.number IS 'number of the tile on its level, from 0';
COMMENT ON COLUMN kep.tile.hashes IS 'its hashes, 32 octets each; they only grow in number';

CREATE TABLE kep.ledger_state (
	one            boolean PRIMARY KEY DEFAULT true CHECK (one),
	size           bigint NOT NULL DEFAULT 0,
	root           bytea NOT NULL DEFAULT sha256(''),
	cursor_txid    xid8 NOT NULL DEFAULT '0',
	cursor_id      uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
	foreign_txid   xid8 NOT NULL DEFAULT '0',
	lease_owner    text,
	lease_until    timestamptz NOT NULL DEFAULT '-infinity',
	partition_size bigint NOT NULL DEFAULT 10000000 CHECK (partition_size > 0),
	partitioned    bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
COMMENT ON TABLE kep.ledger_state IS 'the head of the ledger and who may extend it; one row';
COMMENT ON COLUMN kep.ledger_state.one IS 'always true: there is one row';
COMMENT ON COLUMN kep.ledger_state.size IS 'number of leaves';
COMMENT ON COLUMN kep.ledger_state.root IS 'root hash of the tree of that size';
COMMENT ON COLUMN kep.ledger_state.cursor_txid IS 'evidence up to this transaction ...';
COMMENT ON COLUMN kep.ledger_state.cursor_id IS '... and this id was looked at';
COMMENT ON COLUMN kep.ledger_state.foreign_txid IS 'up to this transaction number evidence may come from a database that was restored here, and may be a leaf already';
COMMENT ON COLUMN kep.ledger_state.lease_owner IS 'the host that extends the ledger';
COMMENT ON COLUMN kep.ledger_state.lease_until IS 'until then no other host may';
COMMENT ON COLUMN kep.ledger_state.partition_size IS 'leaves of a partition made from now on';
COMMENT ON COLUMN kep.ledger_state.partitioned IS 'there are partitions for the indices below this one';
INSERT INTO kep.ledger_state DEFAULT VALUES;

CREATE TABLE kep.checkpoint (
	size   bigint PRIMARY KEY CHECK (size > 0),
	root   bytea NOT NULL CHECK (octet_length(root) = 32),
	origin text NOT NULL,
	note   bytea NOT NULL,
	cms    bytea NOT NULL,
	host   text NOT NULL,
	at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CALL kep.make_append_only('kep.checkpoint');
COMMENT ON TABLE kep.checkpoint IS 'signed heads of the ledger (C2SP tlog-checkpoint)';
COMMENT ON COLUMN kep.checkpoint.size IS 'number of leaves it covers';
COMMENT ON COLUMN kep.checkpoint.root IS 'root hash of the tree of that size';
COMMENT ON COLUMN kep.checkpoint.origin IS 'name of the ledger, the first line of the note';
COMMENT ON COLUMN kep.checkpoint.note IS 'the signed note (C2SP signed-note), octet for octet';
COMMENT ON COLUMN kep.checkpoint.cms IS 'signature of the seal over the text of the note: CMS in DER, detached';
COMMENT ON COLUMN kep.checkpoint.host IS 'the host that signed it';
COMMENT ON COLUMN kep.checkpoint.at IS 'when it was recorded';

CREATE TABLE kep.stamp (
	size       bigint NOT NULL,
	tsa        text NOT NULL,
	token      bytea NOT NULL,
	gen_time   timestamptz NOT NULL,
	policy     text NOT NULL,
	serial     text NOT NULL,
	chain      bytea[] NOT NULL,
	revocation bytea[] NOT NULL,
	at         timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (size, tsa)
);
CALL kep.make_append_only('kep.stamp');
COMMENT ON TABLE kep.stamp IS 'time-stamps (zaman damgası, RFC 3161) on checkpoints';
COMMENT ON COLUMN kep.stamp.size IS 'the checkpoint';
COMMENT ON COLUMN kep.stamp.tsa IS 'the time-stamping authority, by its URL';
COMMENT ON COLUMN kep.stamp.token IS 'its token over the text of the note, DER';
COMMENT ON COLUMN kep.stamp.gen_time IS 'the time in the token';
COMMENT ON COLUMN kep.stamp.policy IS 'policy in the token, dotted';
COMMENT ON COLUMN kep.stamp.serial IS 'serial number in the token, hexadecimal';
COMMENT ON COLUMN kep.stamp.chain IS 'the certificates needed to verify it, DER';
COMMENT ON COLUMN kep.stamp.revocation IS 'the CRLs and OCSP answers needed to verify it, DER';
COMMENT ON COLUMN kep.stamp.at IS 'when it was recorded';

CREATE TABLE kep.cosignature (
	size     bigint NOT NULL,
	name     text NOT NULL,
	key_hash bytea NOT NULL CHECK (octet_length(key_hash) = 4),
	line     text NOT NULL,
	at       timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (size, name, key_hash)
);
-- No foreign key leads to kep.checkpoint: nobody may lock its rows, for that wants
-- the right to update them; the functions look before they write.
CREATE INDEX cosignature_name ON kep.cosignature (name, size);
CREATE INDEX stamp_tsa ON kep.stamp (tsa, size);
CALL kep.make_append_only('kep.cosignature');
COMMENT ON TABLE kep.cosignature IS 'what witnesses put under checkpoints (C2SP tlog-cosignature)';
COMMENT ON COLUMN kep.cosignature.size IS 'the checkpoint';
COMMENT ON COLUMN kep.cosignature.name IS 'name of the witness';
COMMENT ON COLUMN kep.cosignature.key_hash IS 'the four octets that name its key';
COMMENT ON COLUMN kep.cosignature.line IS 'its signature line, as it stands in a note';
COMMENT ON COLUMN kep.cosignature.at IS 'when it was recorded';

-- The two tables of the ledger that change: tiles grow, the head moves on.
CREATE FUNCTION kep.ledger_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION '% of kep.% refused: the ledger only grows', TG_OP, TG_TABLE_NAME
		USING ERRCODE = 'KE100', HINT = 'Only kep.ledger_extend() writes here. If the ledger is damaged, restore the database from a backup.';
END $$;
COMMENT ON FUNCTION kep.ledger_kept() IS 'trigger: tiles only grow, the head of the ledger never goes back';
CREATE TRIGGER ledger_kept BEFORE DELETE OR TRUNCATE ON kep.tile FOR EACH STATEMENT EXECUTE FUNCTION kep.ledger_kept();
CREATE TRIGGER ledger_grows BEFORE UPDATE ON kep.tile FOR EACH ROW
	WHEN (OLD.level <> NEW.level OR OLD.number <> NEW.number OR octet_length(NEW.hashes) <= octet_length(OLD.hashes)
	   OR substr(NEW.hashes, 1, octet_length(OLD.hashes)) <> OLD.hashes)
	EXECUTE FUNCTION kep.ledger_kept();
CREATE TRIGGER ledger_kept BEFORE DELETE OR TRUNCATE ON kep.ledger_state FOR EACH STATEMENT EXECUTE FUNCTION kep.ledger_kept();
CREATE TRIGGER ledger_grows BEFORE UPDATE ON kep.ledger_state FOR EACH ROW
	WHEN (NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root) OR NEW.foreign_txid < OLD.foreign_txid
	   OR NEW.partitioned < OLD.partitioned)
	EXECUTE FUNCTION kep.ledger_kept();
ALTER TABLE kep.tile ENABLE ALWAYS TRIGGER ledger_kept;
ALTER TABLE kep.tile ENABLE ALWAYS TRIGGER ledger_grows;
ALTER TABLE kep.ledger_state ENABLE ALWAYS TRIGGER ledger_kept;
ALTER TABLE kep.ledger_state ENABLE ALWAYS TRIGGER ledger_grows;

-- The tree -------------------------------------------------------------------------

-- Pairs from the left, a last one without partner goes up as it is: the tree of
-- RFC 6962, section 2.1.  The last hash may be that of a smaller subtree.
CREATE FUNCTION kep.tree_root(hashes bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, kep, pg_temp
AS $$
DECLARE
	nodes bytea := hashes;
	pairs int;
BEGIN
	WHILE octet_length(nodes) > 32 LOOP
		pairs := octet_length(nodes) / 64;
		nodes := (SELECT string_agg(sha256('\x01' || substr(nodes, 64 * i + 1, 64)), '' ORDER BY i) FROM generate_series(0, pairs - 1) AS i)
		      || substr(nodes, 64 * pairs + 1);
	END LOOP;
	RETURN nodes;
END $$;
COMMENT ON FUNCTION kep.tree_root(bytea) IS 'root hash of the tree over these hashes, 32 octets each';

CREATE FUNCTION kep.ledger_root(size bigint) RETURNS bytea
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	root  bytea := '';
	width int;
	part  bytea;
BEGIN
	FOR stage IN 0 .. 7 LOOP
		width := (ledger_root.size >> (8 * stage)) & 255;
		IF width > 0 THEN
			SELECT substr(t.hashes, 1, 32 * width) INTO part FROM kep.tile AS t
			 WHERE t.level = stage AND t.number = CASE WHEN stage = 7 THEN 0 ELSE ledger_root.size >> (8 * stage + 8) END;
			IF NOT FOUND OR octet_length(part) < 32 * width THEN
				RAISE EXCEPTION 'the tiles do not reach up to size %', ledger_root.size
					USING ERRCODE = 'KE110', HINT = 'If the ledger was that large already, its tiles are damaged: run kepctl fsck.';
			END IF;
			root := kep.tree_root(part || root);
		END IF;
	END LOOP;
	RETURN CASE WHEN root = '' THEN sha256('') ELSE root END;
END $$;
COMMENT ON FUNCTION kep.ledger_root(bigint) IS 'root hash of the ledger when it had so many leaves, from the tiles; KE110: it never had';

-- Hashes are put behind the last one of a level, and each tile they fill gives one
-- hash of the level above.
CREATE FUNCTION kep.tile_append(level int, first bigint, hashes bytea[]) RETURNS bytea[]
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF tile_append.first & 255 <> coalesce((SELECT octet_length(t.hashes) / 32 FROM kep.tile AS t
	    WHERE t.level = tile_append.level AND t.number = tile_append.first >> 8), 0) THEN
		RAISE EXCEPTION 'tile % of level % does not end at %', tile_append.first >> 8, tile_append.level, tile_append.first & 255
			USING ERRCODE = 'KE110', HINT = 'Tiles and head of the ledger disagree: run kepctl fsck, and restore the database from a backup.';
	END IF;
	INSERT INTO kep.tile AS t (level, number, hashes)
	SELECT tile_append.level, (tile_append.first + h.no - 1) >> 8, string_agg(h.hash, '' ORDER BY h.no)
	  FROM unnest(tile_append.hashes) WITH ORDINALITY AS h (hash, no) GROUP BY 2
	    ON CONFLICT (level, number) DO UPDATE SET hashes = t.hashes || excluded.hashes;
	RETURN ARRAY(SELECT kep.tree_root(t.hashes) FROM kep.tile AS t WHERE t.level = tile_append.level
	                AND t.number >= tile_append.first >> 8 AND t.number < (tile_append.first + cardinality(tile_append.hashes)) >> 8
	              ORDER BY t.number);
END $$;
COMMENT ON FUNCTION kep.tile_append(int, bigint, bytea[]) IS 'put hashes into the tiles of a level; the root hashes of the tiles this filled; KE110';

-- Partitions -----------------------------------------------------------------------

-- A table is made and then attached, because that waits for no reader of kep.leaf.
CREATE FUNCTION kep.ledger_partitions(ahead int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s    kep.ledger_state;
	made int := 0;
	part text;
BEGIN
	SELECT * INTO s FROM kep.ledger_state FOR UPDATE;
	WHILE s.partitioned <= s.size + s.partition_size * ledger_partitions.ahead LOOP
		part := format('kep.leaf_%s', s.partitioned);
		EXECUTE format('CREATE TABLE %s (LIKE kep.leaf INCLUDING DEFAULTS INCLUDING COMMENTS)', part);
		EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (index)', part);
		EXECUTE format('CREATE UNIQUE INDEX ON %s (evidence_id)', part);
		EXECUTE format('ALTER TABLE %s ADD CONSTRAINT range CHECK (index >= %s AND index < %s)', part, s.partitioned, s.partitioned + s.partition_size);
		EXECUTE format('COMMENT ON TABLE %s IS %L', part, format('leaves %s to %s', s.partitioned, s.partitioned + s.partition_size - 1));
		CALL kep.make_append_only(part::regclass);
		EXECUTE format('ALTER TABLE kep.leaf ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', part, s.partitioned, s.partitioned + s.partition_size);
		s.partitioned := s.partitioned + s.partition_size;
		made := made + 1;
	END LOOP;
	IF made > 0 THEN
		UPDATE kep.ledger_state SET partitioned = s.partitioned;
	END IF;
	RETURN made;
END $$;
COMMENT ON FUNCTION kep.ledger_partitions(int) IS 'make partitions of kep.leaf for so many partitions beyond the one in use; how many were made';

-- The sequencer --------------------------------------------------------------------

-- After a logical restore transaction numbers begin anew and say nothing about the
-- evidence that came with it.  What is not a leaf yet is then found by comparing
-- all evidence with all leaves, and what is known by its number is looked up once more.
CREATE FUNCTION kep.ledger_next(s kep.ledger_state, horizon xid8, n int, restored boolean) RETURNS TABLE (txid xid8, id uuid, hash bytea, known boolean)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF restored THEN
		RETURN QUERY
		SELECT e.txid, e.id, sha256('\x00' || e.body), false
		  FROM kep.evidence AS e WHERE NOT EXISTS (SELECT FROM kep.leaf AS l WHERE l.evidence_id = e.id)
		 ORDER BY e.recorded_at, e.id LIMIT ledger_next.n;
		RETURN;
	END IF;
	RETURN QUERY
	SELECT e.txid, e.id, sha256('\x00' || e.body),
	       e.txid <= s.foreign_txid AND EXISTS (SELECT FROM kep.leaf AS l WHERE l.evidence_id = e.id)
	  FROM kep.evidence AS e
	 WHERE (e.txid, e.id) > (s.cursor_txid, s.cursor_id) AND e.txid < ledger_next.horizon
	 ORDER BY e.txid, e.id LIMIT ledger_next.n;
END $$;
COMMENT ON FUNCTION kep.ledger_next(kep.ledger_state, xid8, int, boolean) IS 'the evidence behind the cursor, of transactions that ended before the horizon, or all that is no leaf; known: it is a leaf already';

CREATE FUNCTION kep.ledger_append(INOUT s kep.ledger_state, ids uuid[], hashes bytea[])
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
DECLARE
	level int := 0;
	first bigint := s.size;
	nodes bytea[] := hashes;
BEGIN
	INSERT INTO kep.leaf (index, evidence_id, hash)
	SELECT s.size + u.no - 1, u.id, u.hash FROM unnest(ids, hashes) WITH ORDINALITY AS u (id, hash, no);
	WHILE cardinality(nodes) > 0 LOOP
		nodes := kep.tile_append(level, first, nodes);
		first := first >> 8;
		level := level + 1;
	END LOOP;
	s.size := s.size + cardinality(ids);
	s.root := kep.ledger_root(s.size);
END $$;
COMMENT ON FUNCTION kep.ledger_append(kep.ledger_state, uuid[], bytea[]) IS 'leaves behind the last one, with their tiles; the new head';

-- All in one transaction: after a crash at any point it was done, or it was not.
CREATE FUNCTION kep.ledger_extend(owner text, lease interval, n int, OUT held boolean, OUT size bigint, OUT root bytea, OUT added int, OUT more boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s        kep.ledger_state;
	horizon  xid8;
	ceiling  xid8;
	newest   xid8;
	restored boolean;
	taken    record;
BEGIN
	added := 0;
	more := false;
	SELECT l.* INTO s FROM kep.ledger_state AS l FOR UPDATE SKIP LOCKED;
	held := FOUND AND (s.lease_until <= clock_timestamp() OR s.lease_owner = ledger_extend.owner);
	IF NOT held THEN
		SELECT l.size, l.root INTO size, root FROM kep.ledger_state AS l;
		RETURN;
	END IF;
	SELECT pg_snapshot_xmin(now.s), pg_snapshot_xmax(now.s),
	       (SELECT e.txid FROM kep.evidence AS e WHERE e.txid IS DISTINCT FROM pg_current_xact_id_if_assigned() ORDER BY e.txid DESC, e.id DESC LIMIT 1)
	  INTO horizon, ceiling, newest FROM pg_current_snapshot() AS now (s);
	-- No transaction we can see has a number that was not given yet, and the cursor is below the horizon: but after a restore.
	restored := s.cursor_txid >= horizon OR coalesce(newest > s.foreign_txid AND newest >= ceiling, false);
	SELECT coalesce(array_agg(m.id ORDER BY m.no) FILTER (WHERE NOT m.known), '{}') AS ids,
	       coalesce(array_agg(m.hash ORDER BY m.no) FILTER (WHERE NOT m.known), '{}') AS hashes,
	       count(*) AS seen, (array_agg(m.txid ORDER BY m.no DESC))[1] AS last_txid, (array_agg(m.id ORDER BY m.no DESC))[1] AS last_id
	  INTO taken FROM kep.ledger_next(s, horizon, ledger_extend.n, restored) WITH ORDINALITY AS m (txid, id, hash, known, no);
	more := taken.seen = ledger_extend.n;
	IF restored AND NOT more THEN
		s.foreign_txid := greatest(s.foreign_txid, (SELECT e.txid FROM kep.evidence AS e ORDER BY e.txid DESC, e.id DESC LIMIT 1));
		s.cursor_txid := (horizon::text::numeric - 1)::text::xid8;
		s.cursor_id := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
	ELSIF taken.seen > 0 AND NOT restored THEN
		s.cursor_txid := taken.last_txid;
		s.cursor_id := taken.last_id;
	END IF;
	added := cardinality(taken.ids);
	IF s.partitioned < s.size + added THEN          -- kep.ledger_partitions() was not called in time
		PERFORM kep.ledger_partitions((added / s.partition_size)::int + 1);
	END IF;
	IF added > 0 THEN
		s := kep.ledger_append(s, taken.ids, taken.hashes);
	END IF;
	UPDATE kep.ledger_state SET size = s.size, root = s.root, cursor_txid = s.cursor_txid, cursor_id = s.cursor_id, foreign_txid = s.foreign_txid,
	       lease_owner = ledger_extend.owner, lease_until = clock_timestamp() + ledger_extend.lease;
	size := s.size;
	root := s.root;
END $$;
COMMENT ON FUNCTION kep.ledger_extend(text, interval, int) IS 'take or keep the lease and make up to n evidences leaves; held: this host has the lease; more: call again; KE110';

CREATE FUNCTION kep.ledger_tiles(size bigint, levels int[], numbers bigint[]) RETURNS TABLE (level int, number bigint, hashes bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF NOT EXISTS (SELECT FROM kep.ledger_state AS s WHERE s.size >= ledger_tiles.size) THEN
		RAISE EXCEPTION 'the ledger has not % leaves yet', ledger_tiles.size
			USING ERRCODE = 'KE110', HINT = 'If it had them once, an older state of the database was restored: do not sign anything, run kepctl fsck.';
	END IF;
	RETURN QUERY
	SELECT t.level, t.number, t.hashes FROM unnest(ledger_tiles.levels, ledger_tiles.numbers) AS w (level, number)
	  JOIN kep.tile AS t ON t.level = w.level AND t.number = w.number;
END $$;
COMMENT ON FUNCTION kep.ledger_tiles(bigint, int[], bigint[]) IS 'tiles for proofs of the tree of that size; a last one may hold more hashes than the size has; KE110';

-- Checkpoints, stamps, cosignatures --------------------------------------------------

CREATE FUNCTION kep.checkpoint_last() RETURNS TABLE (size bigint, root bytea, note bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$ SELECT c.size, c.root, c.note FROM kep.checkpoint AS c ORDER BY c.size DESC LIMIT 1 $$;
COMMENT ON FUNCTION kep.checkpoint_last() IS 'the newest checkpoint; no row: there is none yet';

CREATE FUNCTION kep.checkpoint_add(owner text, size bigint, root bytea, note bytea, cms bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	s     kep.ledger_state;
	lines text[] := string_to_array(convert_from(checkpoint_add.note, 'UTF8'), E'\n');
BEGIN
	IF (lines[2], lines[3], lines[4]) IS DISTINCT FROM (checkpoint_add.size::text, encode(checkpoint_add.root, 'base64'), '') THEN
		RAISE EXCEPTION 'the note of checkpoint % does not say its size and root', checkpoint_add.size
			USING ERRCODE = 'KE111', HINT = 'Lines two and three of the note are the size and the root hash in base64, the fourth is empty.';
	END IF;
	SELECT l.* INTO s FROM kep.ledger_state AS l FOR UPDATE;
	IF checkpoint_add.size > s.size OR checkpoint_add.root IS DISTINCT FROM kep.ledger_root(checkpoint_add.size) THEN
		RAISE EXCEPTION 'checkpoint % has not the root of the ledger', checkpoint_add.size
			USING ERRCODE = 'KE112', HINT = 'What was signed is not what is stored: run kepctl fsck, and ask who else has the key.';
	END IF;
	IF EXISTS (SELECT FROM kep.checkpoint AS c WHERE c.size = checkpoint_add.size AND c.root = checkpoint_add.root AND c.note = checkpoint_add.note) THEN
		RETURN true;
	END IF;
	IF s.lease_owner IS DISTINCT FROM checkpoint_add.owner OR s.lease_until <= clock_timestamp()
	   OR EXISTS (SELECT FROM kep.checkpoint AS c WHERE c.size >= checkpoint_add.size) THEN
		RETURN false;
	END IF;
	INSERT INTO kep.checkpoint (size, root, origin, note, cms, host)
	VALUES (checkpoint_add.size, checkpoint_add.root, lines[1], checkpoint_add.note, checkpoint_add.cms, checkpoint_add.owner);
	NOTIFY kep_outbox;
	RETURN true;
END $$;
COMMENT ON FUNCTION kep.checkpoint_add(text, bigint, bytea, bytea, bytea) IS 'publish a signed head; false: this host has not the lease, or one as large is there; KE111, KE112';

CREATE FUNCTION kep.stamp_wanted(tsa text, n int, every interval DEFAULT '0') RETURNS TABLE (size bigint, note bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
	SELECT c.size, c.note FROM kep.checkpoint AS c
	 WHERE c.size > coalesce((SELECT max(t.size) FROM kep.stamp AS t WHERE t.tsa = stamp_wanted.tsa), 0)
	   AND coalesce((SELECT t.at FROM kep.stamp AS t WHERE t.tsa = stamp_wanted.tsa ORDER BY t.size DESC LIMIT 1), '-infinity')
	       <= clock_timestamp() - stamp_wanted.every
	 ORDER BY c.size DESC LIMIT stamp_wanted.n
$$;
COMMENT ON FUNCTION kep.stamp_wanted(text, int, interval) IS 'the newest checkpoints behind the last one this authority stamped, to stamp the first of them is enough; none while its last stamp, of whatever host, is younger than that';

CREATE FUNCTION kep.checkpoint_known(size bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF NOT EXISTS (SELECT FROM kep.checkpoint AS c WHERE c.size = checkpoint_known.size) THEN
		RAISE EXCEPTION 'there is no checkpoint of size %', checkpoint_known.size
			USING ERRCODE = 'KE113', HINT = 'Time-stamps and cosignatures are kept with the checkpoint they are of.';
	END IF;
END $$;
COMMENT ON FUNCTION kep.checkpoint_known(bigint) IS 'KE113: there is no checkpoint of that size';

CREATE FUNCTION kep.stamp_add(size bigint, tsa text, token bytea, gen_time timestamptz, policy text, serial text, chain bytea[], revocation bytea[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM kep.checkpoint_known(stamp_add.size);
	INSERT INTO kep.stamp (size, tsa, token, gen_time, policy, serial, chain, revocation)
	VALUES (stamp_add.size, stamp_add.tsa, stamp_add.token, stamp_add.gen_time, stamp_add.policy, stamp_add.serial,
	        coalesce(stamp_add.chain, '{}'), coalesce(stamp_add.revocation, '{}'))
	    ON CONFLICT DO NOTHING;
	IF FOUND THEN
		NOTIFY kep_outbox;
		RETURN true;
	END IF;
	RETURN false;
END $$;
COMMENT ON FUNCTION kep.stamp_add(bigint, text, bytea, timestamptz, text, text, bytea[], bytea[]) IS 'keep a verified time-stamp; false: there is one of this authority already';

CREATE FUNCTION kep.witness_wanted(name text, n int) RETURNS TABLE (size bigint, note bytea, old bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
	SELECT c.size, c.note, o.size FROM (SELECT coalesce(max(g.size), 0) AS size FROM kep.cosignature AS g WHERE g.name = witness_wanted.name) AS o
	  JOIN kep.checkpoint AS c ON c.size > o.size ORDER BY c.size DESC LIMIT witness_wanted.n
$$;
COMMENT ON FUNCTION kep.witness_wanted(text, int) IS 'the newest checkpoints behind the last one this witness cosigned, and the size of that one';

CREATE FUNCTION kep.cosignature_add(size bigint, name text, key_hash bytea, line text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	PERFORM kep.checkpoint_known(cosignature_add.size);
	INSERT INTO kep.cosignature (size, name, key_hash, line)
	VALUES (cosignature_add.size, cosignature_add.name, cosignature_add.key_hash, cosignature_add.line) ON CONFLICT DO NOTHING;
	RETURN FOUND;
END $$;
COMMENT ON FUNCTION kep.cosignature_add(bigint, text, bytea, text) IS 'keep the verified cosignature of a witness; false: it is there already';

-- Evidence and its receipts ------------------------------------------------------------

-- As in 0005, but the sequencer is woken; the outbox when a checkpoint covers it.
CREATE OR REPLACE FUNCTION kep.evidence_add(kep_id uuid, recipient_index int, id uuid, outcome text, event_time timestamptz, body bytea,
	reason_code text, reply text, receipt_to text, OUT evidence_id uuid, OUT inserted boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	said jsonb := convert_from(evidence_add.body, 'UTF8')::jsonb;
BEGIN
	IF said ->> 'id' IS DISTINCT FROM evidence_add.id::text OR said ->> 'outcome' IS DISTINCT FROM evidence_add.outcome
	   OR said #>> '{message,kep_id}' IS DISTINCT FROM evidence_add.kep_id::text
	   OR coalesce((said ->> 'recipient')::int, 0) IS DISTINCT FROM evidence_add.recipient_index
	   OR (said ->> 'event_time')::timestamptz IS DISTINCT FROM evidence_add.event_time THEN
		RAISE EXCEPTION 'the body of evidence % does not say what its columns say', evidence_add.id
			USING ERRCODE = 'KE022', HINT = 'id, outcome, message.kep_id, recipient and event_time must be the same in both.';
	END IF;
	WITH added AS (
		INSERT INTO kep.evidence (id, kep_id, recipient_index, outcome, event_time, reason_code, reply, previous, body, digest, retain_until)
		VALUES (evidence_add.id, evidence_add.kep_id, evidence_add.recipient_index, evidence_add.outcome, evidence_add.event_time,
		        nullif(evidence_add.reason_code, ''), nullif(evidence_add.reply, ''), (said ->> 'previous')::uuid,
		        evidence_add.body, sha256(evidence_add.body), evidence_add.event_time + interval '20 years')
		    ON CONFLICT (kep_id, recipient_index, left(outcome, 1)) DO NOTHING RETURNING id
	), ordered AS (
		INSERT INTO kep.outbox (evidence_id, recipient, due_at) SELECT a.id, evidence_add.receipt_to, 'infinity' FROM added AS a WHERE evidence_add.receipt_to <> ''
	)
	SELECT a.id INTO evidence_id FROM added AS a;
	inserted := FOUND;
	IF inserted THEN
		NOTIFY kep_ledger;
	ELSE
		SELECT e.id INTO STRICT evidence_id FROM kep.evidence AS e WHERE e.kep_id = evidence_add.kep_id
		   AND e.recipient_index = evidence_add.recipient_index AND left(e.outcome, 1) = left(evidence_add.outcome, 1);
	END IF;
END $$;

-- A receipt waits with a due_at of infinity, out of the index of due ones, until a
-- checkpoint covers its evidence; the ledger then leads to it.  kep.outbox_gate says
-- up to which leaf none waits any more.
ALTER TABLE kep.outbox ADD COLUMN index bigint;
COMMENT ON COLUMN kep.outbox.index IS 'leaf of its evidence; empty: no checkpoint covered it yet when it was last looked at';
COMMENT ON COLUMN kep.outbox.due_at IS 'not to be tried before; infinity: a checkpoint must cover its evidence first';
UPDATE kep.outbox SET due_at = 'infinity' WHERE sent_at IS NULL AND stored_at IS NULL;

CREATE TABLE kep.outbox_gate (
	one    boolean PRIMARY KEY DEFAULT true CHECK (one),
	opened bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
COMMENT ON TABLE kep.outbox_gate IS 'how far the receipts were let out; one row, nothing of proof';
COMMENT ON COLUMN kep.outbox_gate.one IS 'always true: there is one row';
COMMENT ON COLUMN kep.outbox_gate.opened IS 'no receipt waits for a checkpoint whose evidence is a leaf below this index';
INSERT INTO kep.outbox_gate DEFAULT VALUES;

CREATE FUNCTION kep.outbox_due(owner text, n int, lease interval) RETURNS SETOF kep.outbox
LANGUAGE sql SET search_path = pg_catalog, kep, pg_temp
AS $$
	WITH due AS MATERIALIZED (
		SELECT o.evidence_id, o.recipient FROM kep.outbox AS o
		 WHERE o.sent_at IS NULL AND o.due_at <= clock_timestamp()
		 ORDER BY o.due_at LIMIT outbox_due.n FOR UPDATE SKIP LOCKED
	)
	UPDATE kep.outbox AS o
	   SET due_at = clock_timestamp() + outbox_due.lease, owner = outbox_due.owner, attempts = o.attempts + 1
	  FROM due WHERE o.evidence_id = due.evidence_id AND o.recipient = due.recipient
	RETURNING o.*
$$;
COMMENT ON FUNCTION kep.outbox_due(text, int, interval) IS 'take up to n receipts that were let out before and are due';

-- Leaf by leaf, by the key of the outbox (no word of due_at, whose index would give
-- all that wait for each): the planner, who knows nothing of the numbers, must not
-- get other ideas.  No more than so many leaves at once, because a first ledger may
-- begin with millions whose receipts went out long ago.  While a time-stamp is waited
-- for, a checkpoint counts when it has one, or is older than that.
CREATE FUNCTION kep.outbox_fresh(owner text, n int, lease interval, patience interval) RETURNS SETOF kep.outbox
LANGUAGE plpgsql SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	covered   bigint := greatest((SELECT s.size FROM kep.stamp AS s ORDER BY s.size DESC LIMIT 1), 0,
	             (SELECT c.size FROM kep.checkpoint AS c WHERE c.at <= clock_timestamp() - outbox_fresh.patience ORDER BY c.size DESC LIMIT 1));
	opened_to bigint := (SELECT g.opened FROM kep.outbox_gate AS g);
	low       bigint := opened_to;
	ended     bigint := least(covered, low + 20480);
	high      bigint;
	got       int := 0;
	now_taken int;
BEGIN
	-- An order is committed with its evidence: if none is seen waiting now, none waits below what was covered before.
	IF NOT EXISTS (SELECT FROM kep.outbox AS o WHERE o.due_at = 'infinity' AND o.sent_at IS NULL) THEN
		low := ended;
		opened_to := covered;
	END IF;
	WHILE got < outbox_fresh.n AND low < ended LOOP
		high := least(low + 256, ended);
		RETURN QUERY
		WITH covers AS MATERIALIZED (
			SELECT l.index, l.evidence_id FROM kep.leaf AS l WHERE l.index >= low AND l.index < high ORDER BY l.index
		), fresh AS MATERIALIZED (
			SELECT l.index, w.evidence_id, w.recipient FROM covers AS l CROSS JOIN LATERAL
			       (SELECT o.evidence_id, o.recipient FROM kep.outbox AS o
			         WHERE o.evidence_id = l.evidence_id AND o.index IS NULL AND o.stored_at IS NULL FOR UPDATE SKIP LOCKED) AS w
			 LIMIT outbox_fresh.n - got
		)
		UPDATE kep.outbox AS o
		   SET due_at = clock_timestamp() + outbox_fresh.lease, owner = outbox_fresh.owner, attempts = o.attempts + 1, index = fresh.index
		  FROM fresh WHERE o.evidence_id = fresh.evidence_id AND o.recipient = fresh.recipient
		RETURNING o.*;
		GET DIAGNOSTICS now_taken = ROW_COUNT;
		got := got + now_taken;
		-- What another host is about to take may come back to us: the gate waits for it.
		IF opened_to = low AND NOT EXISTS (SELECT FROM kep.leaf AS l CROSS JOIN LATERAL
		    (SELECT o.due_at FROM kep.outbox AS o WHERE o.evidence_id = l.evidence_id OFFSET 0) AS w
		     WHERE l.index >= low AND l.index < high AND w.due_at = 'infinity') THEN
			opened_to := high;
		END IF;
		low := high;
	END LOOP;
	PERFORM FROM kep.outbox_gate AS g WHERE g.opened < opened_to FOR UPDATE SKIP LOCKED;
	IF FOUND THEN
		UPDATE kep.outbox_gate AS g SET opened = opened_to;
	END IF;
END $$;
COMMENT ON FUNCTION kep.outbox_fresh(text, int, interval, interval) IS 'take up to n receipts whose evidence came under a checkpoint that is time-stamped, or older than the patience';

-- What a receipt is made of comes with it, but for those that are composed already.
-- A checkpoint with a time-stamp is preferred to a newer one without.
DROP FUNCTION kep.outbox_take(text, int, interval);
CREATE FUNCTION kep.outbox_take(owner text, n int, lease interval, patience interval DEFAULT '0')
RETURNS TABLE (evidence_id uuid, recipient text, body bytea, mail bytea, attempts int, index bigint, checkpoint_size bigint, note bytea, cms bytea, token bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	taken   kep.outbox[];
	newest  bigint := (SELECT c.size FROM kep.checkpoint AS c ORDER BY c.size DESC LIMIT 1);
	stamped bigint := (SELECT s.size FROM kep.stamp AS s ORDER BY s.size DESC LIMIT 1);
BEGIN
	taken := ARRAY(SELECT o FROM kep.outbox_due(outbox_take.owner, outbox_take.n, outbox_take.lease) AS o);
	taken := taken || ARRAY(SELECT o FROM kep.outbox_fresh(outbox_take.owner, outbox_take.n - cardinality(taken), outbox_take.lease, outbox_take.patience) AS o);
	RETURN QUERY
	SELECT t.evidence_id, t.recipient, e.body, t.mail, t.attempts, t.index, c.size, c.note, c.cms,
	       (SELECT s.token FROM kep.stamp AS s WHERE s.size = c.size ORDER BY s.gen_time LIMIT 1)
	  FROM unnest(taken) AS t JOIN kep.evidence AS e ON e.id = t.evidence_id
	  LEFT JOIN kep.checkpoint AS c ON t.mail IS NULL AND c.size = CASE WHEN t.index < stamped THEN stamped WHEN t.index < newest THEN newest END;
END $$;
COMMENT ON FUNCTION kep.outbox_take(text, int, interval, interval) IS 'take up to n due receipts whose evidence a checkpoint covers, which for so long must be time-stamped, for a time; nobody else gets them until then';

-- As in 0005; a receipt that waits for a checkpoint was not tried and cannot fail.
CREATE OR REPLACE FUNCTION kep.outbox_failed(evidence_id uuid, recipient text, error text, retry interval) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	UPDATE kep.outbox AS o SET due_at = clock_timestamp() + outbox_failed.retry, error = outbox_failed.error
	 WHERE o.evidence_id = outbox_failed.evidence_id AND o.recipient = outbox_failed.recipient AND o.sent_at IS NULL AND o.due_at <> 'infinity';
END $$;

CREATE OR REPLACE VIEW kep.receipts AS
SELECT o.evidence_id, e.kep_id, e.outcome, o.recipient, o.created_at, o.stored_at, o.sent_at, o.queue_id, o.attempts,
       CASE WHEN o.sent_at IS NULL THEN nullif(o.due_at, 'infinity') END AS due_at, o.error, octet_length(o.mail) AS size, sha256(o.mail) AS sha256, o.index
  FROM kep.outbox AS o LEFT JOIN kep.evidence AS e ON e.id = o.evidence_id;
COMMENT ON COLUMN kep.receipts.due_at IS 'when it will be tried next; empty: it was sent, or waits for a checkpoint';
COMMENT ON COLUMN kep.receipts.index IS 'leaf of its evidence; empty: no checkpoint covers it yet';

GRANT EXECUTE ON FUNCTION kep.ledger_extend(text, interval, int), kep.ledger_tiles(bigint, int[], bigint[]), kep.ledger_partitions(int),
	kep.checkpoint_last(), kep.checkpoint_add(text, bigint, bytea, bytea, bytea), kep.stamp_wanted(text, int, interval),
	kep.stamp_add(bigint, text, bytea, timestamptz, text, text, bytea[], bytea[]), kep.witness_wanted(text, int),
	kep.cosignature_add(bigint, text, bytea, text), kep.outbox_take(text, int, interval, interval) TO kep_policyd;

-- What the auditor reads ----------------------------------------------------------------

CREATE VIEW kep.ledger_leaves AS
SELECT l.index, l.evidence_id, l.hash, e.body, e.recorded_at, e.kep_id, e.recipient_index, e.outcome, e.event_time, e.previous, e.digest, e.retain_until
  FROM kep.leaf AS l LEFT JOIN kep.evidence AS e ON e.id = l.evidence_id;
COMMENT ON VIEW kep.ledger_leaves IS 'the ledger: which evidence stands at which index';
COMMENT ON COLUMN kep.ledger_leaves.index IS 'index of the leaf, from 0 without gaps';
COMMENT ON COLUMN kep.ledger_leaves.evidence_id IS 'the evidence';
COMMENT ON COLUMN kep.ledger_leaves.hash IS 'leaf hash of RFC 6962: SHA-256 of an octet 0 and the body of the evidence';
COMMENT ON COLUMN kep.ledger_leaves.body IS 'the evidence itself: canonical JSON (RFC 8785); empty: removed after its retention';
COMMENT ON COLUMN kep.ledger_leaves.recorded_at IS 'when the evidence was written; empty: there is no such evidence';
COMMENT ON COLUMN kep.ledger_leaves.kep_id IS 'the message';
COMMENT ON COLUMN kep.ledger_leaves.recipient_index IS 'number of the recipient it concerns; 0: all of them';
COMMENT ON COLUMN kep.ledger_leaves.outcome IS 'what happened, as in kep.evidences';
COMMENT ON COLUMN kep.ledger_leaves.event_time IS 'when it happened';
COMMENT ON COLUMN kep.ledger_leaves.previous IS 'the evidence of this message before this one';
COMMENT ON COLUMN kep.ledger_leaves.digest IS 'SHA-256 of the body';
COMMENT ON COLUMN kep.ledger_leaves.retain_until IS 'the evidence is kept at least until then';

CREATE VIEW kep.tiles AS SELECT t.level, t.number, t.hashes FROM kep.tile AS t;
COMMENT ON VIEW kep.tiles IS 'the nodes of the tree: tiles of up to 256 hashes (C2SP tlog-tiles)';
COMMENT ON COLUMN kep.tiles.level IS 'level of the tile';
COMMENT ON COLUMN kep.tiles.number IS 'number of the tile on its level, from 0';
COMMENT ON COLUMN kep.tiles.hashes IS 'its hashes, 32 octets each';

CREATE VIEW kep.ledger AS SELECT s.size, s.root, s.lease_owner, s.lease_until, s.partitioned FROM kep.ledger_state AS s;
COMMENT ON VIEW kep.ledger IS 'the head of the ledger; one row';
COMMENT ON COLUMN kep.ledger.size IS 'number of leaves';
COMMENT ON COLUMN kep.ledger.root IS 'root hash of the tree of that size';
COMMENT ON COLUMN kep.ledger.lease_owner IS 'the host that extends it';
COMMENT ON COLUMN kep.ledger.lease_until IS 'until then no other host may';
COMMENT ON COLUMN kep.ledger.partitioned IS 'there are partitions for the indices below this one';

CREATE VIEW kep.checkpoints AS SELECT c.size, c.root, c.origin, c.note, c.cms, c.host, c.at FROM kep.checkpoint AS c;
COMMENT ON VIEW kep.checkpoints IS 'signed heads of the ledger (C2SP tlog-checkpoint)';
COMMENT ON COLUMN kep.checkpoints.size IS 'number of leaves it covers';
COMMENT ON COLUMN kep.checkpoints.root IS 'root hash of the tree of that size';
COMMENT ON COLUMN kep.checkpoints.origin IS 'name of the ledger';
COMMENT ON COLUMN kep.checkpoints.note IS 'the signed note (C2SP signed-note), octet for octet';
COMMENT ON COLUMN kep.checkpoints.cms IS 'signature of the seal over the text of the note: CMS in DER, detached';
COMMENT ON COLUMN kep.checkpoints.host IS 'the host that signed it';
COMMENT ON COLUMN kep.checkpoints.at IS 'when it was recorded';

CREATE VIEW kep.stamps AS SELECT t.size, t.tsa, t.token, t.gen_time, t.policy, t.serial, t.chain, t.revocation, t.at FROM kep.stamp AS t;
COMMENT ON VIEW kep.stamps IS 'time-stamps (zaman damgası, RFC 3161) on checkpoints';
COMMENT ON COLUMN kep.stamps.size IS 'the checkpoint';
COMMENT ON COLUMN kep.stamps.tsa IS 'the time-stamping authority, by its URL';
COMMENT ON COLUMN kep.stamps.token IS 'its token over the text of the note, DER';
COMMENT ON COLUMN kep.stamps.gen_time IS 'the time in the token';
COMMENT ON COLUMN kep.stamps.policy IS 'policy in the token, dotted';
COMMENT ON COLUMN kep.stamps.serial IS 'serial number in the token, hexadecimal';
COMMENT ON COLUMN kep.stamps.chain IS 'the certificates needed to verify it, DER';
COMMENT ON COLUMN kep.stamps.revocation IS 'the CRLs and OCSP answers needed to verify it, DER';
COMMENT ON COLUMN kep.stamps.at IS 'when it was recorded';

CREATE VIEW kep.cosignatures AS SELECT g.size, g.name, g.key_hash, g.line, g.at FROM kep.cosignature AS g;
COMMENT ON VIEW kep.cosignatures IS 'what witnesses put under checkpoints (C2SP tlog-cosignature)';
COMMENT ON COLUMN kep.cosignatures.size IS 'the checkpoint';
COMMENT ON COLUMN kep.cosignatures.name IS 'name of the witness';
COMMENT ON COLUMN kep.cosignatures.key_hash IS 'the four octets that name its key';
COMMENT ON COLUMN kep.cosignatures.line IS 'its signature line, as it stands in a note';
COMMENT ON COLUMN kep.cosignatures.at IS 'when it was recorded';

GRANT SELECT ON kep.ledger_leaves, kep.tiles, kep.ledger, kep.checkpoints, kep.stamps, kep.cosignatures TO kep_auditor;

INSERT INTO kep.migration (number, name) VALUES (9, 'ledger');
RESET ROLE;
