import os
import signal
import subprocess
import sys

run = subprocess.run
print(run(["echo", "captured"], capture_output=True, text=True).stdout, end="")
print(run(["sh", "-c", "echo err >&2; exit 3"], capture_output=True).returncode)
print(run(["cat"], input=b"x" * 300000, capture_output=True).stdout.count(b"x"))
print(
    run(
        "echo $A; pwd | wc -l",
        shell=True,
        env={**os.environ, "A": "env"},
        capture_output=True,
        text=True,
    )
)
try:
    run(["sleep", "9"], timeout=0.3)
except subprocess.TimeoutExpired as e:
    print("timeout", e.cmd)
try:
    run(["nosuchprogram"])
except FileNotFoundError as e:
    print(e.errno, e.filename)
try:
    subprocess.check_call(["false"])
except subprocess.CalledProcessError as e:
    print(e)
a = subprocess.Popen(["seq", "100"], stdout=subprocess.PIPE)
b = subprocess.Popen(["grep", "7"], stdin=a.stdout, stdout=subprocess.PIPE)
a.stdout.close()
print(len(b.communicate()[0].split()), a.wait(), b.returncode)
p = subprocess.Popen(["sleep", "30"], start_new_session=True)
print(os.getsid(p.pid) == p.pid, p.poll())
os.killpg(p.pid, signal.SIGTERM)
print(p.wait())
r, w = os.pipe()
q = subprocess.Popen(["sh", "-c", f"echo passed >&{w}"], pass_fds=[w])
os.close(w)
print(os.read(r, 100), q.wait())
k = subprocess.Popen(
    [sys.executable, "-c", "import os; print(len(os.listdir('/proc/self/fd')) < 6)"], close_fds=True
)
print(k.wait())
u = subprocess.Popen(
    ["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=lambda: os.umask(0o77)
)
print(u.communicate(b"through")[0])
procs = [subprocess.Popen(["sh", "-c", f"exit {i}"]) for i in range(20)]
print([p.wait() for p in procs])
