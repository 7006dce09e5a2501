/* Open file description locks: owned by the description, not the process. */
#include "guest.h"

static int lock(int fd, int command, int type, off_t start_at, off_t length)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET,
                      .l_start = start_at, .l_len = length};
    return fcntl(fd, command, &l);
}

static int fresh(void)
{
    make_file("f", "0123456789");
    return MUST(open("f", O_RDWR));
}

BEHAVIOUR(conflict_in_one_process)
{
    int a = fresh(), b = MUST(open("f", O_RDWR));
    SHOW("first", ok(lock(a, F_OFD_SETLK, F_WRLCK, 0, 4)));
    SHOW("second", ok(lock(b, F_OFD_SETLK, F_WRLCK, 3, 1)));
    SHOW("beside", ok(lock(b, F_OFD_SETLK, F_WRLCK, 4, 1)));
    SHOW("same_description", ok(lock(dup(a), F_OFD_SETLK, F_RDLCK, 0, 4)));
    SHOW("shared_now", ok(lock(b, F_OFD_SETLK, F_RDLCK, 0, 1)));
}

BEHAVIOUR(get)
{
    int a = fresh(), b = MUST(open("f", O_RDWR));
    CHECK(lock(a, F_OFD_SETLK, F_WRLCK, 2, 3) == 0);
    struct flock l = {.l_type = F_RDLCK, .l_start = 0, .l_len = 10};
    SHOW("getlk", ok(fcntl(b, F_OFD_GETLK, &l)));
    say("type=%s start=%d len=%d pid=%d", l.l_type == F_WRLCK ? "w" : "?",
        (int)l.l_start, (int)l.l_len, (int)l.l_pid);
    l = (struct flock){.l_type = F_RDLCK, .l_pid = 1};
    SHOW("pid_must_be_0", ok(fcntl(b, F_OFD_GETLK, &l)));
}

BEHAVIOUR(against_posix_locks)
{
    int a = fresh(), b = MUST(open("f", O_RDWR));
    SHOW("posix", ok(lock(a, F_SETLK, F_WRLCK, 0, 1)));
    SHOW("ofd_same_process", ok(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1)));
    SHOW("ofd_elsewhere", ok(lock(b, F_OFD_SETLK, F_WRLCK, 5, 1)));
    SHOW("posix_on_ofd", ok(lock(a, F_SETLK, F_WRLCK, 5, 1)));
}

BEHAVIOUR(survives_other_close)
{
    int a = fresh(), b = MUST(open("f", O_RDWR)), copy = dup(a);
    CHECK(lock(a, F_OFD_SETLK, F_WRLCK, 0, 1) == 0);
    close(MUST(open("f", O_RDONLY)));
    SHOW("after_other_close", ok(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1)));
    close(a);
    SHOW("copy_holds", ok(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1)));
    close(copy);
    SHOW("last_close", ok(lock(b, F_OFD_SETLK, F_WRLCK, 0, 1)));
}

BEHAVIOUR(shared_with_child)
{
    int a = fresh();
    CHECK(lock(a, F_OFD_SETLK, F_WRLCK, 0, 1) == 0);
    pid_t pid = start();
    if (pid == 0) {
        SHOW("same", ok(lock(a, F_OFD_SETLK, F_WRLCK, 0, 1)));
        SHOW("own", ok(lock(MUST(open("f", O_RDWR)), F_OFD_SETLK, F_WRLCK, 0, 1)));
        SHOW("unlock", ok(lock(a, F_OFD_SETLK, F_UNLCK, 0, 1)));
        _exit(0);
    }
    SHOW("child", reap(pid));
    SHOW("free", ok(lock(MUST(open("f", O_RDWR)), F_OFD_SETLK, F_WRLCK, 0, 1)));
}

BEHAVIOUR(waits)
{
    int a = fresh(), p[2];
    CHECK(pipe(p) == 0 && lock(a, F_OFD_SETLK, F_WRLCK, 0, 1) == 0);
    pid_t pid = start();
    if (pid == 0) {
        int b = MUST(open("f", O_RDWR));
        close(a);
        CHECK(lock(b, F_OFD_SETLKW, F_WRLCK, 0, 1) == 0);
        _exit(write(p[1], "got", 3) != 3);
    }
    sleep_ms(30);
    char text[8] = "";
    CHECK(write(p[1], "free", 4) == 4);
    close(a);
    CHECK(read(p[0], text, 4) == 4);
    SHOW("first", text);
    memset(text, 0, 8);
    CHECK(read(p[0], text, 4) == 3);
    say("second=%s child=%s", text, reap(pid));
}
