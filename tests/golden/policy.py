"""policy.py - conversations with the policy service of kep-policyd (steps: house.py, talk.py) and

    STATE [NAME=VALUE...]   one request, as Postfix 3.7 sends it: all attributes, those not
                            named empty; RCPT, DATA, END-OF-MESSAGE ...  An answer is printed,
                            or <eof, after which a new connection is opened.
"""
import time

import house
import talk

NAMES = """protocol_name client_address client_name client_port reverse_client_name server_address server_port helo_name sender
recipient recipient_count queue_id instance size etrn_domain stress sasl_method sasl_username sasl_sender ccert_subject
ccert_issuer ccert_fingerprint ccert_pubkey_fingerprint encryption_protocol encryption_cipher encryption_keysize
policy_context""".split()
SHORT = {"from": "sender", "to": "recipient", "login": "sasl_username", "tls": "ccert_fingerprint", "id": "queue_id",
         "count": "recipient_count", "context": "policy_context"}
GIVEN = {"protocol_name": "ESMTP", "client_address": "192.0.2.9", "instance": "3cc.6b048a6f.dff65.0", "recipient_count": "0",
         "size": "0", "encryption_keysize": "0"}


class Policy(house.House):
    def request(self, state, words):
        values = {**GIVEN, **{SHORT.get(n, n): v for n, _, v in (w.partition("=") for w in words)}}
        lines = ["request=smtpd_access_policy", f"protocol_state={state}"] + [f"{n}={values.get(n, '')}" for n in NAMES]
        self.send("".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape") + b"\n")

    def on_sql(self, rest):
        time.sleep(0.5)         # what nobody waits for is written within 0.2 s
        super().on_sql(rest)

    def step(self, line):
        words = line.split()
        if not words or not words[0].isupper():
            super().step(line)
            return
        if not self.program:
            self.start()
            self.open()
        self.say(line)
        self.request(words[0], words[1:])
        try:
            self.say("  " + talk.mask(self.line(), self.masks))
            self.line()
        except talk.Ended as end:
            self.say("  " + str(end))
            self.open()


def play(path, build, scratch):
    return Policy(build, scratch).play_file(path)
