/* timerfd and eventfd. */
#include "guest.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

static void arm(int fd, long first_ms, long every_ms)
{
    struct itimerspec t = {{every_ms / 1000, every_ms % 1000 * 1000000},
                           {first_ms / 1000, first_ms % 1000 * 1000000}};
    CHECK(timerfd_settime(fd, 0, &t, NULL) == 0);
}

BEHAVIOUR(timer_once)
{
    int fd = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
    uint64_t n = 0;
    long long before = now_us(CLOCK_MONOTONIC);
    arm(fd, 20, 0);
    SHOW("read", ret(read(fd, &n, 8)));
    say("expirations=%d waited=%s", (int)n, yes(now_us(CLOCK_MONOTONIC) - before >= 20000));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    SHOW("again", ret(read(fd, &n, 8)));
}

BEHAVIOUR(timer_repeats)
{
    int fd = MUST(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
    uint64_t n = 0;
    arm(fd, 5, 5);
    SHOW("early", ret(read(MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), &n, 8)));
    sleep_ms(40);
    SHOW("read", ret(read(fd, &n, 8)));
    say("several=%s", yes(n >= 4));
    struct itimerspec t;
    CHECK(timerfd_gettime(fd, &t) == 0);
    say("interval=%ld cloexec=%d", (long)t.it_interval.tv_nsec, fcntl(fd, F_GETFD));
}

BEHAVIOUR(timer_poll)
{
    int fd = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    SHOW("unarmed", ret(poll(&p, 1, 0)));
    arm(fd, 10, 0);
    SHOW("armed", ret(poll(&p, 1, 5000)));
    say("events=%s", p.revents == POLLIN ? "IN" : "?");
    arm(fd, 1000, 0);
    SHOW("rearmed", ret(poll(&p, 1, 0)));
    arm(fd, 0, 0);
    struct itimerspec t;
    CHECK(timerfd_gettime(fd, &t) == 0);
    say("disarmed=%s", yes(t.it_value.tv_sec == 0 && t.it_value.tv_nsec == 0));
}

BEHAVIOUR(timer_absolute)
{
    int fd = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
    struct itimerspec t = {{0, 0}, {0, 0}}, old;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t.it_value) == 0);
    t.it_value.tv_sec--;
    SHOW("past", ok(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL)));
    uint64_t n;
    SHOW("read", ret(read(fd, &n, 8)));
    t.it_value.tv_sec += 101;
    SHOW("future", ok(timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, &old)));
    CHECK(timerfd_gettime(fd, &t) == 0);
    say("left=%s", yes(t.it_value.tv_sec == 99 || t.it_value.tv_sec == 98));
}

BEHAVIOUR(timer_errors)
{
    int fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
    struct itimerspec t = {{0, 0}, {0, 1000000000}};
    uint64_t n;
    SHOW("clock", ok(timerfd_create(99, 0)));
    SHOW("cpu_clock", ok(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0)));
    SHOW("flags", ok(timerfd_create(CLOCK_MONOTONIC, 0x40)));
    SHOW("nsec", ok(timerfd_settime(fd, 0, &t, NULL)));
    t.it_value.tv_nsec = 1;
    SHOW("set_flags", ok(timerfd_settime(fd, 0x40, &t, NULL)));
    SHOW("not_timer", ok(timerfd_settime(0, 0, &t, NULL)));
    SHOW("bad_fd", ok(timerfd_gettime(999, &t)));
    SHOW("fault", ok(syscall(SYS_timerfd_settime, fd, 0, bad(), NULL)));
    SHOW("small_read", ret(read(fd, &n, 4)));
    SHOW("write", ret(write(fd, &n, 8)));
}

BEHAVIOUR(timer_shared_by_fork)
{
    int fd = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
    pid_t pid = start();
    if (pid == 0) {
        arm(fd, 5, 0);
        _exit(0);
    }
    SHOW("child", reap(pid));
    uint64_t n;
    SHOW("read", ret(read(fd, &n, 8)));
}

BEHAVIOUR(event_counts)
{
    int fd = MUST(eventfd(3, EFD_NONBLOCK));
    uint64_t n = 4;
    SHOW("write", ret(write(fd, &n, 8)));
    SHOW("read", ret(read(fd, &n, 8)));
    say("sum=%d", (int)n);
    SHOW("empty", ret(read(fd, &n, 8)));
    n = 0;
    SHOW("write_0", ret(write(fd, &n, 8)));
    SHOW("still_empty", ret(read(fd, &n, 8)));
}

BEHAVIOUR(event_semaphore)
{
    int fd = MUST(eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE));
    uint64_t n = 0;
    for (int i = 0; i < 3; i++) {
        ssize_t r = read(fd, &n, 8);
        say("%s:%d", ret(r), (int)n);
    }
}

BEHAVIOUR(event_limits)
{
    int fd = MUST(eventfd(0, EFD_NONBLOCK));
    uint64_t n = 0xfffffffffffffffeull;
    SHOW("max", ret(write(fd, &n, 8)));
    n = 1;
    SHOW("one_more", ret(write(fd, &n, 8)));
    n = ~0ull;
    SHOW("all_ones", ret(write(fd, &n, 8)));
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    say("full=%s", p.revents == POLLIN ? "IN" : "?");
    CHECK(read(fd, &n, 8) == 8);
    poll(&p, 1, 0);
    say("empty=%s", p.revents == POLLOUT ? "OUT" : "?");
    SHOW("small_read", ret(read(fd, &n, 4)));
    SHOW("small_write", ret(write(fd, &n, 7)));
    SHOW("large_read", (n = 5, CHECK(write(fd, &n, 8) == 8), ret(read(fd, (char[16]){0}, 16))));
    SHOW("flags", ok(eventfd(0, 0x40)));
    SHOW("fault", ret(write(fd, bad(), 8)));
}

BEHAVIOUR(event_blocks)
{
    int fd = MUST(eventfd(0, 0));
    uint64_t n = 0;
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        n = 42;
        _exit(write(fd, &n, 8) != 8);
    }
    SHOW("read", ret(read(fd, &n, 8)));
    say("value=%d child=%s", (int)n, reap(pid));
    n = 0xfffffffffffffffeull;
    CHECK(write(fd, &n, 8) == 8);
    pid = start();
    if (pid == 0) {
        sleep_ms(20);
        _exit(read(fd, &n, 8) != 8);
    }
    n = 7;
    SHOW("write_waits", ret(write(fd, &n, 8)));
    CHECK(read(fd, &n, 8) == 8);
    say("value=%d child=%s", (int)n, reap(pid));
}
