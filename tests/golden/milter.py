"""milter.py - conversations with kep-milter: the mail server's side of the milter
protocol, a kep-policyd that answers what the conversation tells it, and the
message files.  Standard library only, besides tests/pki.

A conversation file (x.in) holds one step a line:

    # words                         comment, copied into the transcript
    conf KEY = VALUE                configuration, before the first other step
    policyd QUESTION ADDRESS ANSWER what policyd answers: QUESTION rcpt, submit or refuse;
                                    ADDRESS the sender (submit, refuse) or recipient (rcpt), or *;
                                    ANSWER "why [kep]", a JSON object, "hang up" or "silence".
                                    The last rule that fits counts; without one: accepted, ordinary.
    policyd down | policyd up       stop listening, listen again (connections are closed)
    macro NAME VALUE                what the mail server says from here on ("-": does not say)
    message NAME [signed ADDRESS] [fill OCTETS]
                                    the lines up to "." are a message, signed by tests/pki; its body
                                    is filled up with so many octets
    change NAME OLD => NEW          alter it afterwards (Python's octet escapes)
    trust CERTIFICATE               from here on DIR/trust holds this one of tests/pki (ca, other-ca; "-": none)
    file NAME [lf]                  write a message to the file NAME.eml, with LF line ends if told
    run ARGUMENTS                   kep-milter once more, with the same configuration, to its end
                                    ("DIR/" is the conversation's directory)
    signal NAME [COUNT]             to kep-milter, so many times
    crl CA [CERTIFICATE...]         from here on DIR/crls holds a list of this CA that revokes these
    wait WORDS                      until the log holds them, written after the last signal
    wait                            until the log does not grow for half a second
    memory start | memory grown KIB after "start", not more than so much was needed
    alive                           is kep-milter still running?
    !open                           another connection (the first is opened by itself)
    > connect ADDRESS PORT          > helo NAME        > mail <A> [ARG...]   > rcpt <B> [ARG...]
    > data   > content NAME   > octets COUNT TEXT   > end   > abort   > quit

"< ..." are kep-milter's answers, "? ..." the questions policyd heard, and at the
end stands the log, in which a line repeated at once is shown once.  What differs from run to run is masked as in talk.py.
"""
import importlib.machinery
import importlib.util
import json
import os
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import talk

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import crl      # noqa: E402

MASKS = [
    (r'"serial":"[0-9a-fA-F]+"', '"serial":"HEX"'),
    (r'"size":\d+', '"size":N'),
    (r'"signing_time":"[^"]*"', '"signing_time":"TIME"'),
    (r"\bsize=\d+", "size=N"),
    (r"kep-milter\[\d+\]", "kep-milter"),
    (r"replaced by [-0-9T:]+Z", "replaced by TIME"),
    (r"OpenSSL \d+\.\d+\.\d+", "OpenSSL VERSION"),
]

# SMFIC_* and the stage whose macros go with it
STAGE = {"C": 0, "H": 1, "M": 2, "R": 3, "T": 4, "E": 5, "N": 6, "L": 6, "B": 5}
# SMFIP_NR_*: no reply to this command
NO_REPLY = {"C": 0x1000, "H": 0x2000, "M": 0x4000, "R": 0x8000, "T": 0x10000, "L": 0x80, "N": 0x40000, "B": 0x80000}
WORDS = {"a": "accept", "c": "continue", "d": "discard", "r": "reject", "t": "tempfail", "s": "skip"}
OFFERED_ACTIONS, OFFERED_STEPS = 0x1FF, 0x1FFFFF        # Postfix 3.7
CHUNK = 65535
AT_ONCE = True                  # each conversation has processes and a directory of its own
ONE_AT_A_TIME = threading.Lock()


def load_pki():
    loader = importlib.machinery.SourceFileLoader("pki", os.path.join(HERE, "..", "pki"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pki", loader))
    loader.exec_module(module)
    return module


def hang_up(connection):
    """Also where another thread waits in recv()."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


class Policyd:
    """The other end of the ask socket."""

    def __init__(self, path, heard):
        self.path, self.heard, self.rules, self.open = path, heard, [], []
        self.server = None

    def up(self):
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(self.path)
        self.server.listen(16)
        threading.Thread(target=self.serve, args=(self.server,), daemon=True).start()

    def down(self):
        if self.server:
            self.server.shutdown(socket.SHUT_RDWR)
            self.server.close()
            os.unlink(self.path)
            self.server = None
        for connection in self.open:
            hang_up(connection)
        self.open = []

    def serve(self, server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self.open.append(connection)
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        held = b""
        while True:
            try:
                more = connection.recv(65536)
            except OSError:
                more = b""
            if not more:
                return
            held += more
            while b"\n" in held:
                line, held = held.split(b"\n", 1)
                if not self.answer(connection, line.decode()):
                    return

    def answer(self, connection, line):
        self.heard("? " + line)
        question = json.loads(line)
        kind = question["ask"]
        address = question["rcpt"] if kind == "rcpt" else question["sender"]
        words = next((w for k, a, w in reversed(self.rules) if k == kind and a in (address or "<>", "*")), "accepted")
        if words == "silence":
            return True
        if words == "hang up":
            hang_up(connection)
            return False
        connection.sendall((self.document(words) + "\n").encode())
        return True

    @staticmethod
    def document(words):
        if not re.fullmatch(r"[a-z0-9-]+( kep)?", words):
            return words
        return json.dumps({"v": 1, "why": words.split()[0], "kep": words.endswith(" kep")})


class Server:
    """The mail server's side of one milter connection."""

    def __init__(self, path, macros):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30)
        self.sock.connect(path)
        self.macros, self.wanted = macros, {}
        self.send("O", struct.pack("!III", 6, OFFERED_ACTIONS, OFFERED_STEPS))
        code, data = self.read()
        if code != "O":
            raise talk.Ended("< no negotiation")
        _, self.actions, self.steps = struct.unpack("!III", data[:12])
        data = data[12:]
        while data:
            stage, end = struct.unpack("!I", data[:4])[0], data.index(b"\0", 4)
            self.wanted[stage] = data[4:end].decode().split()
            data = data[end + 1:]

    def send(self, code, data=b""):
        self.sock.sendall(struct.pack("!I", len(data) + 1) + code.encode() + data)

    def exactly(self, n):
        held = b""
        while len(held) < n:
            try:
                more = self.sock.recv(n - len(held))
            except TimeoutError:
                raise talk.Ended("< timeout") from None
            except OSError:
                more = b""
            if not more:
                raise talk.Ended("< closed")
            held += more
        return held

    def read(self):
        n = struct.unpack("!I", self.exactly(4))[0]
        packet = self.exactly(n)
        return chr(packet[0]), packet[1:]

    def command(self, code, data=b""):
        """The answers, as lines; none where none was negotiated."""
        stage = STAGE.get(code)
        if stage is not None:
            known = [(n, self.macros[n]) for n in self.wanted.get(stage, []) if n in self.macros]
            pairs = b"".join(f"{n}\0{v}\0".encode() for n, v in known)
            self.send("D", code.encode() + pairs)
        self.send(code, data)
        if self.steps & NO_REPLY.get(code, 0):
            return []
        out = []
        while True:
            line, last = self.describe(*self.read())
            out.append("< " + line)
            if last:
                return out

    @staticmethod
    def describe(code, data):
        text = data.decode("utf-8", "backslashreplace")
        if code == "y":
            return "reply " + text.rstrip("\0").replace("%%", "%"), True
        if code in "hi":
            name, value = text.rstrip("\0").split("\0")[:2]
            return f"add {name}:{value}", False
        if code == "m":
            name, value = data[4:].decode().split("\0")[:2]
            return f"change {name} {struct.unpack('!I', data[:4])[0]}:{value or ' (deleted)'}", False
        return WORDS.get(code, "?" + code), code in WORDS


class Conversation:
    def __init__(self, build):
        self.build, self.out, self.lock = build, [], threading.Lock()
        self.dir = tempfile.TemporaryDirectory(prefix="kep-golden-")
        self.pki, self.pki_dir = load_pki(), self.dir.name + "/pki"
        self.conf, self.macros, self.messages = [], {}, {}
        self.process = self.link = None
        self.mark = 0
        self.log_path = self.dir.name + "/log"
        self.policyd = Policyd(self.dir.name + "/ask.sock", self.say)

    def say(self, line):
        if "warning: OpenSSL " in line:         # of the machine, not of the conversation
            return
        with self.lock:
            self.out.append(talk.mask(line, MASKS))

    # -- what has to be there

    def make_pki(self, shared):
        with ONE_AT_A_TIME:
            if not os.path.isdir(shared):
                self.pki.make(shared + ".new")
                os.rename(shared + ".new", shared)
        self.pki_dir = shared

    def trust(self, name):
        os.makedirs(self.dir.name + "/trust", exist_ok=True)
        if name == "-":
            os.unlink(self.dir.name + "/trust/anchor.pem")
            return
        self.pki.write(self.dir.name + "/trust/anchor.pem", self.pki.read(f"{self.pki_dir}/{name}.pem"))

    def crl(self, ca, *revoked):
        self.pki.write(f"{self.dir.name}/crls/{ca}.crl", crl.make(self.pki_dir, ca, revoked))
        os.chmod(f"{self.dir.name}/crls/{ca}.crl", 0o644)

    def start(self):
        os.makedirs(self.dir.name + "/crls", exist_ok=True)
        self.trust("ca")
        self.policyd.up()
        own = {"milter_socket": f"unix:{self.dir.name}/milter.sock", "milter_socket_group": "", "user": "",
               "ask_socket": self.policyd.path, "trust_anchors": self.dir.name + "/trust",
               "hostname": "mx1.hs01.kep.test", "ask_timeout": "5s", "trust_watch": "0"}
        with open(self.dir.name + "/kep.conf", "w", encoding="utf-8") as f:
            f.writelines(f"{k} = {v}\n" for k, v in {**own, **dict(self.conf)}.items())
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(self.dir.name + "/notify")
        notify.settimeout(20)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([self.build + "/milter/kep-milter", "-f", "-c", self.dir.name + "/kep.conf"],
                                            stderr=log, stdin=subprocess.DEVNULL,
                                            env={**os.environ, "NOTIFY_SOCKET": self.dir.name + "/notify"})
        try:
            assert notify.recv(100) == b"READY=1"
        except TimeoutError:
            raise talk.Ended("kep-milter does not start: " + self.log()) from None
        self.open()

    def open(self):
        self.link = Server(self.dir.name + "/milter.sock", self.macros)

    def log(self):
        with open(self.log_path, encoding="utf-8") as f:
            return f.read()

    def without_dir(self, text):
        return re.sub(r"/[^\s:]*" + re.escape(os.path.basename(self.dir.name)), "DIR", text)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "does not end"
        self.policyd.down()
        self.say(f"# log, and exit status {status}")
        before = None
        for line in self.without_dir(self.log()).splitlines():
            if line != before:
                self.say(line)
            before = line

    # -- steps

    def define(self, words, lines):
        name, *options = words.split()
        options = dict(zip(options[::2], options[1::2]))
        text = []
        for line in lines:
            if line == ".":
                break
            text.append(line + "\r\n")
        octets = "".join(text).encode()
        octets += (b"x" * 70 + b"\r\n") * (int(options.get("fill", 0)) // 72)
        self.messages[name] = self.pki.sign(self.pki_dir, options["signed"], octets) if "signed" in options else octets

    def change(self, words):
        name, rest = words.split(" ", 1)
        old, new = (p.encode().decode("unicode_escape").encode("latin-1") for p in rest.split(" => "))
        if old not in self.messages[name]:
            raise SystemExit(f"{name} does not hold {old!r}")
        self.messages[name] = self.messages[name].replace(old, new, 1)

    def rule(self, words):
        if words in ("up", "down"):
            getattr(self.policyd, words)()
        else:
            self.policyd.rules.append(tuple(words.split(" ", 2)))

    def wait(self, words):
        if not words:
            return self.settle()
        for _ in range(400):
            if words in self.log()[self.mark:]:
                return None
            time.sleep(0.05)
        raise talk.Ended(f"the log never held: {words}")

    def settle(self):
        before = None
        while before != self.log():
            before = self.log()
            time.sleep(0.5)

    def file(self, words):
        name, *ends = words.split()
        octets = self.messages[name]
        with open(f"{self.dir.name}/{name}.eml", "wb") as f:
            f.write(octets.replace(b"\r\n", b"\n") if ends else octets)

    def run(self, words):
        done = subprocess.run([self.build + "/milter/kep-milter", "-c", self.dir.name + "/kep.conf", *shlex.split(words.replace("DIR/", self.dir.name + "/"))],
                              cwd=self.dir.name, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=60, check=False)
        for line in self.without_dir(done.stdout).replace(self.build + "/milter/", "").splitlines():
            self.say("  " + re.sub(r"\(/\S*/kep/kep\.conf\)", "(SYSCONFDIR/kep/kep.conf)", line))
        self.say(f"  status {done.returncode}")

    def status(self, key):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(key + r":\s+(\d+)", f.read())[1])

    def memory(self, words):
        if words == "start":
            with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as f:
                f.write("5")            # the high-water mark begins anew
            self.before = self.status("VmRSS")
            return
        grown, limit = self.status("VmHWM") - self.before, int(words.split()[1])
        with open(self.build + "/milter/kep-milter", "rb") as f:
            if b"__asan_init" in f.read():
                return                  # keeps freed memory on purpose
        if grown > limit:
            self.say(f"grown by {grown} KiB, which is too much")

    def content(self, name):
        head, _, body = self.messages[name].partition(b"\r\n\r\n")
        for field in re.split(rb"\r\n(?![ \t])", head):
            key, _, value = field.partition(b":")
            self.reply(self.link.command("L", key + b"\0" + value.replace(b"\r\n", b"\n") + b"\0"))
        self.reply(self.link.command("N"))
        for at in range(0, len(body), CHUNK):
            self.reply(self.link.command("B", body[at:at + CHUNK]))

    def octets(self, words):
        count, text = words.split(" ", 1)
        octets = text.encode().decode("unicode_escape").encode("latin-1")
        block = octets * (CHUNK // len(octets))
        left = int(count) * len(octets)
        while left > 0:
            self.reply(self.link.command("B", block[:left]))
            left -= len(block)

    def reply(self, lines):
        for line in lines:
            self.say(line)

    def server(self, words):
        verb, _, rest = words.partition(" ")
        args = re.findall(r"<[^>]*>|\S+", rest)
        if verb == "connect":
            family = b"6" if ":" in args[0] else b"4"
            name = f"[{args[0]}]".encode() + b"\0" + family + struct.pack("!H", int(args[1])) + args[0].encode() + b"\0"
            self.macros["{client_port}"] = args[1]
            self.reply(self.link.command("C", name))
        elif verb == "helo":
            self.reply(self.link.command("H", args[0].encode() + b"\0"))
        elif verb in ("mail", "rcpt"):
            self.reply(self.link.command(verb[0].upper(), b"".join(a.encode() + b"\0" for a in args)))
        elif verb == "data":
            self.reply(self.link.command("T"))
        elif verb == "end":
            self.reply(self.link.command("E"))
        elif verb in ("abort", "quit"):
            self.link.send(verb[0].upper())
        elif verb == "content":
            self.content(rest)
        elif verb == "octets":
            self.octets(rest)
        else:
            raise SystemExit(f"not a step: > {words}")

    def step(self, line, lines):
        word, _, rest = line.partition(" ")
        if word in ("#", "", "<", "?"):
            return self.say(line)
        if word == "conf":
            self.conf.append(tuple(p.strip().replace("DIR", self.dir.name) for p in rest.split("=", 1)))
            return self.say(line)
        if not self.process:
            self.start()
        if word != "message":
            self.say(line)
        if word == ">":
            self.server(rest)
        elif word == "policyd":
            self.rule(rest)
        elif word == "macro":
            name, value = rest.split(" ", 1)
            self.macros[name] = value
            if value == "-":
                del self.macros[name]
        elif word == "message":
            self.define(rest, lines)
            self.say(line)
        elif word == "change":
            self.change(rest)
        elif word in ("file", "run"):
            getattr(self, word)(rest)
        elif word == "trust":
            self.trust(rest)
        elif word == "crl":
            self.crl(*rest.split())
        elif word == "signal":
            self.mark = len(self.log())
            for _ in range(int((rest.split() + ["1"])[1])):
                self.process.send_signal(getattr(signal, "SIG" + rest.split()[0]))
        elif word == "wait":
            self.wait(rest)
        elif word == "memory":
            self.memory(rest)
        elif word == "alive":
            self.say("yes" if self.process.poll() is None else "no")
        elif word == "!open":
            self.open()
        else:
            raise SystemExit(f"not a step: {line!r}; see the comment at the top of milter.py")
        return None

    def play(self, path):
        with open(path, encoding="utf-8") as f:
            lines = iter(f.read().splitlines())
        try:
            for line in lines:
                self.step(line, lines)
        except (talk.Ended, BrokenPipeError) as end:
            self.say(str(end))
            self.say("# the conversation ended here")
        finally:
            if self.process:
                self.stop()
        return "\n".join(self.out) + "\n"


def play(path, build, scratch):
    """The transcript of one conversation with the kep-milter of a build directory;
    scratch: a directory that lives as long as the whole run."""
    conversation = Conversation(build)
    conversation.make_pki(scratch + "/pki")
    with conversation.dir:
        return conversation.play(path)
