#!/usr/bin/env python3
"""talk.py SOCKET FILE.in - play one conversation with a line server.

Prints the transcript: what was sent, what came back.  SOCKET is a path,
unix:PATH or inet:HOST:PORT.  Standard library only.

A conversation file holds one step a line:

    # words               comment, copied into the transcript
    > text                send text and a line end ("> " alone: an empty line)
    >> N text             send text N times, without a line end (shown shortened)
    <                     read one line; an SMTP reply "250-..." up to its last line
    < anything            the same: what stands behind it is for the reader only
    <eof                  the server closes the connection now
    <quiet SECONDS        nothing comes for so long, and the connection stays
    !close                close our side and connect again
    !wait SECONDS         do nothing
    !eol lf|crlf          line end of what is sent from here on (lf unless told)

$NAME and ${NAME} are replaced by --set NAME=VALUE.  What differs from run to
run is masked in the transcript: UUIDs, times, long hexadecimal numbers, and
every --mask REGEX=WORD.
"""
import argparse
import re
import socket
import string
import sys
import time

MASKS = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?", "TIME"),
    (r"\b[0-9a-f]{40,}\b", "HEX"),
]


class Ended(Exception):
    """The conversation cannot go on; the words go into the transcript."""


def mask(text, extra=()):
    for pattern, word in list(extra) + MASKS:
        text = re.sub(pattern, word, text)
    return text


def connect(where, timeout):
    if where.startswith("inet:"):
        host, port = where[5:].rsplit(":", 1)
        return socket.create_connection((host.strip("[]"), int(port)), timeout)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(where[5:] if where.startswith("unix:") else where)
    return sock


class Talk:
    def __init__(self, where, timeout=10.0, masks=()):
        self.where, self.timeout, self.masks = where, timeout, masks
        self.eol, self.out = b"\n", []
        self.open()

    def open(self):
        self.sock, self.held = connect(self.where, self.timeout), b""

    def say(self, line):
        self.out.append(line)

    def send(self, octets):
        try:
            self.sock.sendall(octets)
        except OSError:
            pass            # the server hung up; reading will tell

    def line(self):
        while b"\n" not in self.held:
            try:
                more = self.sock.recv(65536)
            except TimeoutError:
                raise Ended("<timeout") from None
            except OSError:
                more = b""
            if not more:
                raise Ended("<eof")
            self.held += more
        line, self.held = self.held.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "backslashreplace")

    def reply(self):
        while True:
            line = self.line()
            self.say("< " + mask(line, self.masks))
            if not re.match(r"\d{3}-", line):
                return

    def eof(self):
        try:
            line = self.line()
        except Ended as end:
            self.say(str(end))
            return
        raise Ended("< " + mask(line, self.masks) + "   (and the connection is still open)")

    def quiet(self, seconds):
        self.sock.settimeout(seconds)
        try:
            self.say("< " + self.line())
        except Ended as end:
            self.say("<quiet" if str(end) == "<timeout" else str(end))
        self.sock.settimeout(self.timeout)

    def again(self):
        self.sock.close()
        self.open()
        self.say("!close")

    def repeat(self, count, text):
        octets = text.encode()
        block = octets * max(1, 65536 // max(1, len(octets)))
        left = int(count) * len(octets)
        while left > 0:
            self.send(block[:left])
            left -= len(block)
        self.say(f">> {count} {text[:40]}")

    def step(self, line):
        if line.startswith("#") or not line:
            self.say(line)
        elif line.startswith(">> "):
            self.repeat(*line[3:].split(" ", 1))
        elif line.startswith(">"):
            self.send(line[2:].encode() + self.eol)
            self.say(mask(line, self.masks))
        elif line.startswith("<eof"):
            self.eof()
        elif line.startswith("<quiet"):
            self.quiet(float(line.split()[1]))
        elif line.startswith("<"):
            self.reply()
        elif line.startswith("!close"):
            self.again()
        elif line.startswith("!wait"):
            time.sleep(float(line.split()[1]))
            self.say("!wait")
        elif line.startswith("!eol"):
            self.eol = {"lf": b"\n", "crlf": b"\r\n"}[line.split()[1]]
            self.say(line)
        else:
            raise SystemExit(f"talk.py: not a step: {line!r}; see the comment at the top of talk.py")

    def play(self, lines):
        try:
            for line in lines:
                self.step(line)
        except Ended as end:
            self.say(str(end))
            self.say("# the conversation ended here")
        self.sock.close()
        return "\n".join(self.out) + "\n"


def read_steps(path, values):
    with open(path, encoding="utf-8") as f:
        return string.Template(f.read()).safe_substitute(values).splitlines()


def main():
    p = argparse.ArgumentParser(description="play one conversation with a line server")
    p.add_argument("socket")
    p.add_argument("file")
    p.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    p.add_argument("--mask", action="append", default=[], metavar="REGEX=WORD")
    p.add_argument("--timeout", type=float, default=10.0)
    a = p.parse_args()
    masks = [tuple(m.rsplit("=", 1)) for m in a.mask]
    steps = read_steps(a.file, dict(s.split("=", 1) for s in a.set))
    sys.stdout.write(Talk(a.socket, a.timeout, masks).play(steps))


if __name__ == "__main__":
    main()
