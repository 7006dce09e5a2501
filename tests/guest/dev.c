/* /dev: null, zero, full, random, fd, stdin, shm, tty without a terminal. */
#include "guest.h"
#include <dirent.h>
#include <poll.h>
#include <sys/ioctl.h>

BEHAVIOUR(null)
{
    int fd = MUST(open("/dev/null", O_RDWR | O_TRUNC));
    SHOW("write", ret(write(fd, "gone", 4)));
    SHOW("read", ret(read(fd, (char[4]){0}, 4)));
    SHOW("seek", ret(lseek(fd, 1000, SEEK_SET)));
    SHOW("mmap", mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errname(errno) : "ok");
    SHOW("truncate", ok(ftruncate(fd, 0)));
    SHOW("isatty", ret(isatty(fd)));
    SHOW("ioctl", ok(ioctl(fd, FIONREAD, bad())));
    SHOW("fsync", ok(fsync(fd)));
    SHOW("as_dir", try_open("/dev/null/x", O_RDONLY));
}

BEHAVIOUR(zero)
{
    char text[100];
    memset(text, 'x', sizeof text);
    int fd = MUST(open("/dev/zero", O_RDWR)), zeros = 1;
    SHOW("read", ret(read(fd, text, 100)));
    for (int i = 0; i < 100; i++)
        zeros &= text[i] == 0;
    say("zeros=%s", yes(zeros));
    SHOW("write", ret(write(fd, "x", 1)));
    SHOW("fault", ret(read(fd, bad(), 4)));
    SHOW("large", ret(read(fd, malloc(1 << 20), 1 << 20)));
    SHOW("seek", ret(lseek(fd, 1000, SEEK_SET)));
}

BEHAVIOUR(full)
{
    int fd = MUST(open("/dev/full", O_RDWR));
    char c = 'x';
    SHOW("write", ret(write(fd, "x", 1)));
    SHOW("write_0", ret(write(fd, "x", 0)));
    SHOW("read", ret(read(fd, &c, 1)));
    say("zero=%s", yes(c == 0));
}

BEHAVIOUR(randoms)
{
    static const char *const names[] = {"/dev/random", "/dev/urandom"};
    for (int i = 0; i < 2; i++) {
        unsigned char a[32] = {0}, b[32] = {0};
        int fd = MUST(open(names[i], O_RDWR));
        SHOW("read", ret(read(fd, a, 32)));
        CHECK(read(fd, b, 32) == 32);
        say("differ=%s", yes(memcmp(a, b, 32)));
        SHOW("write", ret(write(fd, a, 32)));
        struct pollfd p = {fd, POLLIN, 0};
        SHOW("poll", ret(poll(&p, 1, 0)));
    }
}

BEHAVIOUR(fd_links)
{
    char text[8] = "";
    make_file("f", "hello");
    int fd = MUST(open("f", O_RDONLY));
    CHECK(dup2(fd, 0) == 0);
    int in = open("/dev/stdin", O_RDONLY);
    SHOW("stdin", ok(in));
    SHOW("read", ret(read(in, text, 8)));   /* a file: opened anew, offset 0 */
    SHOW("text", text);
    SHOW("own_offset", ret(lseek(fd, 0, SEEK_CUR)));
    SHOW("fd_0", ok(open("/dev/fd/0", O_RDONLY)));
    SHOW("fd_88", ok(open("/dev/fd/88", O_RDONLY)));
    ssize_t n = readlink("/dev/fd", text, sizeof text);
    say("link=%s", yes(n > 0));
    int p[2];
    CHECK(pipe(p) == 0 && dup2(p[0], 0) == 0 && write(p[1], "pipe", 4) == 4);
    in = open("/dev/stdin", O_RDONLY);
    SHOW("pipe", ret(read(in, text, 8)));
}

BEHAVIOUR(shared_memory_directory)
{
    char name[64], path[96];
    snprintf(name, sizeof name, "/guest-test-%d", getpid());
    int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
    SHOW("create", ok(fd));
    SHOW("size", ok(ftruncate(fd, 4096)));
    char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(m != MAP_FAILED);
    pid_t pid = start();
    if (pid == 0) {
        int own = shm_open(name, O_RDWR, 0);
        char *n = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
        strcpy(n, "shared");
        _exit(0);
    }
    SHOW("child", reap(pid));
    say("text=%s", m);
    snprintf(path, sizeof path, "/dev/shm%s", name);
    SHOW("by_path", ok(access(path, R_OK)));
    SHOW("unlink", ok(shm_unlink(name)));
    SHOW("again", ok(shm_unlink(name)));
    struct stat st;
    CHECK(stat("/dev/shm", &st) == 0);
    say("mode=%o", st.st_mode & 07777);
}

BEHAVIOUR(no_controlling_terminal)
{
    pid_t pid = start();
    if (pid == 0) {
        setsid();
        SHOW("tty", try_open("/dev/tty", O_RDWR));
        _exit(0);
    }
    reap(pid);
}

BEHAVIOUR(directory_entries)
{
    static const char *const wanted[] = {"null", "zero", "full", "random", "urandom", "tty",
                                         "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr"};
    for (int i = 0; i < COUNT(wanted); i++) {
        char path[32];
        struct stat st;
        snprintf(path, sizeof path, "/dev/%s", wanted[i]);
        if (lstat(path, &st) == -1)
            say("missing:%s", wanted[i]);
    }
    DIR *dir = opendir("/dev");
    int found = 0;
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));)
        for (int i = 0; i < COUNT(wanted); i++)
            found += !strcmp(e->d_name, wanted[i]);
    say("listed=%d", found);
}

BEHAVIOUR(refused)
{
    drop_root();        /* and nothing that would hurt if it were allowed */
    SHOW("create", try_open("/dev/new", O_WRONLY | O_CREAT));
    SHOW("rmdir", ok(rmdir("/dev/none_such")));
    SHOW("chmod", ok(chmod("/dev/zero", 0666)));
    SHOW("chown", ok(chown("/dev/zero", 0, 0)));
}
