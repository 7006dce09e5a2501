import errno
import fcntl
import os
import shutil
import stat

shutil.copytree("dir", "copy")
print(sorted(os.listdir("copy")))
shutil.move("copy", "moved")
shutil.make_archive("a", "gztar", "moved")
shutil.unpack_archive("a.tar.gz", "un")
print(sorted(os.listdir("un")), shutil.disk_usage(".").total > 0)
shutil.rmtree("moved")
for call, want in (
    (lambda: os.open("nosuch", os.O_RDONLY), errno.ENOENT),
    (lambda: os.open("dir", os.O_WRONLY), errno.EISDIR),
    (lambda: os.open("words.txt/x", os.O_RDONLY), errno.ENOTDIR),
    (lambda: os.mkdir("dir"), errno.EEXIST),
    (lambda: os.rmdir("dir"), errno.ENOTEMPTY),
    (lambda: os.unlink("dir"), errno.EISDIR),
    (lambda: os.rename("dir", "dir/sub/x"), errno.EINVAL),
    (lambda: os.link("nosuch", "y"), errno.ENOENT),
    (lambda: os.readlink("words.txt"), errno.EINVAL),
    (lambda: os.open("words.txt", os.O_CREAT | os.O_EXCL), errno.EEXIST),
    (lambda: os.stat("a" * 300), errno.ENAMETOOLONG),
    (lambda: os.close(999), errno.EBADF),
    (lambda: os.lseek(os.pipe()[0], 0, 0), errno.ESPIPE),
    (lambda: os.read(os.open("dir", os.O_RDONLY), 5), errno.EISDIR),
    (lambda: os.write(os.open("words.txt", os.O_RDONLY), b"x"), errno.EBADF),
):
    try:
        call()
        print("no error", want)
    except OSError as e:
        print(errno.errorcode[e.errno], e.errno == want)
f = os.open("new", os.O_RDWR | os.O_CREAT, 0o640)
print(stat.filemode(os.fstat(f).st_mode), os.write(f, b"0123456789"), os.pread(f, 3, 4))
os.ftruncate(f, 5)
os.lseek(f, 100, os.SEEK_SET)
os.write(f, b"z")
print(os.fstat(f).st_size, os.lseek(f, 0, os.SEEK_END), os.pread(f, 3, 50))
print(os.writev(f, [b"a", b"bc"]), os.preadv(f, [bytearray(2)], 0))
os.posix_fallocate(f, 0, 5000)
print(os.fstat(f).st_size)
d = os.dup(f)
os.lseek(d, 7, 0)
print(
    os.lseek(f, 0, 1), fcntl.fcntl(f, fcntl.F_GETFL) & os.O_ACCMODE, fcntl.fcntl(d, fcntl.F_GETFD)
)
fcntl.lockf(f, fcntl.LOCK_EX, 10, 0)
pid = os.fork()
if pid == 0:
    g = os.open("new", os.O_RDWR)
    try:
        fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5)
        os._exit(1)
    except OSError as e:
        fcntl.lockf(g, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 20)
        os._exit(0 if e.errno in (errno.EAGAIN, errno.EACCES) else 2)
print("lock", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
g = os.open("new", os.O_RDWR)
fcntl.flock(f, fcntl.LOCK_SH)
fcntl.flock(g, fcntl.LOCK_SH)
try:
    fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("flock held")
os.symlink("new", "sym")
os.link("new", "hard")
print(os.lstat("sym").st_size, os.stat("hard").st_nlink, os.path.samefile("new", "sym"))
os.replace("hard", "sym")
os.chmod("new", 0o711)
print(oct(os.stat("new").st_mode & 0o7777), os.access("new", os.X_OK), os.access("nosuch", os.F_OK))
os.mkfifo("fifo", 0o600)
print(stat.S_ISFIFO(os.stat("fifo").st_mode))
os.truncate("words.txt", 3)
print(open("words.txt").read(), os.path.realpath("sym").endswith("/sym"))
with open("big", "wb") as b:
    b.seek(3 << 30)
    b.write(b"!")
print(os.path.getsize("big"))
os.remove("big")
print(os.statvfs(".").f_namemax)
