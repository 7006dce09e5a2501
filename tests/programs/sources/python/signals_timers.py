import os
import select
import signal
import sys
import time

log = []
for s in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN, signal.SIGALRM):
    signal.signal(s, lambda n, f: log.append(n))
for s in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN):
    os.kill(os.getpid(), s)
print(log == [signal.SIGUSR1, signal.SIGUSR2, signal.SIGRTMIN])
log.clear()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1)
print(log, signal.sigpending())
print(signal.sigwait([signal.SIGUSR1]))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
while len(log) < 3:
    signal.pause()
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(log) >= 3)
print(signal.sigtimedwait([signal.SIGUSR2], 0.05))
start = time.monotonic()
signal.setitimer(signal.ITIMER_REAL, 0.05)
time.sleep(0.2)  # goes on after the signal (PEP 475)
print(time.monotonic() - start >= 0.2)
r, w = os.pipe()
signal.setitimer(signal.ITIMER_REAL, 0.05)
if os.fork() == 0:
    time.sleep(0.3)
    os.write(w, b"late")
    os._exit(0)
print(os.read(r, 9), os.wait()[1])
os.set_blocking(w, False)
signal.set_wakeup_fd(w)
os.kill(os.getpid(), signal.SIGUSR1)
print(os.read(r, 9)[0] == signal.SIGUSR1)
signal.set_wakeup_fd(-1)
pid = os.fork()
if pid == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(6)
_, status = os.waitpid(pid, os.WUNTRACED)
print(os.WIFSTOPPED(status), os.WSTOPSIG(status) == signal.SIGSTOP)
os.kill(pid, signal.SIGCONT)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
seen = []
signal.signal(signal.SIGCHLD, lambda *a: seen.append(1))
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
time.sleep(0.01)
print(seen)
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
import ctypes

pid = os.fork()
if pid == 0:
    ctypes.string_at(0)
_, status = os.waitpid(pid, 0)
print(os.WIFSIGNALED(status), os.WTERMSIG(status) == signal.SIGSEGV)
p = select.poll()
p.register(r, select.POLLIN)
print(p.poll(20))
e = select.epoll()
e.register(r, select.EPOLLIN | select.EPOLLET)
os.write(w, b"x")
print(e.poll(1) == [(r, select.EPOLLIN)], e.poll(0.02))
signal.alarm(1)
try:
    signal.signal(signal.SIGALRM, lambda *a: sys.exit(12))
    signal.pause()
finally:
    print("end")
