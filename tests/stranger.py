#!/usr/bin/env python3
"""stranger.py - a verifier of receipts by somebody who knows docs/evidence-format.md and nothing of postkep.

usage: tests/stranger.py RECEIPT TRUST-FOLDER [MESSAGE]

Only the standard library, and openssl(1) for CMS and Ed25519. The numbers are sections of that page.
"""
import base64
import datetime
import glob
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

FILES = {"evidence.json", "evidence.tlog-proof", "checkpoint.p7s", "timestamp.tst"}
OUTCOMES = {"A.1", "A.2", "B.1", "B.2", "B.3", "D.1", "D.2", "E.1", "E.2"}


class Refused(Exception):
    pass


def must(good, words):
    if not good:
        raise Refused(words)


def sha256(octets):
    return hashlib.sha256(octets).digest()


def unbase64(octets):
    try:
        out = base64.b64decode(octets, validate=True)
    except ValueError as error:
        raise Refused("base64") from error
    must(base64.b64encode(out) == octets, "base64 that is not as it is written")
    return out


# -- 2

def with_crlf(octets):
    return octets if b"\r\n" in octets else octets.replace(b"\n", b"\r\n")


def fields(head):
    """[(name, value)] of a header, folding undone; lower-case names."""
    out = []
    for line in re.split(rb"\r\n(?![ \t])", head) if head else []:
        name, colon, value = line.partition(b":")
        must(colon and re.fullmatch(rb"[!-9;-~]+", name), "a header line that is none")
        out.append((name.lower(), re.sub(rb"\r\n", b"", value).strip()))
    names = [n for n, _ in out]
    for name in (b"content-type", b"content-transfer-encoding", b"content-disposition"):
        must(names.count(name) <= 1, "a field twice")
    return out


def part(octets):
    """(fields, body)"""
    if octets.startswith(b"\r\n"):
        return [], octets[2:]
    head, blank, body = octets.partition(b"\r\n\r\n")
    must(blank, "a part without an empty line")
    return fields(head), body


def value(of, name, default=b""):
    return next((v for n, v in of if n == name), default)


def content_type(of):
    """(type, {parameter: value})"""
    kind, *rest = re.split(rb";(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", value(of, b"content-type", b"text/plain"))
    parameters = {}
    for p in rest:
        name, equals, text = p.strip().partition(b"=")
        must(equals and name.lower() not in parameters, "a parameter that is none")
        must(re.fullmatch(rb"[^\x00-\x20\x7f()<>@,;:\\\"/\[\]?=]+|\"[^\"\\]*\"", text), "a parameter that is none")
        parameters[name.lower()] = text.strip(b'"')
    must(re.fullmatch(rb"[\w.+-]+/[\w.+-]+", kind.strip()), "a content type that is none")
    return kind.strip().lower(), parameters


def children(body, boundary):
    """The octets of each part of a multipart."""
    must(re.fullmatch(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]", boundary), "a boundary that is none")
    mark = b"--" + boundary
    out, start, closed = [], None, None
    at = 0
    while at <= len(body):
        end = body.find(b"\r\n", at)
        line = body[at:] if end < 0 else body[at:end]
        if line.startswith(mark):
            rest = line[len(mark):]
            final = rest.startswith(b"--")
            must(not (rest[2:] if final else rest).strip(b" \t"), "a line that looks like a boundary")
            must(closed is None, "a boundary behind the last")
            if start is not None:
                out.append(body[start:max(at - 2, start)])
            start = (len(body) if end < 0 else end + 2)
            if final:
                closed = start
        if end < 0:
            break
        at = end + 2
    must(closed is not None, "a multipart that is not closed")
    must(not body[closed:].replace(b"\r\n", b"").strip(b" \t"), "text behind the last boundary")
    return out


def open_receipt(mail):
    """(octets that are signed, name of the digest, DER of the signature, {file: octets})"""
    mail = with_crlf(mail)
    must(not re.search(rb"\r(?!\n)|(?<!\r)\n|\0", mail), "a CR, LF or NUL")
    must(max(map(len, mail.split(b"\r\n"))) <= 998, "a long line")
    head, body = part(mail)
    kind, parameters = content_type(head)
    must(kind == b"multipart/signed" and parameters.get(b"protocol", b"").lower() == b"application/pkcs7-signature", "not signed")
    must(value(head, b"content-transfer-encoding", b"7bit").lower() in (b"7bit", b"8bit", b"binary"), "an encoded multipart")
    digest = {b"sha-256": "sha256", b"sha-384": "sha384", b"sha-512": "sha512"}.get(parameters.get(b"micalg", b"").lower())
    must(digest, "micalg")
    two = children(body, parameters.get(b"boundary", b""))
    must(len(two) == 2, "not two parts")
    signed_head, signed_body = part(two[0])
    seal_head, seal_body = part(two[1])
    must(content_type(seal_head)[0] == b"application/pkcs7-signature", "no signature")
    must(value(seal_head, b"content-transfer-encoding").lower() == b"base64", "no base64")
    kind, inner = content_type(signed_head)
    must(kind == b"multipart/mixed", "not multipart/mixed")
    must(value(signed_head, b"content-transfer-encoding", b"7bit").lower() in (b"7bit", b"8bit", b"binary"), "an encoded multipart")
    must(not inner.get(b"boundary", b"").startswith(parameters[b"boundary"]) and not parameters[b"boundary"].startswith(inner.get(b"boundary", b"")), "boundaries alike")
    files = {}
    for one in children(signed_body, inner.get(b"boundary", b"")):
        of, octets = part(one)
        name = re.fullmatch(rb'attachment; filename="([^"]*)"', value(of, b"content-disposition"))
        name = name and name[1].decode("latin-1")
        if name in FILES:
            must(name not in files, "a file twice")
            must(value(of, b"content-transfer-encoding").lower() == b"base64", "no base64")
            files[name] = unbase64(octets.replace(b"\r\n", b""))
    return two[0], digest, unbase64(seal_body.replace(b"\r\n", b"")), files


# -- 3

def no_twice(pairs):
    must(len({k for k, _ in pairs}) == len(pairs), "a member twice")
    return dict(pairs)


def moment(text):
    must(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text), "a time that is none")
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00")


def read_evidence(octets):
    try:
        e = json.loads(octets.decode("utf-8"), object_pairs_hook=no_twice)
        again = json.dumps(e, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
        must(again == octets, "not canonical")
        must(e["form"] == "kep-evidence-1" and e["outcome"] in OUTCOMES, "another form")
        must(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", e["id"]), "id")
        moment(e["event_time"]), moment(e["message"]["sent_at"])
        must(re.fullmatch("[0-9a-f]{64}", e["message"]["sha256"]) and re.fullmatch("[0-9a-f]{128}", e["message"]["sha512"]), "digests")
        must(1 <= e.get("recipient", 1) <= len(e["recipients"]), "recipient")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"evidence: {error}") from error
    return e


# -- 4, 5

def read_proof(text):
    """(index, path, the text that is signed, origin, size, root, [(name, id, signature)])"""
    must(text.endswith(b"\n"), "the end of a line")
    head, blank, note = text.partition(b"\n\n")
    lines = head.split(b"\n")
    must(blank and lines.pop(0) == b"c2sp.org/tlog-proof@v1", "no proof")
    if lines and lines[0].startswith(b"extra "):
        unbase64(lines.pop(0)[6:])
    index = lines and re.fullmatch(rb"index (0|[1-9]\d{0,18})", lines.pop(0))
    must(index, "index")
    hashes = [unbase64(line) for line in lines]
    must(all(len(h) == 32 for h in hashes), "a hash")
    signed, blank, signatures = note.rpartition(b"\n\n")
    must(blank, "no signatures")
    body = signed.split(b"\n")
    must(len(body) >= 3 and body[0] and re.fullmatch(rb"0|[1-9]\d{0,18}", body[1]), "no checkpoint")
    root = unbase64(body[2])
    must(len(root) == 32, "no root")
    keys = []
    for line in signatures[:-1].split(b"\n"):
        m = re.fullmatch("\u2014 (\\S+) (\\S+)".encode(), line)
        must(m, "a signature line")
        octets = unbase64(m[2])
        must(len(octets) > 4, "a signature line")
        keys.append((m[1], octets[:4], octets[4:]))
    return int(index[1]), hashes, signed + b"\n", body[0], int(body[1]), root, keys


def included(index, size, leaf, path, root):
    if index >= size:
        return False
    f, s, r = index, size - 1, leaf
    for p in path:
        if s == 0:
            return False
        if f & 1 or f == s:
            r = sha256(b"\1" + p + r)
            while not f & 1 and f:
                f, s = f >> 1, s >> 1
        else:
            r = sha256(b"\1" + r + p)
        f, s = f >> 1, s >> 1
    return s == 0 and r == root


def openssl(*arguments, files=()):
    """(did it say yes, standard output); {0}, {1} ... are files with those octets."""
    with tempfile.TemporaryDirectory() as tmp:
        for i, octets in enumerate(files):
            with open(f"{tmp}/{i}", "wb") as f:
                f.write(octets)
        done = subprocess.run(["openssl", *(a.format(*(f"{tmp}/{i}" for i in range(len(files)))) for a in arguments)], capture_output=True, check=False)
    return done.returncode == 0, done.stdout


def vkeys(trust):
    for file in glob.glob(f"{trust}/*.vkey"):
        with open(file, encoding="utf-8") as f:
            for line in f.read().split():
                name, ident, key = line.split("+", 2)
                key = base64.b64decode(key)
                must(sha256(name.encode() + b"\n" + key)[:4].hex() == ident, "a vkey")
                if key[0] == 1:
                    yield name.encode(), bytes.fromhex(ident), key[1:]


def note_signed(text, origin, keys, trust):
    good = False
    for name, ident, key in vkeys(trust):
        for n, i, signature in keys:
            if (n, i) == (name, ident):
                der = bytes.fromhex("302a300506032b6570032100") + key
                must(len(signature) == 64 and openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", "{0}", "-in", "{1}", "-sigfile", "{2}",
                                                      files=[der, text, signature])[0], "a signature of the checkpoint")
                good = good or name == origin
    return good


# -- 6, 7

def cas(trust, sub):
    folder = f"{trust}/{sub}" if os.path.isdir(f"{trust}/{sub}") else trust
    return b"".join(open(f, "rb").read() for f in sorted(glob.glob(f"{folder}/*.pem")))


def one_der(octets):
    """Is this one DER SEQUENCE and nothing behind it?"""
    if len(octets) < 2 or octets[0] != 0x30:
        return False
    n, at = octets[1], 2
    if n & 0x80:
        at = 2 + (n & 0x7F)
        n = int.from_bytes(octets[2:at], "big")
    return at + n == len(octets)


def is_seal(der, trust):
    """Not a person's certificate, and pinned where there are pins."""
    _, pem = openssl("cms", "-verify", "-noverify", "-nosigs", "-inform", "DER", "-in", "{0}", "-content", "{1}", "-signer", "/dev/stdout", "-out", "/dev/null",
                     files=[der, b""])
    _, subject = openssl("x509", "-in", "{0}", "-noout", "-subject", "-nameopt", "multiline", files=[pem])
    _, print_ = openssl("x509", "-in", "{0}", "-outform", "DER", files=[pem])
    pins = {line.replace(":", "").lower() for f in glob.glob(f"{trust}/*.pins") for line in open(f, encoding="utf-8").read().split("\n") if line.strip() and line[0] != "#"}
    return not re.search(rb"serialNumber\s*=\s*\d{11}\s*$", subject, re.M) and (not pins or sha256(print_).hex() in pins)


def sealed(der, octets, trust, at):
    must(one_der(der), "seal: DER")
    must(is_seal(der, trust), "seal: of somebody else")
    return openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", "{0}", "-content", "{1}", "-CAfile", "{2}", "-cades", "-auth_level", "2", "-x509_strict",
                   "-purpose", "smimesign", "-attime", str(at), "-out", "/dev/null", files=[der, octets, cas(trust, "seal")])[0]


def element(der):
    """(tag, content, rest)"""
    n, at = der[1], 2
    if n & 0x80:
        at = 2 + (n & 0x7F)
        n = int.from_bytes(der[2:at], "big")
    must(at + n <= len(der), "DER")
    return der[0], der[at:at + n], der[at + n:]


def stamped(token, text, trust):
    """Its genTime."""
    must(one_der(token), "stamp: DER")
    _, info = openssl("cms", "-verify", "-noverify", "-nosigs", "-inform", "DER", "-in", "{0}", files=[token])
    try:
        _, body, rest = element(info)
        must(not rest, "stamp")
        _, _, body = element(body)                      # version
        _, _, body = element(body)                      # policy
        _, imprint, body = element(body)
        _, algorithm, imprint = element(imprint)
        _, oid, _ = element(algorithm)
        name = {"608648016503040201": "sha256", "608648016503040202": "sha384", "608648016503040203": "sha512"}[oid.hex()]
        must(element(imprint)[1] == hashlib.new(name, text).digest(), "stamp: of other octets")
        _, _, body = element(body)                      # serial number
        when = datetime.datetime.strptime(element(body)[1].decode()[:14] + "+0000", "%Y%m%d%H%M%S%z")
    except (KeyError, IndexError, ValueError) as error:
        raise Refused("stamp") from error
    must(openssl("cms", "-verify", "-inform", "DER", "-in", "{0}", "-CAfile", "{1}", "-cades", "-purpose", "timestampsign", "-auth_level", "2", "-x509_strict",
                 "-attime", str(int(when.timestamp())), "-out", "/dev/null", files=[token, cas(trust, "tsa")])[0], "stamp")
    return when


# -- all of it

def judge(mail, trust, now):
    entity, _, seal, files = open_receipt(mail)
    must({"evidence.json", "evidence.tlog-proof", "checkpoint.p7s"} <= files.keys(), "a file is missing")
    e = read_evidence(files["evidence.json"])
    index, path, text, origin, size, root, keys = read_proof(files["evidence.tlog-proof"])
    must(index < size, "leaf")
    must(included(index, size, sha256(b"\0" + files["evidence.json"]), path, root), "inclusion")
    must(note_signed(text, origin, keys, trust), "checkpoint")
    at = now
    if "timestamp.tst" in files:
        when = stamped(files["timestamp.tst"], text, trust)
        must(moment(e["event_time"]) <= when + datetime.timedelta(minutes=5), "later than its stamp")
        at = int(when.timestamp())
    must(sealed(seal, entity, trust, at), "seal")
    must(sealed(files["checkpoint.p7s"], text, trust, at), "checkpoint seal")
    return e


def verify(mail, trust, now=None):
    """(genuine, the evidence or why not)"""
    try:
        return True, judge(mail, trust, int(datetime.datetime.now().timestamp()) if now is None else now)
    except Refused as why:
        return False, str(why)


# -- 8

def canonical(message):
    message = with_crlf(message)
    head, _, body = message.partition(b"\r\n\r\n")
    kept = rb"(?i)(from|sender|reply-to|to|cc|subject|date|message-id|in-reply-to|references|mime-version|content-[^:]*|x-tr-rem-[^:]*):"
    return b"".join(f + b"\r\n" for f in re.split(rb"\r\n(?![ \t])", head) if re.match(kept, f)) + b"\r\n" + body


def same_message(receipt, message):
    e, octets = json.loads(open_receipt(receipt)[3]["evidence.json"]), canonical(message)
    return (e["message"]["sha256"], e["message"]["sha512"]) == (hashlib.sha256(octets).hexdigest(), hashlib.sha512(octets).hexdigest())


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as f:
        mail = f.read()
    genuine, words = verify(mail, sys.argv[2])
    print("genuine" if genuine else f"not genuine: {words}")
    if genuine and len(sys.argv) == 4:
        with open(sys.argv[3], "rb") as f:
            genuine = same_message(mail, f.read())
        print("the message that was sent" if genuine else "not the message that was sent")
    sys.exit(0 if genuine else 1)


if __name__ == "__main__":
    main()
