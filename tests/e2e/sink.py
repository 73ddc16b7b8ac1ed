"""sink.py - an LMTP server that takes everything, UTF-8 addresses too, and remembers it."""
import os
import re
import socketserver
import threading
from dataclasses import dataclass


@dataclass
class Taken:
    sender: str
    recipients: list
    octets: bytes


class Session(socketserver.StreamRequestHandler):
    def say(self, words):
        self.wfile.write(words.encode() + b"\r\n")

    def handle(self):
        self.say("220 sink LMTP")
        sender, recipients = "", []
        for line in self.rfile:
            text = line.decode("utf-8", "replace").strip()
            verb = text[:4].upper()
            if verb == "LHLO":
                self.say("250-sink\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES")
            elif verb == "MAIL":
                sender, recipients = re.search("<(.*?)>", text).group(1), []
                self.say("250 2.0.0 ok")
            elif verb == "RCPT":
                recipients.append(re.search("<(.*?)>", text).group(1))
                self.say("250 2.0.0 ok")
            elif verb == "DATA":
                self.say("354 go on")
                lines = []
                for line in self.rfile:
                    if line == b".\r\n":
                        break
                    lines.append(line[1:] if line.startswith(b".") else line)
                self.server.sink.mails.append(Taken(sender, recipients, b"".join(lines)))
                for _ in recipients:
                    self.say("250 2.0.0 taken")
            elif verb == "QUIT":        # who says so may be gone already
                return
            else:
                self.say("250 2.0.0 ok")


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class Sink:
    def __init__(self, path):
        self.path, self.mails = str(path), []

    def __enter__(self):
        self.server = Server(self.path, Session)
        self.server.sink = self
        os.chmod(self.path, 0o666)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)
