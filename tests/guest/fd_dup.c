/* Descriptors: dup, fcntl, close_range, limits, close-on-exec. */
#include "guest.h"
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <linux/close_range.h>

static const char *open_fds(int from, int to)
{
    char *text = guest_scrap();
    int n = 0;
    text[0] = 0;
    for (int fd = from; fd <= to; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            n += snprintf(text + n, 64 - n, "%s%d%s", n ? "," : "", fd,
                          fcntl(fd, F_GETFD) & FD_CLOEXEC ? "c" : "");
    return text;
}

ROLE(fds)
{
    SHOW("exec", open_fds(40, 60));
}

BEHAVIOUR(dup_kinds)
{
    int fd = MUST(open(".", O_RDONLY)), copy = dup(fd);
    say("dup_lowest=%s", yes(copy == fd + 1));
    SHOW("dup2", ret(dup2(fd, 50)));
    SHOW("dup2_same", ret(dup2(50, 50)));
    SHOW("dup2_bad", ret(dup2(999, 50)));
    SHOW("dup2_same_bad", ret(dup2(999, 999)));
    SHOW("dup2_negative", ret(dup2(fd, -1)));
    SHOW("dup3", ret(dup3(fd, 51, O_CLOEXEC)));
    SHOW("dup3_same", ret(dup3(fd, fd, 0)));
    SHOW("dup3_flags", ret(dup3(fd, 52, O_NONBLOCK)));
    SHOW("open", open_fds(50, 60));
    SHOW("dup_bad", ret(dup(999)));
}

BEHAVIOUR(dup2_closes_silently)
{
    int p[2];
    char c;
    CHECK(pipe(p) == 0);
    CHECK(dup2(MUST(open("/dev/null", O_RDWR)), p[1]) == p[1]);
    SHOW("pipe_ends", ret(read(p[0], &c, 1)));
}

BEHAVIOUR(fcntl_dupfd)
{
    int fd = MUST(open(".", O_RDONLY));
    SHOW("min_50", ret(fcntl(fd, F_DUPFD, 50)));
    SHOW("min_50", ret(fcntl(fd, F_DUPFD, 50)));
    SHOW("cloexec", ret(fcntl(fd, F_DUPFD_CLOEXEC, 50)));
    SHOW("open", open_fds(50, 60));
    SHOW("negative", ret(fcntl(fd, F_DUPFD, -1)));
    SHOW("huge", ret(fcntl(fd, F_DUPFD, INT_MAX)));
}

BEHAVIOUR(cloexec_belongs_to_the_number)
{
    int fd = MUST(open(".", O_RDONLY | O_CLOEXEC));
    SHOW("open", ret(fcntl(fd, F_GETFD)));
    SHOW("dup", ret(fcntl(dup(fd), F_GETFD)));
    SHOW("clear", ok(fcntl(fd, F_SETFD, 0)));
    SHOW("now", ret(fcntl(fd, F_GETFD)));
    SHOW("fioclex", ok(ioctl(fd, FIOCLEX)));
    SHOW("now", ret(fcntl(fd, F_GETFD)));
    SHOW("fionclex", ok(ioctl(fd, FIONCLEX)));
    SHOW("now", ret(fcntl(fd, F_GETFD)));
    SHOW("other_bits", ok(fcntl(fd, F_SETFD, 0x1000)));
    SHOW("now", ret(fcntl(fd, F_GETFD)));
}

BEHAVIOUR(cloexec_at_exec)
{
    int fd = MUST(open(".", O_RDONLY));
    CHECK(dup2(fd, 40) == 40 && dup3(fd, 41, O_CLOEXEC) == 41);
    CHECK(dup2(fd, 42) == 42 && fcntl(42, F_SETFD, FD_CLOEXEC) == 0);
    CHECK(dup2(fd, 43) == 43);
    SHOW("before", open_fds(40, 60));
    pid_t pid = start();
    if (pid == 0) {
        execl(guest_self, guest_self, "@fds", NULL);
        _exit(1);
    }
    SHOW("child", reap(pid));
    SHOW("after", open_fds(40, 60));
}

BEHAVIOUR(setfl)
{
    int p[2];
    CHECK(pipe(p) == 0);
    int copy = dup(p[0]);
    SHOW("nonblock", ok(fcntl(p[0], F_SETFL, O_NONBLOCK)));
    say("shared=%s", yes(fcntl(copy, F_GETFL) & O_NONBLOCK));
    SHOW("empty", ret(read(copy, (char[1]){0}, 1)));
    SHOW("access_mode_kept", (fcntl(p[0], F_SETFL, O_RDWR),
                              yes((fcntl(p[0], F_GETFL) & O_ACCMODE) == O_RDONLY)));
    SHOW("cleared", yes(!(fcntl(p[0], F_GETFL) & O_NONBLOCK)));
    int on = 1;
    SHOW("fionbio", ok(ioctl(p[0], FIONBIO, &on)));
    SHOW("set", yes(fcntl(p[0], F_GETFL) & O_NONBLOCK));
    SHOW("fionbio_fault", ok(ioctl(p[0], FIONBIO, bad())));
    SHOW("creat_ignored", (make_file("f", ""), ok(fcntl(open("f", O_RDWR), F_SETFL, O_CREAT | O_TRUNC))));
}

BEHAVIOUR(close_errors)
{
    int fd = MUST(open(".", O_RDONLY));
    SHOW("close", ok(close(fd)));
    SHOW("again", ok(close(fd)));
    SHOW("negative", ok(close(-1)));
    SHOW("getfd", ret(fcntl(fd, F_GETFD)));
    SHOW("unknown_command", ret(fcntl(0, 0x7777, 0)));
    SHOW("bad_fd_command", ret(fcntl(999, F_GETFL)));
    SHOW("ioctl", ok(ioctl(999, FIOCLEX)));
    SHOW("notty", ok(ioctl(MUST(open(".", O_RDONLY)), TCGETS, bad())));
}

BEHAVIOUR(close_range_closes)
{
    int fd = MUST(open(".", O_RDONLY));
    for (int i = 40; i < 50; i++)
        CHECK(dup2(fd, i) == i);
    SHOW("42_44", ok(close_range(42, 44, 0)));
    SHOW("open", open_fds(40, 60));
    SHOW("cloexec", ok(close_range(47, ~0u, CLOSE_RANGE_CLOEXEC)));
    SHOW("open", open_fds(40, 60));
    SHOW("reversed", ok(close_range(46, 45, 0)));
    SHOW("flags", ok(close_range(45, 46, 0x100)));
    SHOW("nothing_there", ok(close_range(100, 200, 0)));
    SHOW("rest", ok(close_range(40, ~0u, 0)));
    SHOW("open", open_fds(40, 60));
}

BEHAVIOUR(close_range_unshares)
{
    int fd = MUST(open(".", O_RDONLY));
    CHECK(dup2(fd, 45) == 45);
    /* vfork-like sharing of the table, then a private copy for the child. */
    long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    CHECK(pid != -1);
    if (pid == 0) {
        int r = close_range(45, 45, CLOSE_RANGE_UNSHARE);
        _exit(r == 0 && fcntl(45, F_GETFD) == -1 ? 0 : 1);
    }
    SHOW("child", reap(pid));
    SHOW("parent", open_fds(40, 60));
}

BEHAVIOUR(shared_table)
{
    int fd = MUST(open(".", O_RDONLY));
    long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    CHECK(pid != -1);
    if (pid == 0)
        _exit(dup2(fd, 44) == 44 && close(fd) == 0 ? 0 : 1);
    SHOW("child", reap(pid));
    SHOW("made", open_fds(40, 60));
    SHOW("closed", ret(fcntl(fd, F_GETFD)));
}

BEHAVIOUR(table_is_full)
{
    struct rlimit old, low;
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    int fd = MUST(open(".", O_RDONLY)), p[2], n = 0;
    CHECK(dup2(fd, 100) == 100);
    low = (struct rlimit){30, old.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    while (n < 100 && dup(fd) != -1)
        n++;
    SHOW("dup", errname(errno));
    say("filled=%s", yes(fd + n == 29));
    SHOW("open", try_open(".", O_RDONLY));
    SHOW("pipe", ok(pipe(p)));
    SHOW("dup2_at_limit", ret(dup2(fd, 30)));
    SHOW("dup2_below", ret(dup2(fd, 29)));
    SHOW("dupfd", ret(fcntl(fd, F_DUPFD, 30)));
    SHOW("old_one_works", ret(fcntl(100, F_GETFD)));
    close(29);
    SHOW("pipe_needs_two", ok(pipe(p)));
    SHOW("one_is_free", ret(dup(fd)));
}

BEHAVIOUR(owner)
{
    int p[2];
    CHECK(pipe(p) == 0);
    SHOW("none", ret(fcntl(p[0], F_GETOWN)));
    SHOW("set", ok(fcntl(p[0], F_SETOWN, getpid())));
    say("get=%s", yes(fcntl(p[0], F_GETOWN) == getpid()));
    SHOW("sig", ret(fcntl(p[0], F_GETSIG)));
    SHOW("setsig", ok(fcntl(p[0], F_SETSIG, SIGUSR1)));
    say("getsig=%s", signame(fcntl(p[0], F_GETSIG)));
    SHOW("bad_sig", ok(fcntl(p[0], F_SETSIG, 99)));
    SHOW("nobody", ok(fcntl(p[0], F_SETOWN, INT_MAX)));
}
