/* flock(2) and POSIX record locks: owners, ranges, waiting. */
#include "guest.h"
#include <sys/file.h>

static int fresh(void)
{
    make_file("f", "0123456789");
    return MUST(open("f", O_RDWR));
}

static int lock(int fd, int command, int type, off_t start_at, off_t length)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET,
                      .l_start = start_at, .l_len = length};
    return fcntl(fd, command, &l);
}

/* What another process sees in the way of a write lock on one byte. */
static const char *held(off_t at)
{
    pid_t parent = getpid();
    int p[2];
    char *text = guest_scrap();
    CHECK(pipe(p) == 0);
    pid_t pid = start();
    if (pid == 0) {
        char line[40];
        int fd = open("f", O_RDWR);
        struct flock l = {.l_type = F_WRLCK, .l_start = at, .l_len = 1};
        if (fcntl(fd, F_GETLK, &l) == -1)
            _exit(1);
        int n = snprintf(line, sizeof line, "%s%s",
                         l.l_type == F_UNLCK ? "-" : l.l_type == F_RDLCK ? "r" : "w",
                         l.l_type == F_UNLCK || l.l_pid == parent ? "" : "?");
        _exit(write(p[1], line, n) != n);
    }
    CHECK(!strcmp(reap(pid), "exit 0"));
    ssize_t n = read(p[0], text, 40);
    text[n > 0 ? n : 0] = 0;
    close(p[0]);
    close(p[1]);
    return text;
}

BEHAVIOUR(flock_conflicts)
{
    int a = fresh(), b = MUST(open("f", O_RDONLY));
    SHOW("exclusive", ok(flock(a, LOCK_EX)));
    SHOW("other", ok(flock(b, LOCK_EX | LOCK_NB)));
    SHOW("shared", ok(flock(b, LOCK_SH | LOCK_NB)));
    SHOW("own_copy", ok(flock(dup(a), LOCK_EX | LOCK_NB)));
    SHOW("downgrade", ok(flock(a, LOCK_SH)));
    SHOW("shared", ok(flock(b, LOCK_SH | LOCK_NB)));
    SHOW("upgrade", ok(flock(a, LOCK_EX | LOCK_NB)));
    SHOW("unlock", ok(flock(b, LOCK_UN)));
    SHOW("upgrade", ok(flock(a, LOCK_EX | LOCK_NB)));
    SHOW("bad_op", ok(flock(a, 0)));
    SHOW("bad_fd", ok(flock(999, LOCK_EX)));
}

BEHAVIOUR(flock_lives_with_description)
{
    int a = fresh(), b = MUST(open("f", O_RDWR)), copy = dup(a);
    CHECK(flock(a, LOCK_EX) == 0);
    close(a);
    SHOW("copy_holds", ok(flock(b, LOCK_EX | LOCK_NB)));
    close(copy);
    SHOW("closed", ok(flock(b, LOCK_EX | LOCK_NB)));
}

BEHAVIOUR(flock_across_fork)
{
    int a = fresh(), b = MUST(open("f", O_RDWR));
    CHECK(flock(a, LOCK_EX) == 0);
    pid_t pid = start();
    if (pid == 0)       /* the child shares the owner: it may unlock */
        _exit(flock(a, LOCK_UN) == 0 ? 0 : 1);
    SHOW("child_unlocks", reap(pid));
    SHOW("free", ok(flock(b, LOCK_EX | LOCK_NB)));
}

BEHAVIOUR(flock_waits)
{
    int a = fresh(), p[2];
    CHECK(pipe(p) == 0 && flock(a, LOCK_EX) == 0);
    pid_t pid = start();
    if (pid == 0) {
        int b = MUST(open("f", O_RDWR));
        CHECK(write(p[1], "b", 1) == 1);
        CHECK(flock(b, LOCK_EX) == 0);
        CHECK(write(p[1], "l", 1) == 1);
        _exit(0);
    }
    char c;
    CHECK(read(p[0], &c, 1) == 1);
    sleep_ms(30);
    CHECK(write(p[1], "u", 1) == 1 && flock(a, LOCK_UN) == 0);
    CHECK(read(p[0], &c, 1) == 1);
    say("first=%c", c);
    CHECK(read(p[0], &c, 1) == 1);
    say("second=%c child=%s", c, reap(pid));
}

BEHAVIOUR(posix_ranges)
{
    int fd = fresh();
    SHOW("write_2_4", ok(lock(fd, F_SETLK, F_WRLCK, 2, 4)));
    SHOW("read_4", ok(lock(fd, F_SETLK, F_RDLCK, 4, 1)));
    SHOW("unlock_5", ok(lock(fd, F_SETLK, F_UNLCK, 5, 1)));
    for (int i = 1; i < 7; i++)
        say("%d=%s", i, held(i));
    SHOW("to_eof", ok(lock(fd, F_SETLK, F_WRLCK, 8, 0)));
    say("9=%s 1000=%s", held(9), held(1000));
    SHOW("negative_length", ok(lock(fd, F_SETLK, F_WRLCK, 8, -2)));
    say("6=%s 7=%s", held(6), held(7));
}

BEHAVIOUR(posix_conflict)
{
    int fd = fresh();
    CHECK(lock(fd, F_SETLK, F_RDLCK, 0, 0) == 0);
    pid_t pid = start();
    if (pid == 0) {
        SHOW("read", ok(lock(fd, F_SETLK, F_RDLCK, 0, 1)));
        SHOW("write", ok(lock(fd, F_SETLK, F_WRLCK, 0, 1)));
        _exit(0);
    }
    SHOW("child", reap(pid));
    SHOW("own_upgrade", ok(lock(fd, F_SETLK, F_WRLCK, 0, 1)));
}

BEHAVIOUR(posix_closing_any_drops)
{
    int fd = fresh();
    CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
    SHOW("held", held(0));
    close(MUST(open("f", O_RDONLY)));
    SHOW("closed_other", held(0));
}

BEHAVIOUR(posix_not_inherited)
{
    int fd = fresh();
    CHECK(lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
    pid_t pid = start();
    if (pid == 0) {
        SHOW("child_locks", ok(lock(fd, F_SETLK, F_WRLCK, 0, 1)));
        close(fd);      /* drops the child's locks, of which there are none */
        _exit(0);
    }
    SHOW("child", reap(pid));
    SHOW("parent_holds", held(0));
    pid = start();
    if (pid == 0) {
        lock(fd, F_SETLK, F_WRLCK, 5, 1);
        _exit(0);
    }
    reap(pid);
    SHOW("exit_releases", held(5));
}

BEHAVIOUR(posix_errors)
{
    fresh();
    int r = MUST(open("f", O_RDONLY)), w = MUST(open("f", O_WRONLY)), p[2];
    CHECK(pipe(p) == 0);
    SHOW("write_on_rdonly", ok(lock(r, F_SETLK, F_WRLCK, 0, 1)));
    SHOW("read_on_wronly", ok(lock(w, F_SETLK, F_RDLCK, 0, 1)));
    SHOW("type", ok(lock(r, F_SETLK, 77, 0, 1)));
    SHOW("negative", ok(lock(r, F_SETLK, F_RDLCK, -1, 1)));
    SHOW("before_start", ok(lock(r, F_SETLK, F_RDLCK, 2, -3)));
    SHOW("fault", ok(fcntl(r, F_SETLK, bad())));
    SHOW("bad_fd", ok(lock(999, F_SETLK, F_RDLCK, 0, 1)));
    SHOW("getlk_unlock", ok(lock(r, F_GETLK, F_UNLCK, 0, 1)));
    struct flock l = {.l_type = F_RDLCK, .l_whence = 9};
    SHOW("whence", ok(fcntl(r, F_SETLK, &l)));
}

BEHAVIOUR(posix_deadlock)
{
    int fd = fresh(), p[2];
    CHECK(pipe(p) == 0 && lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
    pid_t pid = start();
    if (pid == 0) {
        CHECK(lock(fd, F_SETLK, F_WRLCK, 1, 1) == 0);
        CHECK(write(p[1], "x", 1) == 1);
        _exit(lock(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 0 : errno);
    }
    char c;
    CHECK(read(p[0], &c, 1) == 1);
    /* Whoever closes the circle is told; the other one waits until then. */
    int mine = lock(fd, F_SETLKW, F_WRLCK, 1, 1) == 0 ? 0 : errno;
    CHECK(lock(fd, F_SETLK, F_UNLCK, 0, 0) == 0);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    int other = WEXITSTATUS(status);
    say("one_refused=%s", yes((mine == EDEADLK) != (other == EDEADLK) &&
                              (mine == 0) != (other == 0)));
}

BEHAVIOUR(waiting_is_interrupted)
{
    int fd = fresh(), p[2];
    CHECK(pipe(p) == 0 && lock(fd, F_SETLK, F_WRLCK, 0, 1) == 0);
    pid_t pid = start();
    if (pid == 0) {
        interrupt_every(10, guest_ignore, 0);
        SHOW("setlkw", ok(lock(fd, F_SETLKW, F_WRLCK, 0, 1)));
        _exit(0);
    }
    SHOW("child", reap(pid));
}

BEHAVIOUR(flock_waiting_is_interrupted)
{
    int a = fresh(), b = MUST(open("f", O_RDWR));
    CHECK(flock(a, LOCK_EX) == 0);
    interrupt_every(10, guest_ignore, 0);
    SHOW("flock", ok(flock(b, LOCK_EX)));
    interrupt_every(0, NULL, 0);
    SHOW("nonblock", ok(flock(b, LOCK_SH | LOCK_NB)));
}

BEHAVIOUR(lockf_call)
{
    int fd = fresh();
    CHECK(lseek(fd, 3, SEEK_SET) == 3);
    SHOW("lock", ok(lockf(fd, F_TLOCK, 2)));
    say("2=%s 3=%s 4=%s 5=%s", held(2), held(3), held(4), held(5));
    SHOW("unlock", ok(lockf(fd, F_ULOCK, 1)));
    say("3=%s 4=%s", held(3), held(4));
}
