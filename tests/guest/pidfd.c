/* pidfd_open, pidfd_send_signal, pidfd_getfd, waiting on a pidfd. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>

static int pidfd_open_(pid_t pid, unsigned flags)
{
    return syscall(SYS_pidfd_open, pid, flags);
}

static int send_(int fd, int signo)
{
    return syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
}

static pid_t pauses(void)
{
    pid_t pid = start();
    while (pid == 0)
        pause();
    return pid;
}

BEHAVIOUR(open_rules)
{
    int fd = pidfd_open_(getpid(), 0);
    SHOW("self", ok(fd));
    say("cloexec=%d", fcntl(fd, F_GETFD));
    SHOW("nobody", ok(pidfd_open_(INT_MAX, 0)));
    SHOW("zero", ok(pidfd_open_(0, 0)));
    SHOW("negative", ok(pidfd_open_(-1, 0)));
    SHOW("flags", ok(pidfd_open_(getpid(), 0x10)));
    int quick = pidfd_open_(getpid(), O_NONBLOCK);
    say("nonblock=%s", yes(fcntl(quick, F_GETFL) & O_NONBLOCK));
}

BEHAVIOUR(poll_tells_exit)
{
    pid_t pid = pauses();
    int fd = MUST(pidfd_open_(pid, 0));
    struct pollfd p = {fd, POLLIN, 0};
    SHOW("alive", ret(poll(&p, 1, 0)));
    SHOW("signal", ok(send_(fd, SIGTERM)));
    SHOW("exit", ret(poll(&p, 1, 5000)));
    say("in=%s", yes(p.revents & POLLIN));
    SHOW("reaped", reap(pid));
    SHOW("still_ready", ret(poll(&p, 1, 0)));
    SHOW("signal_gone", ok(send_(fd, 0)));
}

BEHAVIOUR(epoll_tells_exit)
{
    pid_t pid = pauses();
    int fd = MUST(pidfd_open_(pid, 0)), ep = MUST(epoll_create1(0));
    struct epoll_event e = {.events = EPOLLIN};
    SHOW("add", ok(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e)));
    SHOW("alive", ret(epoll_wait(ep, &e, 1, 0)));
    kill(pid, SIGKILL);
    SHOW("exit", ret(epoll_wait(ep, &e, 1, 5000)));
    SHOW("reaped", reap(pid));
}

BEHAVIOUR(waitid_by_pidfd)
{
    pid_t pid = start();
    if (pid == 0)
        _exit(12);
    int fd = MUST(pidfd_open_(pid, 0));
    siginfo_t info = {0};
    SHOW("wait", ok(waitid(P_PIDFD, fd, &info, WEXITED)));
    say("status=%d pid=%s", info.si_status, yes(info.si_pid == pid));
    SHOW("again", ok(waitid(P_PIDFD, fd, &info, WEXITED)));
    pid = pauses();
    fd = MUST(pidfd_open_(pid, O_NONBLOCK));
    SHOW("nonblock", ok(waitid(P_PIDFD, fd, &info, WEXITED)));
    kill(pid, SIGKILL);
    SHOW("reaped", reap(pid));
    SHOW("not_a_pidfd", ok(waitid(P_PIDFD, 0, &info, WEXITED)));
    SHOW("not_a_child", ok(waitid(P_PIDFD, MUST(pidfd_open_(getppid(), 0)), &info, WEXITED)));
}

BEHAVIOUR(send_rules)
{
    int fd = MUST(pidfd_open_(getpid(), 0));
    siginfo_t info;
    memset(&info, 0, sizeof info);
    SHOW("zero", ok(send_(fd, 0)));
    SHOW("signal_99", ok(send_(fd, 99)));
    SHOW("bad_fd", ok(send_(999, 0)));
    SHOW("not_a_pidfd", ok(send_(0, 0)));
    SHOW("flags", ok(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0x1000)));
    info.si_signo = SIGUSR1;
    SHOW("info_differs", ok(syscall(SYS_pidfd_send_signal, fd, 0, &info, 0)));
    drop_root();
    SHOW("init", ok(send_(MUST(pidfd_open_(1, 0)), 0)));
}

BEHAVIOUR(getfd)
{
    int p[2];
    CHECK(pipe(p) == 0);
    pid_t pid = start();
    if (pid == 0) {
        int fd = MUST(memfd_create("x", 0));
        CHECK(write(fd, "theirs", 6) == 6 && dup2(fd, 55) == 55);
        CHECK(write(p[1], "r", 1) == 1);
        pause();
    }
    char text[8] = "";
    CHECK(read(p[0], text, 1) == 1);
    int fd = MUST(pidfd_open_(pid, 0));
    int got = syscall(SYS_pidfd_getfd, fd, 55, 0);
    SHOW("getfd", ok(got));
    say("cloexec=%d", fcntl(got, F_GETFD));
    SHOW("read", ret(pread(got, text, 6, 0)));
    SHOW("text", text);
    SHOW("missing", ok(syscall(SYS_pidfd_getfd, fd, 77, 0)));
    SHOW("flags", ok(syscall(SYS_pidfd_getfd, fd, 55, 1)));
    kill(pid, SIGKILL);
    reap(pid);
    SHOW("dead", ok(syscall(SYS_pidfd_getfd, fd, 55, 0)));
}

BEHAVIOUR(no_data)
{
    int fd = MUST(pidfd_open_(getpid(), 0));
    SHOW("read", ret(read(fd, (char[8]){0}, 8)));
    SHOW("write", ret(write(fd, "x", 1)));
    char path[40], name[40] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(readlink(path, name, 39) > 0);
    say("name=%s", yes(strstr(name, "pidfd")));
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    char text[256] = "";
    int info = MUST(open(path, O_RDONLY));
    CHECK(read(info, text, 255) > 0);
    const char *line = strstr(text, "Pid:");
    say("fdinfo=%s", yes(line && atoi(line + 4) == getpid()));
}
