import mmap
import os
import sqlite3
import tempfile
import threading

db = sqlite3.connect("x.db", timeout=20)
db.execute("create table t(id integer primary key, v)")
with db:
    db.executemany("insert into t(v) values(?)", ((f"row {i}",) for i in range(3000)))
print(db.execute("select count(*), max(v) from t").fetchone())


def writer(n):
    own = sqlite3.connect("x.db", timeout=20)
    for i in range(5):
        with own:
            own.execute("insert into t(v) values(?)", (f"t{n}.{i}",))
    own.close()


ts = [threading.Thread(target=writer, args=(n,)) for n in range(3)]
[t.start() for t in ts]
[t.join() for t in ts]
print(db.execute("select count(*) from t where v like 't%'").fetchone())
print(
    db.execute("pragma journal_mode=wal").fetchone(),
    db.execute("pragma integrity_check").fetchone(),
)
db.close()

with open("words.txt", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
    m[:5] = b"MMAP!"
    print(m.find(b"\n"), len(m), m.size())
    m.flush()
    f.seek(0)
    print(f.read(5))
    m.resize(len(m) + 5000)
    print(len(m), os.path.getsize("words.txt"))
private = mmap.mmap(os.open("numbers.txt", os.O_RDONLY), 0, access=mmap.ACCESS_COPY)
private[0:3] = b"xyz"
print(private[:3], open("numbers.txt").read(3) != "xyz")
anon = mmap.mmap(-1, 1 << 20)
if os.fork() == 0:
    anon[:5] = b"child"
    os._exit(0)
os.wait()
print(anon[:5])
own = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
if os.fork() == 0:
    own[:5] = b"child"
    os._exit(0)
os.wait()
print(own[:5])

with tempfile.TemporaryDirectory() as d:
    path = os.path.join(d, "f")
    open(path, "w").write("x")
    print(os.listdir(d))
print(os.path.exists(d))
with tempfile.TemporaryFile() as t:
    t.write(b"abc")
    t.seek(1)
    print(t.read(), os.fstat(t.fileno()).st_nlink)
with tempfile.NamedTemporaryFile() as t:
    print(os.path.exists(t.name), oct(os.stat(t.name).st_mode))
print(os.path.exists(t.name))
with tempfile.SpooledTemporaryFile(10) as t:
    t.write(b"x" * 100)
    t.seek(0)
    print(len(t.read()))
