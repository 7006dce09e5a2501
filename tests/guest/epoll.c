/* epoll: level, edge, one-shot, nesting and all the errors. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static int ep, p[2];

static void make(void)
{
    ep = MUST(epoll_create1(0));
    CHECK(pipe2(p, O_NONBLOCK) == 0);
}

static int ctl(int op, int fd, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.u64 = 0x1234567890ull + fd};
    return epoll_ctl(ep, op, fd, &e);
}

/* How many events are there now, and the first one's. */
static const char *ready(void)
{
    struct epoll_event e[8];
    char *text = guest_scrap();
    int n = epoll_wait(ep, e, 8, 0);
    if (n <= 0)
        return ret(n);
    snprintf(text, 64, "%d:%#x", n, e[0].events);
    return text;
}

BEHAVIOUR(level)
{
    make();
    SHOW("add", ok(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN)));
    SHOW("empty", ready());
    CHECK(write(p[1], "ab", 2) == 2);
    SHOW("data", ready());
    SHOW("again", ready());
    CHECK(read(p[0], (char[1]){0}, 1) == 1);
    SHOW("one_left", ready());
    CHECK(read(p[0], (char[1]){0}, 1) == 1);
    SHOW("drained", ready());
    close(p[1]);
    SHOW("hangup", ready());
}

BEHAVIOUR(edge)
{
    make();
    CHECK(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET) == 0);
    CHECK(write(p[1], "a", 1) == 1);
    SHOW("first", ready());
    SHOW("no_news", ready());
    CHECK(write(p[1], "b", 1) == 1);
    SHOW("more_data", ready());
    SHOW("mod_rearms", (ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET), ready()));
}

BEHAVIOUR(one_shot)
{
    make();
    CHECK(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLONESHOT) == 0);
    CHECK(write(p[1], "a", 1) == 1);
    SHOW("first", ready());
    SHOW("off", ready());
    CHECK(write(p[1], "a", 1) == 1);
    SHOW("still_off", ready());
    SHOW("mod", ok(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT)));
    SHOW("on", ready());
}

BEHAVIOUR(errors)
{
    make();
    make_file("f", "");
    int file = MUST(open("f", O_RDWR));
    SHOW("size_0", ok(epoll_create(0)));
    SHOW("flags", ok(epoll_create1(0x40)));
    SHOW("add", ok(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN)));
    SHOW("twice", ok(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN)));
    SHOW("mod_missing", ok(ctl(EPOLL_CTL_MOD, p[1], EPOLLIN)));
    SHOW("del_missing", ok(ctl(EPOLL_CTL_DEL, p[1], 0)));
    SHOW("itself", ok(ctl(EPOLL_CTL_ADD, ep, EPOLLIN)));
    SHOW("file", ok(ctl(EPOLL_CTL_ADD, file, EPOLLIN)));
    SHOW("dir", ok(ctl(EPOLL_CTL_ADD, MUST(open(".", O_RDONLY)), EPOLLIN)));
    SHOW("bad_fd", ok(ctl(EPOLL_CTL_ADD, 999, EPOLLIN)));
    SHOW("operation", ok(ctl(77, p[1], EPOLLIN)));
    SHOW("not_epoll", ok(epoll_ctl(p[0], EPOLL_CTL_DEL, p[1], NULL)));
    struct epoll_event e;
    SHOW("max_0", ret(epoll_wait(ep, &e, 0, 0)));
    SHOW("max_negative", ret(epoll_wait(ep, &e, -1, 0)));
    SHOW("wait_on_pipe", ret(epoll_wait(p[0], &e, 1, 0)));
    SHOW("wait_bad_fd", ret(epoll_wait(999, &e, 1, 0)));
    SHOW("read", ret(read(ep, &e, 1)));
}

BEHAVIOUR(user_data)
{
    make();
    struct epoll_event e = {.events = EPOLLOUT, .data.u64 = 0xfedcba9876543210ull}, got[2];
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &e) == 0);
    CHECK(epoll_wait(ep, got, 2, 0) == 1);
    say("same=%s", yes(got[0].data.u64 == e.data.u64));
    e.data.u64 = 7;
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &e) == 0 && epoll_wait(ep, got, 2, 0) == 1);
    say("changed=%d", (int)got[0].data.u64);
}

BEHAVIOUR(several_descriptors)
{
    make();
    int q[2], events = MUST(eventfd(1, 0));
    CHECK(pipe(q) == 0);
    ctl(EPOLL_CTL_ADD, p[0], EPOLLIN);
    ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT);
    ctl(EPOLL_CTL_ADD, q[0], EPOLLIN);
    ctl(EPOLL_CTL_ADD, events, EPOLLIN | EPOLLOUT);
    struct epoll_event e[8];
    SHOW("ready", ret(epoll_wait(ep, e, 8, 0)));
    SHOW("limited", ret(epoll_wait(ep, e, 1, 0)));
    /* With room for one, each gets its turn. */
    uint64_t first = e[0].data.u64;
    CHECK(epoll_wait(ep, e, 1, 0) == 1);
    say("fair=%s", yes(e[0].data.u64 != first));
}

BEHAVIOUR(closing_removes)
{
    make();
    int copy = dup(p[0]);
    CHECK(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN) == 0 && write(p[1], "x", 1) == 1);
    close(p[0]);
    SHOW("copy_keeps_it", ready());     /* the description is what is watched */
    close(copy);
    SHOW("last_close", ready());
}

BEHAVIOUR(same_file_two_numbers)
{
    make();
    int copy = dup(p[0]);
    SHOW("first", ok(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN)));
    SHOW("dup", ok(ctl(EPOLL_CTL_ADD, copy, EPOLLIN)));
    CHECK(write(p[1], "x", 1) == 1);
    struct epoll_event e[4];
    SHOW("events", ret(epoll_wait(ep, e, 4, 0)));
}

BEHAVIOUR(nested)
{
    make();
    int outer = MUST(epoll_create1(0));
    CHECK(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN) == 0);
    struct epoll_event e = {.events = EPOLLIN};
    SHOW("add", ok(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &e)));
    SHOW("quiet", ret(epoll_wait(outer, &e, 1, 0)));
    CHECK(write(p[1], "x", 1) == 1);
    SHOW("inner_ready", ret(epoll_wait(outer, &e, 1, 0)));
    struct pollfd one = {outer, POLLIN, 0};
    SHOW("poll", ret(poll(&one, 1, 0)));
    SHOW("loop", ok(ctl(EPOLL_CTL_ADD, outer, EPOLLIN)));
}

BEHAVIOUR(nesting_depth)
{
    int last = MUST(epoll_create1(0)), depth = 0;
    for (; depth < 20; depth++) {
        int next = MUST(epoll_create1(0));
        struct epoll_event e = {.events = EPOLLIN};
        if (epoll_ctl(next, EPOLL_CTL_ADD, last, &e) == -1)
            break;
        last = next;
    }
    say("depth=%d %s", depth, errname(errno));
}

BEHAVIOUR(waiting)
{
    make();
    CHECK(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN) == 0);
    struct epoll_event e;
    long long before = now_us(CLOCK_MONOTONIC);
    SHOW("timeout", ret(epoll_wait(ep, &e, 1, 20)));
    say("waited=%s", yes(now_us(CLOCK_MONOTONIC) - before >= 19000));
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        _exit(write(p[1], "x", 1) != 1);
    }
    SHOW("woken", ret(epoll_wait(ep, &e, 1, -1)));
    SHOW("child", reap(pid));
}

BEHAVIOUR(added_while_waiting)
{
    make();
    pid_t pid = start();    /* the epoll instance is shared with the child */
    if (pid == 0) {
        sleep_ms(20);
        _exit(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT));
    }
    struct epoll_event e;
    SHOW("woken", ret(epoll_wait(ep, &e, 1, 5000)));
    SHOW("child", reap(pid));
}

static volatile sig_atomic_t count;

static void counts(int signo UNUSED)
{
    count++;
}

BEHAVIOUR(pwait_mask)
{
    make();
    sigset_t set, none;
    struct epoll_event e;
    signal(SIGUSR1, counts);
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    SHOW("pending_interrupts", ret(epoll_pwait(ep, &e, 1, 5000, &none)));
    say("handled=%d", count);
    sigprocmask(SIG_SETMASK, NULL, &set);
    say("mask_back=%s", yes(sigismember(&set, SIGUSR1)));
    SHOW("size", ret(syscall(SYS_epoll_pwait, ep, &e, 1, 0, &none, 4)));
}

BEHAVIOUR(socket_shutdown_events)
{
    int s[2];
    ep = MUST(epoll_create1(0));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(ctl(EPOLL_CTL_ADD, s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP) == 0);
    SHOW("open", ready());
    CHECK(shutdown(s[1], SHUT_WR) == 0);
    SHOW("peer_shut", ready());
    close(s[1]);
    SHOW("peer_closed", ready());
}

BEHAVIOUR(exclusive)
{
    make();
    SHOW("add", ok(ctl(EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLEXCLUSIVE)));
    SHOW("mod", ok(ctl(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLEXCLUSIVE)));
    SHOW("with_oneshot", ok(ctl(EPOLL_CTL_ADD, p[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT)));
    CHECK(write(p[1], "x", 1) == 1);
    SHOW("works", ready());
}
