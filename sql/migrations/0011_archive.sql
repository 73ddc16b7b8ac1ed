-- 0011 archive: what keeps the evidence provable for decades (RFC 4998).
--
-- A time-stamp proves as long as its authority's certificate lasts and its algorithms
-- hold.  Therefore kepctl renew archives what the ledger holds:
--
--   volume   leaves that stand together, up to a checkpoint that has a time-stamp.  Each
--            leaf is a data group of four objects, the four parts of a receipt: the body
--            of the evidence; its proof (C2SP tlog-proof) in the checkpoint of the volume,
--            with the signed checkpoint in it; the seal's CMS; the time-stamp on the
--            checkpoint.  So what binds an evidence to the signatures is archived with
--            it, and outlives SHA-256.
--   hashes   of the bodies of a volume, one a leaf, by the digest of a chain.  The other
--            three objects of a group can always be made again from the ledger; a body
--            may be removed after its retention, and its hash must stay for the others.
--   stamp    one archive time-stamp, over the root of a tree whose leaves are its members.
--   member   that a stamp is the number-th one of a chain of a volume.  Its leaf is the
--            root of the volume's tree where a chain begins (number 0), else the hash of
--            the token before it in the chain.
--
-- No foreign keys: an append-only table grants nobody the lock they take, and the
-- functions look before they write.
--
-- Chain 0 begins when a volume is archived; a time-stamp renewal adds a number to the
-- last chain; a hash-tree renewal begins the next chain, with another digest.  One stamp
-- renews many volumes.  Nothing is ever changed or removed.  The records themselves are
-- made by libkep/archive.h from all this, and hold nothing else.

SET ROLE kep_owner;

CREATE TABLE kep.archive_volume (
	volume     bigint PRIMARY KEY,
	first      bigint NOT NULL CHECK (first >= 0),
	size       int NOT NULL CHECK (size > 0),
	checkpoint bigint NOT NULL,
	tsa        text NOT NULL,
	at         timestamptz NOT NULL DEFAULT clock_timestamp(),
	CHECK (first + size <= checkpoint)
);
CALL kep.make_append_only('kep.archive_volume');
COMMENT ON TABLE kep.archive_volume IS 'leaves of the ledger that are archived together (RFC 4998)';
COMMENT ON COLUMN kep.archive_volume.volume IS 'number of the volume, from 0';
COMMENT ON COLUMN kep.archive_volume.first IS 'index of its first leaf';
COMMENT ON COLUMN kep.archive_volume.size IS 'how many leaves it has';
COMMENT ON COLUMN kep.archive_volume.checkpoint IS 'size of the checkpoint that covers them';
COMMENT ON COLUMN kep.archive_volume.tsa IS 'whose time-stamp on that checkpoint is archived with them';
COMMENT ON COLUMN kep.archive_volume.at IS 'when it was made';

CREATE TABLE kep.archive_hashes (
	volume bigint NOT NULL,
	chain  int NOT NULL CHECK (chain BETWEEN 0 AND 31),
	digest text NOT NULL CHECK (digest IN ('sha256', 'sha384', 'sha512')),
	hashes bytea NOT NULL,
	at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (volume, chain)
);
ALTER TABLE kep.archive_hashes ALTER COLUMN hashes SET STORAGE EXTERNAL;
CALL kep.make_append_only('kep.archive_hashes');
COMMENT ON TABLE kep.archive_hashes IS 'hashes of the bodies of a volume, which outlive the bodies';
COMMENT ON COLUMN kep.archive_hashes.volume IS 'the volume';
COMMENT ON COLUMN kep.archive_hashes.chain IS 'number of the chain of archive time-stamps, from 0';
COMMENT ON COLUMN kep.archive_hashes.digest IS 'its hash algorithm';
COMMENT ON COLUMN kep.archive_hashes.hashes IS 'one hash a leaf, in order; of a body that was removed before, the hash of its hash in the chain before';
COMMENT ON COLUMN kep.archive_hashes.at IS 'when they were made';

CREATE TABLE kep.archive_stamp (
	stamp      bigint PRIMARY KEY,
	kind       text NOT NULL CHECK (kind IN ('first', 'stamp', 'tree')),
	digest     text NOT NULL CHECK (digest IN ('sha256', 'sha384', 'sha512')),
	root       bytea NOT NULL,
	tsa        text NOT NULL,
	token      bytea NOT NULL,
	gen_time   timestamptz NOT NULL,
	ends       timestamptz NOT NULL CHECK (ends > gen_time),
	algorithms text NOT NULL,
	chain      bytea[] NOT NULL,
	revocation bytea[] NOT NULL,
	at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
CALL kep.make_append_only('kep.archive_stamp');
COMMENT ON TABLE kep.archive_stamp IS 'archive time-stamps (RFC 4998)';
COMMENT ON COLUMN kep.archive_stamp.stamp IS 'number of the archive time-stamp, from 0';
COMMENT ON COLUMN kep.archive_stamp.kind IS 'first: volumes are archived; stamp: a time-stamp renewal; tree: a hash-tree renewal';
COMMENT ON COLUMN kep.archive_stamp.digest IS 'hash algorithm of its tree';
COMMENT ON COLUMN kep.archive_stamp.root IS 'root of the tree over the leaves of its members';
COMMENT ON COLUMN kep.archive_stamp.tsa IS 'the time-stamping authority, by its URL';
COMMENT ON COLUMN kep.archive_stamp.token IS 'its token (RFC 3161) over the root, DER';
COMMENT ON COLUMN kep.archive_stamp.gen_time IS 'the time in the token';
COMMENT ON COLUMN kep.archive_stamp.ends IS 'when the first certificate it needs ends; it must be renewed before';
COMMENT ON COLUMN kep.archive_stamp.algorithms IS 'the algorithms it rests on, such as sha256 rsa3072';
COMMENT ON COLUMN kep.archive_stamp.chain IS 'the certificates needed to verify it, DER';
COMMENT ON COLUMN kep.archive_stamp.revocation IS 'CRLs and OCSP answers that came with it, DER';
COMMENT ON COLUMN kep.archive_stamp.at IS 'when it was recorded';

CREATE TABLE kep.archive_member (
	volume   bigint NOT NULL,
	chain    int NOT NULL CHECK (chain >= 0),
	number   int NOT NULL CHECK (number >= 0),
	stamp    bigint NOT NULL,
	position int NOT NULL CHECK (position >= 0),
	leaf     bytea NOT NULL,
	PRIMARY KEY (volume, chain, number),
	UNIQUE (stamp, position),
	UNIQUE (stamp, volume)
);
CALL kep.make_append_only('kep.archive_member');
COMMENT ON TABLE kep.archive_member IS 'which archive time-stamp stands where in the chains of which volume';
COMMENT ON COLUMN kep.archive_member.volume IS 'the volume';
COMMENT ON COLUMN kep.archive_member.chain IS 'number of its chain, from 0';
COMMENT ON COLUMN kep.archive_member.number IS 'place in the chain, from 0';
COMMENT ON COLUMN kep.archive_member.stamp IS 'the archive time-stamp';
COMMENT ON COLUMN kep.archive_member.position IS 'place of its leaf in the tree of that';
COMMENT ON COLUMN kep.archive_member.leaf IS 'the leaf: root of the volume (number 0), else hash of the token before';

CREATE FUNCTION kep.archive_size(digest text) RETURNS int
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
AS $$ SELECT CASE digest WHEN 'sha256' THEN 32 WHEN 'sha384' THEN 48 WHEN 'sha512' THEN 64 END $$;
COMMENT ON FUNCTION kep.archive_size(text) IS 'octets of a hash';

-- Volumes follow each other without a gap.
CREATE FUNCTION kep.archive_volume_add(first bigint, size int, checkpoint bigint, tsa text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	last kep.archive_volume;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('kep.archive'));
	SELECT v.* INTO last FROM kep.archive_volume AS v ORDER BY v.volume DESC LIMIT 1;
	IF (last.first, last.size, last.checkpoint, last.tsa)
	   = (archive_volume_add.first, archive_volume_add.size, archive_volume_add.checkpoint, archive_volume_add.tsa) THEN
		RETURN last.volume;
	END IF;
	IF archive_volume_add.first IS DISTINCT FROM coalesce(last.first + last.size, 0) THEN
		RAISE EXCEPTION 'the next volume begins with leaf %, not with %', coalesce(last.first + last.size, 0), archive_volume_add.first
			USING ERRCODE = 'KE130', HINT = 'Another kepctl renew was at work; run it again.';
	END IF;
	IF NOT EXISTS (SELECT FROM kep.stamp AS t WHERE t.size = archive_volume_add.checkpoint AND t.tsa = archive_volume_add.tsa) THEN
		RAISE EXCEPTION 'checkpoint % has no time-stamp of %', archive_volume_add.checkpoint, archive_volume_add.tsa
			USING ERRCODE = 'KE133', HINT = 'A volume is made of leaves that a time-stamped checkpoint covers.';
	END IF;
	INSERT INTO kep.archive_volume (volume, first, size, checkpoint, tsa)
	VALUES (coalesce(last.volume + 1, 0), archive_volume_add.first, archive_volume_add.size, archive_volume_add.checkpoint, archive_volume_add.tsa);
	RETURN coalesce(last.volume + 1, 0);
END $$;
COMMENT ON FUNCTION kep.archive_volume_add(bigint, int, bigint, text) IS 'make leaves a volume, behind the last one; its number; repeated: the same number; KE130, KE133';

CREATE FUNCTION kep.archive_hashes_add(volume bigint, chain int, digest text, hashes bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	wanted bigint := (SELECT v.size::bigint * kep.archive_size(archive_hashes_add.digest) FROM kep.archive_volume AS v WHERE v.volume = archive_hashes_add.volume);
BEGIN
	IF octet_length(archive_hashes_add.hashes) IS DISTINCT FROM wanted
	   OR (archive_hashes_add.chain > 0 AND NOT EXISTS (SELECT FROM kep.archive_member AS m WHERE m.volume = archive_hashes_add.volume
	       AND m.chain = archive_hashes_add.chain - 1)) THEN
		RAISE EXCEPTION 'these are no hashes for chain % of volume %', archive_hashes_add.chain, archive_hashes_add.volume
			USING ERRCODE = 'KE131', HINT = 'One hash a leaf is wanted, and the chain before must have a time-stamp.';
	END IF;
	INSERT INTO kep.archive_hashes (volume, chain, digest, hashes)
	VALUES (archive_hashes_add.volume, archive_hashes_add.chain, archive_hashes_add.digest, archive_hashes_add.hashes) ON CONFLICT DO NOTHING;
END $$;
COMMENT ON FUNCTION kep.archive_hashes_add(bigint, int, text, bytea) IS 'keep the hashes of the bodies of a volume for a chain; those that are there stay; KE131';

-- Where the stamp stands in each volume's chains; no row where it cannot.
CREATE FUNCTION kep.archive_place(volume bigint, kind text, digest text, gen_time timestamptz) RETURNS TABLE (chain int, number int)
LANGUAGE sql STABLE SET search_path = pg_catalog, kep, pg_temp
AS $$
	SELECT CASE kind WHEN 'first' THEN 0 WHEN 'stamp' THEN n.chain ELSE n.chain + 1 END, CASE kind WHEN 'stamp' THEN n.number + 1 ELSE 0 END
	  FROM kep.archive_volume AS v
	  LEFT JOIN LATERAL (SELECT m.chain, m.number, s.digest, s.gen_time FROM kep.archive_member AS m JOIN kep.archive_stamp AS s ON s.stamp = m.stamp
	                      WHERE m.volume = v.volume ORDER BY m.chain DESC, m.number DESC LIMIT 1) AS n ON true
	  LEFT JOIN kep.archive_hashes AS h ON h.volume = v.volume AND h.chain = CASE kind WHEN 'first' THEN 0 WHEN 'tree' THEN n.chain + 1 END
	 WHERE v.volume = archive_place.volume
	   AND CASE kind WHEN 'first' THEN n.chain IS NULL AND h.digest = archive_place.digest
	                 WHEN 'stamp' THEN n.digest = archive_place.digest AND n.gen_time <= archive_place.gen_time
	                 WHEN 'tree' THEN h.digest = archive_place.digest AND n.gen_time <= archive_place.gen_time END
$$;
COMMENT ON FUNCTION kep.archive_place(bigint, text, text, timestamptz) IS 'chain and number of the next archive time-stamp of a volume; no row: one of this kind, digest and time cannot come next';

CREATE FUNCTION kep.archive_stamp_add(kind text, digest text, root bytea, tsa text, token bytea, gen_time timestamptz, ends timestamptz, algorithms text,
	chain bytea[], revocation bytea[], volumes bigint[], leaves bytea[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, kep, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	added  bigint;
	placed bigint;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('kep.archive'));
	added := coalesce((SELECT max(s.stamp) + 1 FROM kep.archive_stamp AS s), 0);
	INSERT INTO kep.archive_stamp (stamp, kind, digest, root, tsa, token, gen_time, ends, algorithms, chain, revocation)
	VALUES (added, archive_stamp_add.kind, archive_stamp_add.digest, archive_stamp_add.root, archive_stamp_add.tsa, archive_stamp_add.token,
	        archive_stamp_add.gen_time, archive_stamp_add.ends, archive_stamp_add.algorithms, coalesce(archive_stamp_add.chain, '{}'),
	        coalesce(archive_stamp_add.revocation, '{}'));
	INSERT INTO kep.archive_member (volume, chain, number, stamp, position, leaf)
	SELECT u.volume, p.chain, p.number, added, u.no - 1, u.leaf
	  FROM unnest(archive_stamp_add.volumes, archive_stamp_add.leaves) WITH ORDINALITY AS u (volume, leaf, no),
	       kep.archive_place(u.volume, archive_stamp_add.kind, archive_stamp_add.digest, archive_stamp_add.gen_time) AS p
	 WHERE octet_length(u.leaf) = kep.archive_size(archive_stamp_add.digest);
	GET DIAGNOSTICS placed = ROW_COUNT;
	IF placed = 0 OR placed <> cardinality(archive_stamp_add.volumes) OR placed <> cardinality(archive_stamp_add.leaves) THEN
		RAISE EXCEPTION 'this archive time-stamp fits % of its % volumes', placed, cardinality(archive_stamp_add.volumes)
			USING ERRCODE = 'KE132', HINT = 'Another kepctl renew was at work, or the authority''s clock is behind; run it again.';
	END IF;
	RETURN added;
END $$;
COMMENT ON FUNCTION kep.archive_stamp_add(text, text, bytea, text, bytea, timestamptz, timestamptz, text, bytea[], bytea[], bigint[], bytea[]) IS
	'keep a verified archive time-stamp, and its place in the chains of these volumes, all or none; its number; KE132';

GRANT EXECUTE ON FUNCTION kep.archive_volume_add(bigint, int, bigint, text), kep.archive_hashes_add(bigint, int, text, bytea),
	kep.archive_stamp_add(text, text, bytea, text, bytea, timestamptz, timestamptz, text, bytea[], bytea[], bigint[], bytea[]) TO kep_operator;

-- What the auditor reads ----------------------------------------------------------------

CREATE VIEW kep.archive_volumes AS
SELECT v.volume, v.first, v.size, v.checkpoint, v.tsa, v.at, n.chain, n.number, n.stamp, s.digest, s.gen_time, s.ends, s.algorithms
  FROM kep.archive_volume AS v
  LEFT JOIN LATERAL (SELECT m.* FROM kep.archive_member AS m WHERE m.volume = v.volume ORDER BY m.chain DESC, m.number DESC LIMIT 1) AS n ON true
  LEFT JOIN kep.archive_stamp AS s ON s.stamp = n.stamp;
COMMENT ON VIEW kep.archive_volumes IS 'leaves of the ledger that are archived together (RFC 4998), and their newest archive time-stamp';
COMMENT ON COLUMN kep.archive_volumes.volume IS 'number of the volume';
COMMENT ON COLUMN kep.archive_volumes.first IS 'index of its first leaf';
COMMENT ON COLUMN kep.archive_volumes.size IS 'how many leaves it has';
COMMENT ON COLUMN kep.archive_volumes.checkpoint IS 'size of the checkpoint that covers them';
COMMENT ON COLUMN kep.archive_volumes.tsa IS 'whose time-stamp on that checkpoint is archived with them';
COMMENT ON COLUMN kep.archive_volumes.at IS 'when it was made';
COMMENT ON COLUMN kep.archive_volumes.chain IS 'number of the last chain; empty: not time-stamped yet';
COMMENT ON COLUMN kep.archive_volumes.number IS 'place of the newest archive time-stamp in it';
COMMENT ON COLUMN kep.archive_volumes.stamp IS 'number of that archive time-stamp';
COMMENT ON COLUMN kep.archive_volumes.digest IS 'hash algorithm of the chain';
COMMENT ON COLUMN kep.archive_volumes.gen_time IS 'time of the newest archive time-stamp';
COMMENT ON COLUMN kep.archive_volumes.ends IS 'when the first certificate it needs ends';
COMMENT ON COLUMN kep.archive_volumes.algorithms IS 'the algorithms it rests on';

CREATE VIEW kep.archive_stamps AS
SELECT s.stamp, s.kind, s.digest, s.root, s.tsa, s.token, s.gen_time, s.ends, s.algorithms, s.chain, s.revocation, s.at FROM kep.archive_stamp AS s;
COMMENT ON VIEW kep.archive_stamps IS 'archive time-stamps (RFC 4998)';
COMMENT ON COLUMN kep.archive_stamps.stamp IS 'number of the archive time-stamp';
COMMENT ON COLUMN kep.archive_stamps.kind IS 'first: volumes are archived; stamp: a time-stamp renewal; tree: a hash-tree renewal';
COMMENT ON COLUMN kep.archive_stamps.digest IS 'hash algorithm of its tree';
COMMENT ON COLUMN kep.archive_stamps.root IS 'root of that tree';
COMMENT ON COLUMN kep.archive_stamps.tsa IS 'the time-stamping authority, by its URL';
COMMENT ON COLUMN kep.archive_stamps.token IS 'its token (RFC 3161) over the root, DER';
COMMENT ON COLUMN kep.archive_stamps.gen_time IS 'the time in the token';
COMMENT ON COLUMN kep.archive_stamps.ends IS 'when the first certificate it needs ends';
COMMENT ON COLUMN kep.archive_stamps.algorithms IS 'the algorithms it rests on';
COMMENT ON COLUMN kep.archive_stamps.chain IS 'the certificates needed to verify it, DER';
COMMENT ON COLUMN kep.archive_stamps.revocation IS 'CRLs and OCSP answers that came with it, DER';
COMMENT ON COLUMN kep.archive_stamps.at IS 'when it was recorded';

CREATE VIEW kep.archive_members AS
SELECT m.volume, m.chain, m.number, m.stamp, m.position, m.leaf FROM kep.archive_member AS m;
COMMENT ON VIEW kep.archive_members IS 'which archive time-stamp stands where in the chains of which volume';
COMMENT ON COLUMN kep.archive_members.volume IS 'the volume';
COMMENT ON COLUMN kep.archive_members.chain IS 'number of its chain';
COMMENT ON COLUMN kep.archive_members.number IS 'place in the chain';
COMMENT ON COLUMN kep.archive_members.stamp IS 'the archive time-stamp';
COMMENT ON COLUMN kep.archive_members.position IS 'place of its leaf in the tree of that';
COMMENT ON COLUMN kep.archive_members.leaf IS 'the leaf: root of the volume (number 0), else hash of the token before';

CREATE VIEW kep.archive_hash_lists AS
SELECT h.volume, h.chain, h.digest, h.hashes, h.at FROM kep.archive_hashes AS h;
COMMENT ON VIEW kep.archive_hash_lists IS 'hashes of the bodies of a volume';
COMMENT ON COLUMN kep.archive_hash_lists.volume IS 'the volume';
COMMENT ON COLUMN kep.archive_hash_lists.chain IS 'number of the chain';
COMMENT ON COLUMN kep.archive_hash_lists.digest IS 'its hash algorithm';
COMMENT ON COLUMN kep.archive_hash_lists.hashes IS 'one hash a leaf, in order';
COMMENT ON COLUMN kep.archive_hash_lists.at IS 'when they were made';

GRANT SELECT ON kep.archive_volumes, kep.archive_stamps, kep.archive_members, kep.archive_hash_lists TO kep_auditor;

-- Where there is an archive, a body stays until its hash is in it.
CREATE OR REPLACE FUNCTION kep.prune_end() RETURNS bigint
LANGUAGE sql STABLE
AS $$
	SELECT least((SELECT coalesce(max(c.size), 0) FROM kep.checkpoint AS c), CASE WHEN EXISTS (SELECT FROM kep.archive_volume) THEN
	       (SELECT coalesce(max(v.first + v.size), 0) FROM kep.archive_volume AS v
	         WHERE EXISTS (SELECT FROM kep.archive_hashes AS h WHERE h.volume = v.volume)) END)
$$;

INSERT INTO kep.migration (number, name) VALUES (11, 'archive');
RESET ROLE;
