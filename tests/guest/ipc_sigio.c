/* O_ASYNC, owners of open files, directory notification. */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/socket.h>

static volatile sig_atomic_t count, why, from;

static void on_io(int signo UNUSED, siginfo_t *info, void *context UNUSED)
{
    count++;
    why = info->si_code;
    from = info->si_fd;
}

static void listen_for(int signo)
{
    struct sigaction act = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK(sigaction(signo, &act, NULL) == 0);
}

BEHAVIOUR(input_signals_the_owner)
{
    int s[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    listen_for(SIGIO);
    CHECK(fcntl(s[0], F_SETOWN, getpid()) == 0);
    CHECK(write(s[1], "x", 1) == 1);
    say("without=%d", (int)count);
    CHECK(fcntl(s[0], F_SETFL, O_ASYNC) == 0);
    say("flags=%#o", fcntl(s[0], F_GETFL));
    CHECK(write(s[1], "x", 1) == 1);
    SHOW("with", yes(EVENTUALLY(count > 0)));
    int off = 0;
    CHECK(ioctl(s[0], FIOASYNC, &off) == 0);
    say("flags=%#o", fcntl(s[0], F_GETFL));
    sleep_ms(5);
    count = 0;
    CHECK(write(s[1], "x", 1) == 1);
    sleep_ms(5);
    say("off=%d", (int)count);
}

BEHAVIOUR(chosen_signal_tells_more)
{
    int p[2];
    CHECK(pipe(p) == 0);
    listen_for(SIGRTMIN);
    CHECK(fcntl(p[0], F_SETOWN, getpid()) == 0 && fcntl(p[0], F_SETSIG, SIGRTMIN) == 0);
    CHECK(fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
    CHECK(write(p[1], "x", 1) == 1);
    SHOW("told", yes(EVENTUALLY(count > 0)));
    SHOW("in", yes(why == POLL_IN && from == p[0]));
    SHOW("signal", yes(fcntl(p[0], F_GETSIG) == SIGRTMIN));
    SHOW("too_high", ret(fcntl(p[0], F_SETSIG, 65)));
}

BEHAVIOUR(owners)
{
    int p[2];
    CHECK(pipe(p) == 0);
    SHOW("none", ret(fcntl(p[0], F_GETOWN)));
    SHOW("self", ok(fcntl(p[0], F_SETOWN, getpid())));
    SHOW("get", yes(fcntl(p[0], F_GETOWN) == getpid()));
    SHOW("group", ok(fcntl(p[0], F_SETOWN, -getpgrp())));
    struct f_owner_ex ex;
    CHECK(fcntl(p[0], F_GETOWN_EX, &ex) == 0);
    say("type=%d same=%s", ex.type, yes(ex.pid == getpgrp()));
    ex.type = 7;
    SHOW("bad_type", ok(fcntl(p[0], F_SETOWN_EX, &ex)));
    SHOW("nobody", ok(fcntl(p[0], F_SETOWN, 0x3fffffff)));
    SHOW("fault", ok(fcntl(p[0], F_GETOWN_EX, bad())));
}

BEHAVIOUR(directory_notification)
{
    CHECK(mkdir("d", 0755) == 0);
    int fd = MUST(open("d", O_RDONLY));
    listen_for(SIGRTMIN);
    CHECK(fcntl(fd, F_SETSIG, SIGRTMIN) == 0);
    SHOW("watch", ok(fcntl(fd, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT)));
    make_file("d/a", "");
    SHOW("created", yes(EVENTUALLY(count == 1)));
    SHOW("which", yes(why == POLL_MSG && from == fd));
    CHECK(unlink("d/a") == 0);
    SHOW("deleted", yes(EVENTUALLY(count == 2)));
    CHECK(mkdir("e", 0755) == 0);
    SHOW("end", ok(fcntl(fd, F_NOTIFY, 0)));
    make_file("d/b", "");
    SHOW("once", ok(fcntl(fd, F_NOTIFY, DN_CREATE)));
    make_file("d/c", "");
    make_file("d/d", "");
    SHOW("one", yes(EVENTUALLY(count == 3)));
    sleep_ms(5);
    say("count=%d", (int)count);
    SHOW("no_directory", ok(fcntl(MUST(open("d/b", O_RDONLY)), F_NOTIFY, DN_CREATE)));
}
