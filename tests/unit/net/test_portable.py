"""The kernel's own sockets on a Python that has no sockets, no fcntl and no select of its own."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
for name in ("_socket", "socket", "fcntl", "select", "termios", "resource", "grp", "pwd"):
    sys.modules[name] = None  # importing it fails
from ring3.core.clock import Clock
from ring3.net import families
from ring3.net.cargo import Ucred
from ring3.net.network import Network

net, me = Network(None, Clock(), own=True), Ucred(1, 0, 0)
a, b = families.create_pair(net, 1, 1, 0, 0, me, raw=False)
assert a.send(b"unix", 0) == 4 and b.recv(10, 0).data == b"unix"
for domain, address in ((2, b"\\2\\0\\0\\0\\x7f\\0\\0\\1" + bytes(8)), (10, b"\\n" + bytes(27))):
    server = families.create(net, domain, 1, 0, 0, me, raw=False)
    server.listen(5, me)
    client = families.create(net, domain, 1, 0, 0, me, raw=False)
    client.connect(server.getsockname())
    assert client.send(b"tcp", 0) == 3 and server.accept().recv(10, 0).data == b"tcp"
    one, two = (families.create(net, domain, 2, 0, 0, me, raw=False) for _ in range(2))
    one.bind(address, False)
    assert two.send(b"udp", 0, one.getsockname()) == 3 and one.recv(10, 0).data == b"udp"
families.create(net, 16, 3, 0, 0, me, raw=False)
net.close()
assert not net.sockets
"""


def test_no_help_of_the_host() -> None:
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=60)
