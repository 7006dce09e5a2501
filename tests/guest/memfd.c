/* memfd_create(2) and seals. */
#include "guest.h"

BEHAVIOUR(basics)
{
    char path[40], name[64] = "";
    int fd = memfd_create("label", 0);
    SHOW("create", ok(fd));
    SHOW("write", ret(write(fd, "data", 4)));
    say("size=%lld cloexec=%d", file_size(fd), fcntl(fd, F_GETFD));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(readlink(path, name, 63) > 0);
    SHOW("name", name);
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    say("nlink=%d mode=%o", (int)st.st_nlink, st.st_mode & S_IFMT);
    SHOW("cloexec", ret(fcntl(memfd_create("x", MFD_CLOEXEC), F_GETFD)));
    SHOW("seek", ret(lseek(fd, 0, SEEK_END)));
}

BEHAVIOUR(errors)
{
    char name[300];
    memset(name, 'n', sizeof name);
    name[249] = 0;
    SHOW("249", ok(memfd_create(name, 0)));
    name[249] = 'n';
    name[250] = 0;
    SHOW("250", ok(memfd_create(name, 0)));
    SHOW("flags", ok(memfd_create("x", 0x4000)));
    SHOW("fault", ok(memfd_create(bad(), 0)));
    SHOW("empty_name", ok(memfd_create("", 0)));
}

BEHAVIOUR(no_sealing_by_default)
{
    int fd = MUST(memfd_create("x", 0)), p[2];
    SHOW("get", ret(fcntl(fd, F_GET_SEALS)));
    SHOW("add", ok(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
    CHECK(pipe(p) == 0);
    SHOW("pipe", ret(fcntl(p[0], F_GET_SEALS)));
}

static int sealable(const char *text)
{
    int fd = MUST(memfd_create("x", MFD_ALLOW_SEALING));
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    return fd;
}

BEHAVIOUR(grow_and_shrink)
{
    int fd = sealable("0123456789");
    SHOW("none", ret(fcntl(fd, F_GET_SEALS)));
    SHOW("seal_grow", ok(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW)));
    SHOW("truncate_up", ok(ftruncate(fd, 20)));
    SHOW("write_past", ret(pwrite(fd, "xyz", 3, 10)));
    SHOW("write_in", ret(pwrite(fd, "xyz", 3, 0)));
    SHOW("fallocate", ok(fallocate(fd, 0, 0, 100)));
    SHOW("seal_shrink", ok(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)));
    SHOW("truncate_down", ok(ftruncate(fd, 5)));
    SHOW("truncate_same", ok(ftruncate(fd, 10)));
    say("seals=%#x size=%lld", fcntl(fd, F_GET_SEALS), file_size(fd));
}

BEHAVIOUR(write_seal)
{
    int fd = sealable("0123456789");
    void *map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    SHOW("while_mapped", ok(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
    CHECK(munmap(map, 10) == 0);
    SHOW("unmapped", ok(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
    SHOW("write", ret(pwrite(fd, "x", 1, 0)));
    map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    say("map_shared=%s", map == MAP_FAILED ? errname(errno) : "ok");
    map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    say("map_private=%s", map == MAP_FAILED ? errname(errno) : "ok");
    map = mmap(NULL, 10, PROT_READ, MAP_SHARED, fd, 0);
    say("map_read=%s", map == MAP_FAILED ? errname(errno) : "ok");
    char c = 0;
    CHECK(pread(fd, &c, 1, 0) == 1);
    say("reads=%c", c);
}

BEHAVIOUR(future_write_seal)
{
    int fd = sealable("0123456789");
    char *map = mmap(NULL, 10, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    SHOW("while_mapped", ok(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE)));
    map[0] = 'M';
    SHOW("write", ret(pwrite(fd, "x", 1, 0)));
    void *again = mmap(NULL, 10, PROT_WRITE, MAP_SHARED, fd, 0);
    say("map_again=%s", again == MAP_FAILED ? errname(errno) : "ok");
    char c = 0;
    CHECK(pread(fd, &c, 1, 0) == 1);
    say("old_map_writes=%c", c);
}

BEHAVIOUR(seal_seal)
{
    int fd = sealable("x");
    SHOW("seal", ok(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL)));
    SHOW("more", ok(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)));
    SHOW("write", ret(pwrite(fd, "y", 1, 0)));
    SHOW("unknown", ok(fcntl(sealable("x"), F_ADD_SEALS, 0x4000)));
    char path[40];
    fd = sealable("x");
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reader = MUST(open(path, O_RDONLY));
    SHOW("rdonly_adds", ok(fcntl(reader, F_ADD_SEALS, F_SEAL_WRITE)));
}

BEHAVIOUR(shared_by_fork)
{
    int fd = sealable("parent");
    char *map = mmap(NULL, 6, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    pid_t pid = start();
    if (pid == 0) {
        memcpy(map, "child!", 6);
        _exit(0);
    }
    SHOW("child", reap(pid));
    say("text=%.6s", map);
    char text[8] = "";
    CHECK(pread(fd, text, 6, 0) == 6);
    SHOW("read", text);
}

BEHAVIOUR(reopened)
{
    int fd = sealable("hello");
    char path[40], text[8] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reader = open(path, O_RDONLY);
    SHOW("open", ok(reader));
    SHOW("read", ret(read(reader, text, 8)));
    SHOW("text", text);
    SHOW("write", ret(write(reader, "x", 1)));
}

BEHAVIOUR(holes)
{
    int fd = MUST(memfd_create("x", 0));
    CHECK(ftruncate(fd, 1 << 20) == 0 && pwrite(fd, "x", 1, 1 << 19) == 1);
    say("data=%s", yes(lseek(fd, 0, SEEK_DATA) == 1 << 19));
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    say("sparse=%s", yes(st.st_blocks * 512 < 1 << 20));
    SHOW("punch", ok(fallocate(fd, 3, 1 << 19, 65536)));
    SHOW("no_data", ret(lseek(fd, 0, SEEK_DATA)));
}

BEHAVIOUR(set_id_bits_clear)
{
    struct stat st;
    drop_root();
    int fd = MUST(memfd_create("x", 0));
    SHOW("fchmod", ok(fchmod(fd, 06755)));
    CHECK(fstat(fd, &st) == 0);
    say("set=%o", st.st_mode & 07777);
    CHECK(write(fd, "x", 1) == 1 && fstat(fd, &st) == 0);
    say("after_write=%o", st.st_mode & 07777);
    CHECK(fchmod(fd, 04755) == 0 && ftruncate(fd, 0) == 0 && fstat(fd, &st) == 0);
    say("after_truncate=%o", st.st_mode & 07777);
    CHECK(fchmod(fd, 04755) == 0 && fchown(fd, -1, getegid()) == 0 && fstat(fd, &st) == 0);
    say("after_chown=%o", st.st_mode & 07777);
}
