import os
import select
import selectors
import socket
import struct
import threading

s = socket.create_server(("127.0.0.1", 0))
addr = s.getsockname()


def echo():
    c, peer = s.accept()
    with c:
        while data := c.recv(65536):
            c.sendall(data)


t = threading.Thread(target=echo)
t.start()
c = socket.create_connection(addr, timeout=10)
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print(c.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) > 0, c.getpeername() == addr)
total = 0
sender = threading.Thread(target=lambda: (c.sendall(b"z" * 400000), c.shutdown(socket.SHUT_WR)))
sender.start()
while data := c.recv(65536):
    total += len(data)
print(total)
sender.join()
t.join()
c.close()
s.close()
try:
    socket.create_connection(addr, timeout=5)
except ConnectionRefusedError as e:
    print("refused", e.errno)
u, v = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
u.bind(("127.0.0.1", 0))
v.sendto(b"datagram", u.getsockname())
print(u.recvfrom(99)[0])
v.sendto(b"longer datagram", u.getsockname())
print(u.recv(4), select.select([u], [], [], 0)[0])
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
a.send(b"one")
a.send(b"two")
print(b.recv(99), b.recv(99))
a, b = socket.socketpair()
r, w = os.pipe()
socket.send_fds(a, [b"fd"], [w])
msg, fds, flags, _ = socket.recv_fds(b, 10, 4)
os.write(fds[0], b"through a passed descriptor")
print(msg, os.read(r, 99))
b.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
pid, uid, gid = struct.unpack("3i", b.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
print(pid == os.getpid(), uid == os.getuid())
l = socket.socket(socket.AF_UNIX)
l.bind("s")
l.listen(1)
x = socket.socket(socket.AF_UNIX)
x.connect("s")
y, _ = l.accept()
x.send(b"named")
print(y.recv(9), os.path.exists("s"), l.getsockname())
ab = socket.socket(socket.AF_UNIX)
ab.bind("\0r3-abstract-%d" % os.getpid())
ab.listen()
z = socket.socket(socket.AF_UNIX)
z.connect(ab.getsockname())
print("abstract")
sel = selectors.DefaultSelector()
sel.register(y, selectors.EVENT_READ, "y")
print(sel.select(0))
x.send(b"!")
print([k.data for k, _ in sel.select(5)])
y.setblocking(False)
y.recv(9)
try:
    y.recv(9)
except BlockingIOError as e:
    print("would block", e.errno)
x.close()
print(y.recv(9))
try:
    y.send(b"x")
    y.send(b"x")
except BrokenPipeError as e:
    print("broken", e.errno)
six = socket.socket(socket.AF_INET6)
try:
    six.bind(("::1", 0))
    print("ipv6 loopback")
except OSError as e:
    print("ipv6", e.errno)
print(socket.getaddrinfo("localhost", 80, socket.AF_INET, socket.SOCK_STREAM)[0][4])
