#!/usr/bin/env python3
"""pki_token.py - a SoftHSM token with the keys of the seal and of the ledger.

usage: tests/pki_token.py DIR [USER GROUP]      in the DIR that tests/pki made: DIR/hsm/softhsm2.conf, DIR/hsm/pin, DIR/rsa-seal.pem

The token KEP holds, by label: seal, rsa-seal, checkpoint (Ed25519), and twice: twin.  Exit status 77: softhsm2 is not there.
DIR/hsm/module says where its PKCS#11 module is.
"""
import glob
import os
import shutil
import subprocess
import sys

from pki_signer import pki

MODULES = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so", *glob.glob("/usr/lib/*/softhsm/libsofthsm2.so")]
PIN = "12345678"


def module():
    found = [m for m in MODULES if os.path.exists(m)]
    return found[0] if found and shutil.which("softhsm2-util") else None


def make(dir, owner=None):
    hsm, library = dir + "/hsm", module()
    if not library:
        print("skipped: softhsm2 is not installed", file=sys.stderr)
        sys.exit(77)
    os.makedirs(hsm + "/tokens")
    os.chmod(hsm, 0o755)
    pki.write(hsm + "/softhsm2.conf", f"directories.tokendir = {hsm}/tokens\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n".encode())
    os.chmod(hsm + "/softhsm2.conf", 0o644)
    pki.write(hsm + "/module", library.encode())
    pki.write(hsm + "/pin", (PIN + "\n").encode())
    os.chmod(hsm + "/pin", 0o600)

    def util(*arguments):
        subprocess.run(["softhsm2-util", "--module", library, *arguments], check=True, capture_output=True, env={**os.environ, "SOFTHSM2_CONF": hsm + "/softhsm2.conf"})

    util("--init-token", "--free", "--label", "KEP", "--so-pin", PIN, "--pin", PIN)
    pki.certificate(dir, "rsa-seal", [("C", "TR"), ("CN", "KEP seal")], pki.MAIL, "mid", key="rsa")
    for number, (label, key) in enumerate((("seal", "seal"), ("rsa-seal", "rsa-seal"), ("checkpoint", "checkpoint"), ("twin", "seal"), ("twin", "rsa-seal")), 1):
        pki.openssl("pkcs8", "-topk8", "-nocrypt", "-in", f"{dir}/{key}.key", "-out", f"{hsm}/{key}.p8")
        util("--import", f"{hsm}/{key}.p8", "--token", "KEP", "--label", label, "--id", f"{number:02x}", "--pin", PIN)
        os.unlink(f"{hsm}/{key}.p8")
    if owner:
        for top, folders, files in os.walk(hsm + "/tokens"):
            for name in [top, *(os.path.join(top, n) for n in folders + files)]:
                shutil.chown(name, *owner)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 4):
        sys.exit(__doc__)
    make(os.path.abspath(sys.argv[1]), sys.argv[2:] or None)
