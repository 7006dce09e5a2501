/* eventfd and signalfd. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>

static uint64_t number;

static const char *take(int fd)
{
    return read(fd, &number, 8) == 8 ? ret(number) : errname(errno);
}

static const char *give(int fd, uint64_t value)
{
    return ret(write(fd, &value, 8));
}

static int ready(int fd)
{
    struct pollfd one = {fd, POLLIN | POLLOUT, 0};
    poll(&one, 1, 0);
    return one.revents;
}

BEHAVIOUR(counter)
{
    int fd = MUST(eventfd(3, EFD_NONBLOCK));
    SHOW("first", take(fd));
    SHOW("empty", take(fd));
    say("poll=%#x", ready(fd));
    SHOW("add", give(fd, 5));
    SHOW("add", give(fd, 6));
    say("poll=%#x", ready(fd));
    SHOW("sum", take(fd));
}

BEHAVIOUR(semaphore)
{
    int fd = MUST(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
    SHOW("one", take(fd));
    SHOW("two", take(fd));
    SHOW("three", take(fd));
}

BEHAVIOUR(overflow)
{
    int fd = MUST(eventfd(0, EFD_NONBLOCK));
    SHOW("most", give(fd, 0xfffffffffffffffe));
    say("poll=%#x", ready(fd));
    SHOW("more", give(fd, 1));
    SHOW("zero", give(fd, 0));
    SHOW("forbidden", give(fd, 0xffffffffffffffff));
    SHOW("all", (take(fd), number == 0xfffffffffffffffe ? "yes" : "no"));
    SHOW("again", give(fd, 1));
}

BEHAVIOUR(eventfd_errors)
{
    int fd = MUST(eventfd(1, EFD_CLOEXEC));
    char small[7];
    say("cloexec=%d", fcntl(fd, F_GETFD));
    SHOW("short_read", ret(read(fd, small, 7)));
    SHOW("short_write", ret(write(fd, small, 7)));
    SHOW("flags", ret(eventfd(0, 2)));
    SHOW("lseek", ret(lseek(fd, 0, SEEK_SET)));
    SHOW("fault", ret(read(fd, bad(), 8)));
    SHOW("truncate", ok(ftruncate(fd, 0)));
}

BEHAVIOUR(writer_waits_for_a_reader)
{
    int fd = MUST(eventfd(0xfffffffe, 0));
    CHECK(*give(fd, 0xfffffffffffffffe - 0xfffffffe) == '8');
    pid_t child = start();
    if (child == 0) {
        give(fd, 7);
        _exit(0);
    }
    sleep_ms(20);
    SHOW("still_there", ret(waitpid(child, NULL, WNOHANG)));
    take(fd);
    SHOW("child", reap(child));
    SHOW("value", take(fd));
}

BEHAVIOUR(shared_after_fork)
{
    int fd = MUST(eventfd(0, 0));
    pid_t child = start();
    if (child == 0) {
        sleep_ms(20);
        give(fd, 9);
        _exit(0);
    }
    SHOW("woken", take(fd));
    SHOW("child", reap(child));
}

/* ---- signalfd ---------------------------------------------------------- */

static struct signalfd_siginfo seen[4];

static int block(int signo, int flags)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    return MUST(signalfd(-1, &set, flags));
}

BEHAVIOUR(signal_read)
{
    int fd = block(SIGUSR1, SFD_NONBLOCK);
    SHOW("none", ret(read(fd, seen, sizeof seen)));
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    say("poll=%#x", ready(fd));
    SHOW("read", ret(read(fd, seen, sizeof seen)));
    say("signo=%s code=%d", signame(seen[0].ssi_signo), seen[0].ssi_code);
    SHOW("self", yes(seen[0].ssi_pid == (unsigned)getpid() && seen[0].ssi_uid == getuid()));
    SHOW("gone", ret(read(fd, seen, sizeof seen)));
}

BEHAVIOUR(signal_values)
{
    int fd = block(SIGRTMIN + 1, 0);
    for (int i = 1; i < 4; i++)
        CHECK(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = -i}) == 0);
    SHOW("room_for_two", yes(read(fd, seen, 2 * sizeof *seen) == 2 * sizeof *seen));
    say("%d %d code=%d", seen[0].ssi_int, seen[1].ssi_int, seen[0].ssi_code);
    SHOW("last", yes(read(fd, seen, sizeof seen) == sizeof *seen));
    say("%d", seen[0].ssi_int);
}

BEHAVIOUR(signal_child)
{
    int fd = block(SIGCHLD, 0);
    pid_t child = start();
    if (child == 0)
        _exit(5);
    SHOW("read", yes(read(fd, seen, sizeof seen) == sizeof *seen));
    say("code=%d status=%d", seen[0].ssi_code, seen[0].ssi_status);
    SHOW("child", yes(seen[0].ssi_pid == (unsigned)child));
    SHOW("reaped", reap(child));
}

BEHAVIOUR(signal_in_epoll)
{
    int fd = block(SIGUSR2, SFD_NONBLOCK), ep = MUST(epoll_create1(0));
    struct epoll_event e = {EPOLLIN, {.u32 = 7}};
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
    SHOW("quiet", ret(epoll_wait(ep, &e, 1, 0)));
    pid_t child = start();
    if (child == 0) {
        sleep_ms(20);
        kill(getppid(), SIGUSR2);
        _exit(0);
    }
    SHOW("woken", ret(epoll_wait(ep, &e, 1, 5000)));
    SHOW("read", yes(read(fd, seen, sizeof seen) == sizeof *seen));
    SHOW("quiet", ret(epoll_wait(ep, &e, 1, 0)));
    reap(child);
}

BEHAVIOUR(signal_mask_changes)
{
    sigset_t set;
    int fd = block(SIGUSR1, SFD_NONBLOCK);
    kill(getpid(), SIGUSR1);
    sigemptyset(&set);
    SHOW("change", yes(signalfd(fd, &set, 0) == fd));
    SHOW("not_asked_for", ret(read(fd, seen, sizeof seen)));
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGKILL);
    CHECK(signalfd(fd, &set, 0) == fd);
    SHOW("asked_for", yes(read(fd, seen, sizeof seen) == sizeof *seen));
    SHOW("other_file", ret(signalfd(1, &set, 0)));
    SHOW("closed", ret(signalfd(99, &set, 0)));
    SHOW("flags", ret(signalfd(-1, &set, 1)));
    SHOW("small", ret(read(fd, seen, sizeof *seen - 1)));
    SHOW("write", ret(write(fd, seen, sizeof *seen)));
}

