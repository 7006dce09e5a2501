/* poll, ppoll, select, pselect. */
#include "guest.h"
#include <poll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>

static int p[2];

BEHAVIOUR(kinds_of_files)
{
    make_file("f", "");
    CHECK(pipe(p) == 0);
    struct pollfd all[] = {
        {MUST(open("f", O_RDWR)), POLLIN | POLLOUT, 0},
        {MUST(open(".", O_RDONLY)), POLLIN | POLLOUT, 0},
        {MUST(open("/dev/null", O_RDWR)), POLLIN | POLLOUT, 0},
        {MUST(open("/dev/zero", O_RDWR)), POLLIN | POLLOUT, 0},
        {p[0], POLLIN | POLLOUT, 0}, {p[1], POLLIN | POLLOUT, 0}, {999, POLLIN, 0},
        {-1, POLLIN, 0}, {-5, POLLIN, 0x55}, {MUST(open("f", O_PATH)), POLLIN, 0}};
    SHOW("count", ret(poll(all, COUNT(all), 0)));
    for (int i = 0; i < COUNT(all); i++)
        say("%#x", all[i].revents);
}

BEHAVIOUR(limits)
{
    struct rlimit r;
    CHECK(getrlimit(RLIMIT_NOFILE, &r) == 0);
    r.rlim_cur = 40;
    CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
    static struct pollfd many[41];
    for (int i = 0; i < 41; i++)
        many[i].fd = -1;
    SHOW("40", ret(poll(many, 40, 0)));
    SHOW("41", ret(poll(many, 41, 0)));
    SHOW("none", ret(poll(NULL, 0, 0)));
}

BEHAVIOUR(timeouts)
{
    CHECK(pipe(p) == 0);
    struct pollfd one = {p[0], POLLIN, 0};
    long long before = now_us(CLOCK_MONOTONIC);
    SHOW("poll", ret(poll(&one, 1, 20)));
    say("waited=%s", yes(now_us(CLOCK_MONOTONIC) - before >= 19000));
    struct timespec t = {0, 20000000};
    before = now_us(CLOCK_MONOTONIC);
    SHOW("ppoll", ret(ppoll(&one, 1, &t, NULL)));
    say("waited=%s", yes(now_us(CLOCK_MONOTONIC) - before >= 19000));
    t.tv_nsec = 1000000000;
    SHOW("nsec", ret(ppoll(&one, 1, &t, NULL)));
    t = (struct timespec){-1, 0};
    SHOW("negative", ret(ppoll(&one, 1, &t, NULL)));
}

BEHAVIOUR(woken)
{
    CHECK(pipe(p) == 0);
    struct pollfd one = {p[0], POLLIN, 0};
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        _exit(write(p[1], "x", 1) != 1);
    }
    SHOW("poll", ret(poll(&one, 1, -1)));
    say("revents=%#x child=%s", one.revents, reap(pid));
}

BEHAVIOUR(select_sets)
{
    fd_set r, w, x;
    CHECK(pipe(p) == 0 && write(p[1], "x", 1) == 1);
    FD_ZERO(&r);
    FD_ZERO(&w);
    FD_ZERO(&x);
    FD_SET(p[0], &r);
    FD_SET(p[1], &r);
    FD_SET(p[1], &w);
    FD_SET(p[0], &x);
    struct timeval t = {0, 0};
    SHOW("ready", ret(select(p[1] + 1, &r, &w, &x, &t)));
    say("r=%d,%d w=%d x=%d", !!FD_ISSET(p[0], &r), !!FD_ISSET(p[1], &r), !!FD_ISSET(p[1], &w),
        !!FD_ISSET(p[0], &x));
}

BEHAVIOUR(select_rules)
{
    fd_set r;
    FD_ZERO(&r);
    FD_SET(60, &r);
    struct timeval t = {0, 0};
    SHOW("bad_fd", ret(select(61, &r, NULL, NULL, &t)));
    FD_ZERO(&r);
    SHOW("negative", ret(select(-1, &r, NULL, NULL, &t)));
    FD_SET(60, &r);
    SHOW("beyond_count", ret(select(50, &r, NULL, NULL, &t)));
    t = (struct timeval){0, 30000};
    long long before = now_us(CLOCK_MONOTONIC);
    SHOW("sleep", ret(select(0, NULL, NULL, NULL, &t)));
    say("waited=%s left=%d", yes(now_us(CLOCK_MONOTONIC) - before >= 29000),
        (int)(t.tv_sec * 1000000 + t.tv_usec));
    t = (struct timeval){-1, 0};
    SHOW("negative_time", ret(select(0, NULL, NULL, NULL, &t)));
}

BEHAVIOUR(select_updates_timeout)
{
    CHECK(pipe(p) == 0);
    fd_set r;
    FD_ZERO(&r);
    FD_SET(p[0], &r);
    struct timeval t = {5, 0};
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(30);
        _exit(write(p[1], "x", 1) != 1);
    }
    SHOW("ready", ret(select(p[0] + 1, &r, NULL, NULL, &t)));
    say("left=%s", yes(t.tv_sec == 4 && t.tv_usec < 980000));
    reap(pid);
    struct timespec s = {5, 0};
    SHOW("pselect", ret(pselect(p[0] + 1, &r, NULL, NULL, &s, NULL)));
    say("untouched=%s", yes(s.tv_sec == 5));
}

static volatile sig_atomic_t count;

static void counts(int signo UNUSED)
{
    count++;
}

BEHAVIOUR(masks_are_swapped)
{
    sigset_t set, none, now;
    struct timespec t = {5, 0};
    signal(SIGUSR1, counts);
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    SHOW("ppoll", ret(ppoll(NULL, 0, &t, &none)));
    say("handled=%d", count);
    raise(SIGUSR1);
    SHOW("pselect", ret(pselect(0, NULL, NULL, NULL, &t, &none)));
    say("handled=%d", count);
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("mask_back=%s", yes(sigismember(&now, SIGUSR1)));
}

BEHAVIOUR(same_descriptor_twice)
{
    CHECK(pipe(p) == 0 && write(p[1], "x", 1) == 1);
    struct pollfd two[2] = {{p[0], POLLIN, 0}, {p[0], POLLIN, 0}};
    SHOW("count", ret(poll(two, 2, 0)));
}

BEHAVIOUR(closed_while_others_wait)
{
    /* A sleeping poll is woken by data of any of its descriptors. */
    int q[2];
    CHECK(pipe(p) == 0 && pipe(q) == 0);
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        close(q[0]);
        close(q[1]);
        _exit(0);
    }
    close(q[1]);
    struct pollfd two[2] = {{p[0], POLLIN, 0}, {q[0], POLLIN, 0}};
    SHOW("hangup_wakes", ret(poll(two, 2, 5000)));
    say("revents=%#x,%#x", two[0].revents, two[1].revents);
    reap(pid);
}
