/* O_PATH descriptors: what they may do and what they may not. */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/statfs.h>

static int path_fd(void)
{
    make_file("f", "content");
    return MUST(open("f", O_PATH));
}

BEHAVIOUR(no_data)
{
    char c;
    int fd = path_fd();
    SHOW("read", ret(read(fd, &c, 1)));
    SHOW("write", ret(write(fd, "x", 1)));
    SHOW("lseek", ret(lseek(fd, 0, SEEK_SET)));
    SHOW("ftruncate", ok(ftruncate(fd, 0)));
    SHOW("fsync", ok(fsync(fd)));
    SHOW("ioctl", ok(ioctl(fd, FIONREAD, bad())));
    SHOW("mmap", yes(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0) ==
                     MAP_FAILED && errno == EBADF));
    SHOW("pread", ret(pread(fd, &c, 1, 0)));
}

BEHAVIOUR(no_changes)
{
    int fd = path_fd();
    SHOW("fchmod", ok(fchmod(fd, 0600)));
    SHOW("fchown", ok(fchown(fd, -1, -1)));
    SHOW("flags", ok(fcntl(fd, F_SETFL, O_APPEND)));
    struct flock lock = {.l_type = F_RDLCK};
    SHOW("lock", ok(fcntl(fd, F_SETLK, &lock)));
    struct timespec t[2] = {{1, 0}, {1, 0}};
    SHOW("futimens", ok(futimens(fd, t)));
}

BEHAVIOUR(allowed)
{
    int fd = path_fd();
    struct stat st;
    struct statfs fs;
    SHOW("fstat", ok(fstat(fd, &st)));
    say("size=%d", (int)st.st_size);
    SHOW("fstatfs", ok(fstatfs(fd, &fs)));
    int copy = dup(fd);
    SHOW("dup", ok(copy));
    SHOW("getfd", ret(fcntl(fd, F_GETFD)));
    SHOW("path_flag", yes(fcntl(copy, F_GETFL) & O_PATH));
    SHOW("close", ok(close(fd)));
}

BEHAVIOUR(as_directory)
{
    CHECK(mkdir("d", 0755) == 0);
    make_file("d/f", "inner");
    int fd = MUST(open("d", O_PATH | O_DIRECTORY));
    SHOW("openat", ok(openat(fd, "f", O_RDONLY)));
    SHOW("creat", ok(openat(fd, "g", O_WRONLY | O_CREAT, 0644)));
    SHOW("fchdir", ok(fchdir(fd)));
    SHOW("here", file_text("f"));
    char entries[512];
    SHOW("getdents", ret(syscall(SYS_getdents64, fd, entries, 512)));
    int file = MUST(open("f", O_PATH));
    SHOW("fchdir_file", ok(fchdir(file)));
}

BEHAVIOUR(symlink_itself)
{
    CHECK(symlink("target", "link") == 0);
    int fd = open("link", O_PATH | O_NOFOLLOW);
    SHOW("open", ok(fd));
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    SHOW("is_link", yes(S_ISLNK(st.st_mode)));
    char text[16] = "";
    SHOW("readlink", ret(readlinkat(fd, "", text, 15)));
    SHOW("text", text);
    SHOW("followed", try_open("link", O_PATH));
}

BEHAVIOUR(reopen_by_proc)
{
    char path[40], text[8] = "";
    int fd = path_fd();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int real = open(path, O_RDWR);
    SHOW("open", ok(real));
    SHOW("read", ret(read(real, text, 7)));
    SHOW("text", text);
}

BEHAVIOUR(empty_path)
{
    int fd = path_fd();
    struct stat st;
    SHOW("fstatat", ok(fstatat(fd, "", &st, AT_EMPTY_PATH)));
    SHOW("without_flag", ok(fstatat(fd, "", &st, 0)));
    SHOW("unknown_flag", ok(fstatat(fd, "", &st, 0x40000000)));
    SHOW("chown", ok(fchownat(fd, "", -1, -1, AT_EMPTY_PATH)));
}

BEHAVIOUR(ignored_flags)
{
    make_file("f", "content");
    /* O_PATH looks at O_CLOEXEC, O_DIRECTORY and O_NOFOLLOW only. */
    SHOW("creat", try_open("new", O_PATH | O_CREAT));
    SHOW("trunc", try_open("f", O_PATH | O_RDWR | O_TRUNC));
    SHOW("still", file_text("f"));
    SHOW("no_permission", (drop_root(), make_file("g", ""), chmod("g", 0),
                           try_open("g", O_PATH | O_RDWR)));
}
