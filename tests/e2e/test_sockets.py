"""Strangers at our unix sockets: no limit can be passed, nothing grows, the next one is served."""
import json
import os
import socket

import pytest

from sandboxlib.process import until


def connect(house, name):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(house.place.env[name])
    return client


def pour(client, chunk, most):
    """Octets taken until the other side closes."""
    sent = 0
    try:
        while sent < most:
            client.sendall(chunk)
            sent += len(chunk)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


def alive(house):
    with connect(house, "ASK_SOCKET") as client:
        client.sendall(b'{"v":1,"ask":"status"}\n')
        return json.loads(client.makefile().readline())


def test_status(house):
    answer = alive(house)
    assert answer["why"] == "accepted" and answer["database"] is True and answer["domains"] >= 2


def test_gigabyte_ask_line(house):
    pid = house.daemons.policyd.pid()
    before = house.daemons.memory("policyd")[0]
    with connect(house, "ASK_SOCKET") as client:
        assert pour(client, b"a" * 65536, 1 << 30) < 1 << 24
    assert alive(house)["why"] == "accepted" and house.daemons.policyd.pid() == pid
    assert house.daemons.memory("policyd")[0] - before < 8 << 20


def test_policy_request_without_end(house):
    with connect(house, "POLICY_SOCKET") as client:
        client.sendall(b"request=smtpd_access_policy\n")
        assert pour(client, b"name=" + b"a" * 1000 + b"\n", 1 << 26) < 1 << 24
    assert alive(house)["why"] == "accepted"


@pytest.mark.parametrize("text", [b"GET / HTTP/1.0\r\n\r\n", b"\0\0\0\0\n\n", b"request=other\n\n", b"=\n\n", b"a" * 100 + b"\n\n"])
def test_policy_junk_gets_no_answer(house, text):
    with connect(house, "POLICY_SOCKET") as client:
        client.sendall(text)
        try:
            assert client.recv(4096) == b""
        except ConnectionResetError:
            pass


@pytest.mark.parametrize("text", [b"{}\n", b'{"v":2,"ask":"status"}\n', b'{"v":1,"ask":"nothing"}\n', b"[1]\n", b"\xff\xfe\n",
                                  b"[" * 100000 + b"\n"])
def test_ask_junk(house, text):
    with connect(house, "ASK_SOCKET") as client:
        client.sendall(text)
        line = client.makefile("rb").readline()
        assert line == b"" or json.loads(line)["why"] == "unavailable"


def test_ask_socket_checks_its_peer(house):
    """Another user than root and the daemons' own is turned away."""
    with socket.socket(socket.AF_UNIX) as client:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setgid(65534)
                os.setuid(5001)
                client.connect(house.place.env["ASK_SOCKET"])
                client.sendall(b'{"v":1,"ask":"status"}\n')
                code = 0 if client.recv(4096) == b"" else 2
            except OSError:
                code = 0
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_many_half_open_sessions(house):
    held = [connect(house, name) for name in ("ASK_SOCKET", "POLICY_SOCKET", "LMTP_SOCKET", "MILTER_SOCKET") for _ in range(60)]
    try:
        assert alive(house)["why"] == "accepted"
    finally:
        for client in held:
            client.close()
    until("all is well", lambda: alive(house)["why"] == "accepted")
