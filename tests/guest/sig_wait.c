/* Waiting for signals: sigsuspend, sigtimedwait, signalfd, pause. */
#include "guest.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

static volatile sig_atomic_t count;

static void counts(int signo UNUSED)
{
    count++;
}

static sigset_t only(int signo)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    return set;
}

static void block(int signo)
{
    sigset_t set = only(signo);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

BEHAVIOUR(pause_call)
{
    interrupt_every(10, counts, SA_RESTART);
    SHOW("pause", ok(pause()));     /* SA_RESTART does not matter */
    say("ran=%s", yes(count > 0));
    interrupt_every(0, NULL, 0);
}

BEHAVIOUR(sigsuspend_swaps_mask)
{
    signal(SIGUSR1, counts);
    block(SIGUSR1);
    raise(SIGUSR1);
    say("before=%d", count);
    sigset_t none, now;
    sigemptyset(&none);
    SHOW("suspend", ok(sigsuspend(&none)));
    say("after=%d", count);
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("mask_back=%s", yes(sigismember(&now, SIGUSR1)));
    SHOW("size", ok(syscall(SYS_rt_sigsuspend, &none, 4)));
    SHOW("fault", ok(syscall(SYS_rt_sigsuspend, bad(), 8)));
}

BEHAVIOUR(sigtimedwait_takes)
{
    sigset_t set = only(SIGUSR1), pending;
    siginfo_t info = {0};
    struct timespec zero = {0, 0}, some = {0, 20000000};
    signal(SIGUSR1, counts);
    block(SIGUSR1);
    SHOW("none_zero", ret(sigtimedwait(&set, &info, &zero)));
    long long before = now_us(CLOCK_MONOTONIC);
    SHOW("none_20ms", ret(sigtimedwait(&set, &info, &some)));
    say("waited=%s", yes(now_us(CLOCK_MONOTONIC) - before >= 20000));
    raise(SIGUSR1);
    SHOW("taken", signame(sigtimedwait(&set, &info, &zero)));
    say("code=%s pid=%s", info.si_code == SI_USER ? "USER" : "?", yes(info.si_pid == getpid()));
    sigpending(&pending);
    say("pending=%s handler=%d", yes(sigismember(&pending, SIGUSR1)), count);
    some.tv_nsec = 1000000000;
    SHOW("nsec", ret(sigtimedwait(&set, &info, &some)));
    SHOW("fault", ret(syscall(SYS_rt_sigtimedwait, bad(), NULL, NULL, 8)));
}

BEHAVIOUR(sigwaitinfo_blocks)
{
    sigset_t set = only(SIGUSR2);
    siginfo_t info;
    block(SIGUSR2);
    pid_t parent = getpid(), pid = start();
    if (pid == 0) {
        sleep_ms(20);
        kill(parent, SIGUSR2);
        _exit(0);
    }
    SHOW("got", signame(sigwaitinfo(&set, &info)));
    say("sender=%s", yes(info.si_pid == pid));
    SHOW("child", reap(pid));
}

BEHAVIOUR(sigtimedwait_interrupted)
{
    sigset_t set = only(SIGUSR2);
    struct timespec t = {5, 0};
    block(SIGUSR2);
    interrupt_every(10, counts, SA_RESTART);
    SHOW("other_signal", ret(sigtimedwait(&set, NULL, &t)));
    interrupt_every(0, NULL, 0);
}

BEHAVIOUR(sigwait_in_thread_wins)
{
    /* A process-wide signal that everybody blocks waits for the taker. */
    sigset_t set = only(SIGUSR1);
    int got = 0;
    block(SIGUSR1);
    kill(getpid(), SIGUSR1);
    SHOW("sigwait", code(sigwait(&set, &got)));
    SHOW("got", signame(got));
}

BEHAVIOUR(signalfd_reads)
{
    sigset_t set = only(SIGUSR1);
    block(SIGUSR1);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    SHOW("create", ok(fd));
    struct signalfd_siginfo info[3];
    SHOW("empty", ret(read(fd, info, sizeof info)));
    kill(getpid(), SIGUSR1);
    struct pollfd p = {fd, POLLIN, 0};
    say("poll=%d", poll(&p, 1, 0));
    say("read=%s", yes(read(fd, info, sizeof info) == sizeof info[0]));
    say("signo=%s code=%s pid=%s uid=%s", signame(info[0].ssi_signo),
        info[0].ssi_code == SI_USER ? "USER" : "?", yes((pid_t)info[0].ssi_pid == getpid()),
        yes(info[0].ssi_uid == getuid()));
    SHOW("taken", ret(read(fd, info, sizeof info)));
    say("poll=%d", poll(&p, 1, 0));
}

BEHAVIOUR(signalfd_queues)
{
    sigset_t set = only(SIGRTMIN);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = MUST(signalfd(-1, &set, SFD_NONBLOCK));
    for (int i = 1; i <= 3; i++)
        sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i});
    raise(SIGUSR1);
    struct signalfd_siginfo info[8];
    ssize_t n = read(fd, info, sizeof info);
    say("count=%d", (int)(n / (ssize_t)sizeof info[0]));
    for (int i = 0; i < n / (ssize_t)sizeof info[0]; i++)
        say("%s:%d", signame(info[i].ssi_signo), info[i].ssi_int);
}

BEHAVIOUR(signalfd_changes_and_errors)
{
    sigset_t one = only(SIGUSR1), two = only(SIGUSR2);
    block(SIGUSR1);
    block(SIGUSR2);
    int fd = MUST(signalfd(-1, &one, SFD_NONBLOCK));
    struct signalfd_siginfo info;
    raise(SIGUSR2);
    SHOW("other", ret(read(fd, &info, sizeof info)));
    SHOW("change", yes(signalfd(fd, &two, 0) == fd));
    SHOW("now", yes(read(fd, &info, sizeof info) == sizeof info));
    SHOW("small", ret(read(fd, &info, 20)));
    SHOW("flags", ok(signalfd(-1, &one, 0x100)));
    SHOW("not_signalfd", ok(signalfd(0, &one, 0)));
    SHOW("bad_fd", ok(signalfd(999, &one, 0)));
    SHOW("size", ok(syscall(SYS_signalfd4, -1, &one, 4, 0)));
    SHOW("write", ret(write(fd, "x", 1)));
}

BEHAVIOUR(signalfd_blocking_and_epoll)
{
    sigset_t set = only(SIGUSR1);
    block(SIGUSR1);
    int fd = MUST(signalfd(-1, &set, 0)), ep = MUST(epoll_create1(0));
    struct epoll_event e = {.events = EPOLLIN};
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
    pid_t parent = getpid(), pid = start();
    if (pid == 0) {
        sleep_ms(20);
        kill(parent, SIGUSR1);
        sleep_ms(20);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    SHOW("epoll", ret(epoll_wait(ep, &e, 1, 5000)));
    struct signalfd_siginfo info;
    say("read=%s", yes(read(fd, &info, sizeof info) == sizeof info));
    say("blocking=%s", yes(read(fd, &info, sizeof info) == sizeof info));
    SHOW("child", reap(pid));
}

BEHAVIOUR(signalfd_reader_sees_own)
{
    /* It is the reader's pending set that counts, not the creator's. */
    sigset_t set = only(SIGUSR1);
    block(SIGUSR1);
    int fd = MUST(signalfd(-1, &set, SFD_NONBLOCK));
    raise(SIGUSR1);
    pid_t pid = start();
    if (pid == 0) {
        struct signalfd_siginfo info;
        SHOW("child", ret(read(fd, &info, sizeof info)));
        _exit(0);
    }
    reap(pid);
    struct signalfd_siginfo info;
    say("parent=%s", yes(read(fd, &info, sizeof info) == sizeof info));
}

static volatile int taken;

static void *takes(void *unused UNUSED)
{
    sigset_t set = only(SIGUSR1);
    int got = 0;
    sigwait(&set, &got);
    taken = got;
    return NULL;
}

BEHAVIOUR(thread_sigwait)
{
    pthread_t thread;
    block(SIGUSR1);
    CHECK(pthread_create(&thread, NULL, takes, NULL) == 0);
    sleep_ms(10);
    kill(getpid(), SIGUSR1);
    pthread_join(thread, NULL);
    SHOW("taken", signame(taken));
}
