"""ask.py - conversations with the ask socket of kep-policyd (steps: house.py, talk.py) and

    ask {...}               one question, "v":1 added; the answer is printed
    tie INSTANCE QUEUEID SENDER RCPT...   what the policy service would have seen before:
                            accepted attempts, tied to the queue id
"""
import json

import house
import talk


class Ask(house.House):
    SOCKET = "ask.sock"

    def on_ask(self, rest):
        question = {"v": 1, **json.loads(rest)}
        self.send(json.dumps(question).encode() + b"\n")
        self.say(f"ask {rest}")
        try:
            self.say("  " + talk.mask(self.line(), self.masks))
        except talk.Ended as end:
            self.say("  " + str(end))
            self.open()

    def on_tie(self, rest):
        instance, queue_id, sender, *rcpts = rest.split()
        for rcpt in rcpts:
            house.psql(self.postgres.dir, self.database, f"SELECT kep.attempt('mx1.hs01.kep.test', '{instance}', '{rcpt}', '192.0.2.9', "
                       f"'', '{sender}', '{sender}', '', 1, '\\x00', 'accepted')")
        house.psql(self.postgres.dir, self.database, f"SELECT kep.attempt_data('mx1.hs01.kep.test', '{instance}', '{queue_id}', {len(rcpts)})")
        self.say(f"tie {rest}")


def play(path, build, scratch):
    return Ask(build, scratch).play_file(path)
