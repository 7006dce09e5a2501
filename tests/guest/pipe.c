/* Pipes: capacity, atomicity, packets, ends that close. */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>

static int p[2];

static void make(int flags)
{
    CHECK(pipe2(p, flags) == 0);
}

static int held(void)
{
    int n = -1;
    CHECK(ioctl(p[0], FIONREAD, &n) == 0);
    return n;
}

BEHAVIOUR(basics)
{
    make(0);
    char text[8] = "";
    SHOW("write", ret(write(p[1], "abcdef", 6)));
    say("held=%d", held());
    SHOW("part", ret(read(p[0], text, 4)));
    SHOW("rest", ret(read(p[0], text + 4, 4)));
    SHOW("text", text);
    SHOW("wrong_way_read", ret(read(p[1], text, 1)));
    SHOW("wrong_way_write", ret(write(p[0], text, 1)));
    SHOW("zero", ret(write(p[1], text, 0)));
    say("held=%d", held());
}

BEHAVIOUR(flags)
{
    SHOW("unknown", ok(pipe2(p, 0x40)));
    make(O_CLOEXEC | O_NONBLOCK);
    say("cloexec=%d,%d nonblock=%s", fcntl(p[0], F_GETFD), fcntl(p[1], F_GETFD),
        yes(fcntl(p[0], F_GETFL) & fcntl(p[1], F_GETFL) & O_NONBLOCK));
    say("modes=%d,%d", fcntl(p[0], F_GETFL) & O_ACCMODE, fcntl(p[1], F_GETFL) & O_ACCMODE);
    SHOW("empty", ret(read(p[0], (char[1]){0}, 1)));
    struct stat st;
    CHECK(fstat(p[0], &st) == 0);
    say("fifo=%s size=%d", yes(S_ISFIFO(st.st_mode)), (int)st.st_size);
}

BEHAVIOUR(capacity)
{
    static char block[65536 + 1];
    make(O_NONBLOCK);
    SHOW("default", ret(fcntl(p[0], F_GETPIPE_SZ)));
    SHOW("fill", ret(write(p[1], block, sizeof block)));
    SHOW("full", ret(write(p[1], block, 1)));
    say("held=%d", held());
    SHOW("take_one", ret(read(p[0], block, 1)));
    SHOW("still_full", ret(write(p[1], block, 1)));     /* a page must be free */
    SHOW("take_page", ret(read(p[0], block, 4095)));
    SHOW("room", ret(write(p[1], block, 1)));
}

BEHAVIOUR(resize)
{
    static char block[65536];
    make(O_NONBLOCK);
    SHOW("one_page", ret(fcntl(p[1], F_SETPIPE_SZ, 1)));
    SHOW("get", ret(fcntl(p[0], F_GETPIPE_SZ)));
    SHOW("fill", ret(write(p[1], block, sizeof block)));
    SHOW("round_up", ret(fcntl(p[1], F_SETPIPE_SZ, 5000)));
    SHOW("grown", ret(write(p[1], block, sizeof block)));
    SHOW("too_small", ret(fcntl(p[1], F_SETPIPE_SZ, 4096)));
    SHOW("zero_is_page", ret((held(), CHECK(read(p[0], block, 8192) == 8192), fcntl(p[1], F_SETPIPE_SZ, 0))));
    SHOW("huge", ret(fcntl(p[1], F_SETPIPE_SZ, (1u << 31) + 1)));
    make_file("f", "");
    SHOW("file", ret(fcntl(MUST(open("f", O_RDWR)), F_GETPIPE_SZ)));
    drop_root();
    SHOW("over_the_limit", ret(fcntl(p[1], F_SETPIPE_SZ, 1 << 30)));
}

BEHAVIOUR(end_of_file)
{
    make(0);
    CHECK(write(p[1], "x", 1) == 1);
    int copy = dup(p[1]);
    close(p[1]);
    fcntl(p[0], F_SETFL, O_NONBLOCK);
    char c;
    SHOW("data", ret(read(p[0], &c, 1)));
    SHOW("copy_open", ret(read(p[0], &c, 1)));
    close(copy);
    SHOW("closed", ret(read(p[0], &c, 1)));
    struct pollfd one = {p[0], POLLIN, 0};
    SHOW("poll", ret(poll(&one, 1, 0)));
    say("hup=%s in=%s", yes(one.revents & POLLHUP), yes(one.revents & POLLIN));
}

static volatile sig_atomic_t broken;

static void notes(int signo)
{
    broken = signo;
}

BEHAVIOUR(broken_pipe)
{
    make(0);
    signal(SIGPIPE, notes);
    close(p[0]);
    SHOW("write", ret(write(p[1], "x", 1)));
    SHOW("signal", signame(broken));
    struct pollfd one = {p[1], POLLOUT, 0};
    SHOW("poll", ret(poll(&one, 1, 0)));
    say("err=%s", yes(one.revents & POLLERR));
    signal(SIGPIPE, SIG_IGN);
    SHOW("ignored", ret(write(p[1], "x", 1)));
    SHOW("zero", ret(write(p[1], "x", 0)));
    pid_t pid = start();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        _exit(write(p[1], "x", 1) == 1);
    }
    SHOW("default", reap(pid));
}

BEHAVIOUR(blocked_writer_gets_pipe_error)
{
    static char block[100000];
    make(0);
    pid_t pid = start();
    if (pid == 0) {
        close(p[0]);
        signal(SIGPIPE, SIG_IGN);
        ssize_t n = write(p[1], block, sizeof block);
        say("writer=%s", yes(n >= 65536 || (n == -1 && errno == EPIPE)));
        _exit(0);
    }
    close(p[1]);
    EVENTUALLY(held() == 65536);
    close(p[0]);
    SHOW("child", reap(pid));
}

BEHAVIOUR(blocking_read_and_write)
{
    static char block[100000];
    make(0);
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        _exit(write(p[1], "late", 4) != 4);
    }
    char text[8] = "";
    SHOW("read", ret(read(p[0], text, 8)));
    say("text=%s child=%s", text, reap(pid));
    pid = start();
    if (pid == 0) {
        size_t n = 0;
        ssize_t r;
        close(p[1]);
        sleep_ms(20);
        while ((r = read(p[0], block, 7777)) > 0)
            n += r;
        _exit(n == sizeof block ? 0 : 1);
    }
    SHOW("write", ret(write(p[1], block, sizeof block)));
    close(p[1]);
    SHOW("child", reap(pid));
}

BEHAVIOUR(small_writes_are_atomic)
{
    enum { N = 60, SIZE = 512 };
    make(0);
    pid_t pids[3];
    for (int w = 0; w < 3; w++) {
        pids[w] = start();
        if (pids[w] == 0) {
            char line[SIZE];
            memset(line, 'A' + w, SIZE);
            for (int i = 0; i < N; i++)
                CHECK(write(p[1], line, SIZE) == SIZE);
            _exit(0);
        }
    }
    close(p[1]);
    static char all[3 * N * SIZE];
    size_t have = 0;
    ssize_t n;
    while ((n = read(p[0], all + have, sizeof all - have)) > 0)
        have += n;
    int torn = 0;
    for (size_t at = 0; at < have; at += SIZE)
        for (int i = 1; i < SIZE; i++)
            torn += all[at + i] != all[at];
    say("bytes=%d torn=%d", (int)have, torn);
    for (int w = 0; w < 3; w++)
        reap(pids[w]);
}

BEHAVIOUR(nonblocking_atomicity)
{
    static char block[65536];
    make(O_NONBLOCK);
    CHECK(write(p[1], block, 65536 - 4096) == 65536 - 4096);
    /* At most PIPE_BUF: all or nothing.  More: as much as fits. */
    CHECK(write(p[1], block, 100) == 100);
    SHOW("4096", ret(write(p[1], block, 4096)));
    SHOW("8000", yes(write(p[1], block, 8000) > 0));
}

BEHAVIOUR(packets)
{
    char text[64] = "";
    make(O_DIRECT | O_NONBLOCK);
    CHECK(write(p[1], "one", 3) == 3 && write(p[1], "two22", 5) == 5);
    CHECK(write(p[1], "three", 5) == 5);
    SHOW("first", ret(read(p[0], text, 64)));
    SHOW("cut", ret(read(p[0], text, 3)));
    SHOW("rest_is_lost", ret(read(p[0], text, 64)));
    SHOW("empty", ret(read(p[0], text, 64)));
    say("flag=%s", yes(fcntl(p[1], F_GETFL) & O_DIRECT));
}

BEHAVIOUR(poll_states)
{
    static char block[65536];
    make(O_NONBLOCK);
    struct pollfd two[2] = {{p[0], POLLIN, 0}, {p[1], POLLOUT, 0}};
    poll(two, 2, 0);
    say("empty=%#x,%#x", two[0].revents, two[1].revents);
    CHECK(write(p[1], block, 65536) == 65536);
    poll(two, 2, 0);
    say("full=%#x,%#x", two[0].revents, two[1].revents);
    CHECK(read(p[0], block, 65536) == 65536);
    poll(two, 2, 0);
    say("drained=%#x,%#x", two[0].revents, two[1].revents);
}

BEHAVIOUR(reopened_through_proc)
{
    char path[40], text[8] = "";
    make(0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
    int writer = open(path, O_WRONLY);
    SHOW("open", ok(writer));
    SHOW("write", ret(write(writer, "proc", 4)));
    SHOW("read", ret(read(p[0], text, 8)));
    SHOW("text", text);
}

static volatile sig_atomic_t told;

static void tells(int signo)
{
    told = signo;
}

BEHAVIOUR(async_notice)
{
    make(0);
    signal(SIGIO, tells);
    CHECK(fcntl(p[0], F_SETOWN, getpid()) == 0);
    SHOW("setfl", ok(fcntl(p[0], F_SETFL, O_ASYNC)));
    CHECK(write(p[1], "x", 1) == 1);
    say("told=%s", yes(EVENTUALLY(told == SIGIO)));
}
