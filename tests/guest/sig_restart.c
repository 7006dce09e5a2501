/* Interrupted calls: which are restarted, which give EINTR, what is left. */
#include "guest.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

static volatile sig_atomic_t ticks;
static int feed = -1;

static void counts(int signo UNUSED)
{
    ticks++;
}

/* The third tick lets a restarted read end. */
static void feeds(int signo UNUSED)
{
    if (++ticks == 3 && write(feed, "x", 1) != 1)
        _exit(96);
}

BEHAVIOUR(read_pipe)
{
    int p[2];
    char c;
    CHECK(pipe(p) == 0);
    interrupt_every(10, counts, 0);
    SHOW("plain", ret(read(p[0], &c, 1)));
    feed = p[1];
    ticks = 0;
    interrupt_every(10, feeds, SA_RESTART);
    SHOW("restart", ret(read(p[0], &c, 1)));
    say("ticks=%s", yes(ticks >= 3));
    interrupt_every(0, NULL, 0);
}

BEHAVIOUR(write_pipe)
{
    static char block[1 << 17];
    int p[2];
    CHECK(pipe(p) == 0);
    interrupt_every(10, counts, SA_RESTART);
    ssize_t n = write(p[1], block, sizeof block);
    say("partial=%s", yes(n > 0 && n < (ssize_t)sizeof block));
    interrupt_every(10, counts, 0);
    SHOW("full", ret(write(p[1], block, 1)));
    interrupt_every(0, NULL, 0);
}

BEHAVIOUR(socket_calls)
{
    int s[2];
    char c;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    interrupt_every(10, counts, 0);
    SHOW("recv", ret(recv(s[0], &c, 1, 0)));
    feed = s[1];
    ticks = 0;
    interrupt_every(10, feeds, SA_RESTART);
    SHOW("restart", ret(recv(s[0], &c, 1, 0)));
    struct timeval t = {0, 500000};
    CHECK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    SHOW("with_timeout", ret(recv(s[0], &c, 1, 0)));    /* never restarted */
    interrupt_every(0, NULL, 0);
}

BEHAVIOUR(nanosleep_remaining)
{
    struct timespec t = {5, 0}, left = {0, 0};
    interrupt_every(20, counts, SA_RESTART);
    SHOW("nanosleep", ok(nanosleep(&t, &left)));
    say("left=%s", yes(left.tv_sec == 4 && left.tv_nsec > 0));
    left = (struct timespec){0, 0};
    SHOW("clock", code(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &left)));
    say("left=%s", yes(left.tv_sec == 4));
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += 5;
    left = (struct timespec){77, 0};
    SHOW("absolute", code(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, &left)));
    say("untouched=%s", yes(left.tv_sec == 77));
    interrupt_every(0, NULL, 0);
}

BEHAVIOUR(poll_family)
{
    int p[2];
    CHECK(pipe(p) == 0);
    struct pollfd one = {p[0], POLLIN, 0};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(p[0], &set);
    int ep = MUST(epoll_create1(0));
    struct epoll_event e = {.events = EPOLLIN};
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e) == 0);
    interrupt_every(10, counts, SA_RESTART);
    SHOW("poll", ret(poll(&one, 1, 5000)));
    SHOW("poll_forever", ret(poll(&one, 1, -1)));
    struct timespec t = {5, 0};
    SHOW("ppoll", ret(ppoll(&one, 1, &t, NULL)));
    SHOW("select", ret(select(p[0] + 1, &set, NULL, NULL, NULL)));
    say("set_kept=%s", yes(FD_ISSET(p[0], &set)));
    SHOW("pselect", ret(pselect(p[0] + 1, &set, NULL, NULL, &t, NULL)));
    SHOW("epoll", ret(epoll_wait(ep, &e, 1, 5000)));
    interrupt_every(0, NULL, 0);
}

BEHAVIOUR(ignored_signals_do_not_interrupt)
{
    int p[2];
    char c;
    CHECK(pipe(p) == 0);
    signal(SIGUSR1, SIG_IGN);
    pid_t parent = getpid(), pid = start();
    if (pid == 0) {
        for (int i = 0; i < 5; i++) {
            sleep_ms(4);
            kill(parent, SIGUSR1);
            kill(parent, SIGWINCH);
            kill(parent, SIGCONT);
        }
        _exit(write(p[1], "x", 1) != 1);
    }
    SHOW("read", ret(read(p[0], &c, 1)));
    SHOW("child", reap(pid));
}

BEHAVIOUR(stop_and_continue_resumes)
{
    /* A stopped and continued process goes on waiting, without a handler. */
    int p[2], done[2];
    char c = '?';
    CHECK(pipe(p) == 0 && pipe(done) == 0);
    pid_t pid = start();
    if (pid == 0) {
        struct timespec t = {0, 60000000};
        long long before = now_us(CLOCK_MONOTONIC);
        int slept = nanosleep(&t, NULL);
        int full = now_us(CLOCK_MONOTONIC) - before >= 60000;
        ssize_t n = read(p[0], &c, 1);
        say("sleep=%s full=%s read=%s", ok(slept), yes(full), ret(n));
        _exit(0);
    }
    int status;
    sleep_ms(15);
    kill(pid, SIGSTOP);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    kill(pid, SIGCONT);
    sleep_ms(80);
    kill(pid, SIGSTOP);
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    kill(pid, SIGCONT);
    CHECK(write(p[1], "x", 1) == 1);
    SHOW("child", reap(pid));
}

BEHAVIOUR(open_fifo)
{
    CHECK(mkfifo("p", 0644) == 0);
    interrupt_every(10, counts, 0);
    SHOW("open", try_open("p", O_RDONLY));
    interrupt_every(0, NULL, 0);
    pid_t pid = start();
    if (pid == 0) {
        interrupt_every(10, counts, SA_RESTART);
        _exit(open("p", O_RDONLY) == -1);
    }
    sleep_ms(40);
    int fd = open("p", O_WRONLY);
    SHOW("restarted", ok(fd));
    SHOW("child", reap(pid));
}

BEHAVIOUR(accept_and_connect)
{
    int s = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK(bind(s, &(struct sockaddr){AF_UNIX, ""}, sizeof(sa_family_t)) == 0);
    CHECK(listen(s, 1) == 0);
    interrupt_every(10, counts, 0);
    SHOW("accept", ret(accept(s, NULL, NULL)));
    interrupt_every(0, NULL, 0);
}

BEHAVIOUR(two_different_flags)
{
    /* The handler that runs decides, not the call. */
    int p[2];
    char c;
    CHECK(pipe(p) == 0);
    signal(SIGUSR1, counts);                        /* SA_RESTART by BSD rules */
    pid_t parent = getpid(), pid = start();
    if (pid == 0) {
        sleep_ms(20);
        kill(parent, SIGUSR1);
        sleep_ms(20);
        _exit(write(p[1], "x", 1) != 1);
    }
    SHOW("signal_restarts", ret(read(p[0], &c, 1)));
    reap(pid);
    siginterrupt(SIGUSR1, 1);
    pid = start();
    if (pid == 0) {
        for (int i = 0; i < 200 && kill(parent, SIGUSR1) == 0 && getppid() == parent; i++)
            sleep_ms(10);
        _exit(0);
    }
    SHOW("siginterrupt", ret(read(p[0], &c, 1)));
    kill(pid, SIGKILL);
    reap(pid);
}
