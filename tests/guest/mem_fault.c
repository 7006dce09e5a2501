/* EFAULT from many calls: bad pointers, page fences, and nothing left behind. */
#include "guest.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <netinet/in.h>

static int last_fd(void)
{
    int fd = MUST(open(".", O_RDONLY));
    close(fd);
    return fd;
}

BEHAVIOUR(two_descriptors)
{
    /* The pair does not fit: no descriptor may be left open. */
    int before = last_fd();
    char *edge = fence(4);
    SHOW("pipe", ok(syscall(SYS_pipe2, bad(), 0)));
    SHOW("pipe_edge", ok(syscall(SYS_pipe2, edge, 0)));
    SHOW("socketpair", ok(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)edge)));
    say("leaked=%d", last_fd() - before);
}

BEHAVIOUR(paths)
{
    char *edge = memset(fence(5), 'a', 5);
    struct stat st;
    SHOW("open", ok(open(edge, O_RDONLY)));
    SHOW("creat", ok(open(edge, O_RDWR | O_CREAT, 0600)));
    SHOW("stat", ok(stat(edge, &st)));
    SHOW("mkdir", ok(mkdir(edge, 0755)));
    SHOW("unlink", ok(unlink(edge)));
    SHOW("rename", ok(rename("x", edge)));
    SHOW("link", ok(link(edge, "x")));
    SHOW("symlink", ok(symlink(edge, "x")));
    SHOW("readlink", ret(readlink(edge, (char[4]){0}, 4)));
    SHOW("chdir", ok(chdir(edge)));
    SHOW("access", ok(access(edge, 0)));
    SHOW("truncate", ok(truncate(edge, 0)));
    SHOW("execve", ok(execve(edge, (char *[]){NULL}, (char *[]){NULL})));
    SHOW("nothing_made", try_open("aaaaa", O_RDONLY));
}

BEHAVIOUR(path_ends_at_fence)
{
    make_file("f", "x");
    SHOW("open", try_open(fence_string("f"), O_RDONLY));
    SHOW("creat", try_open(fence_string("new"), O_RDWR | O_CREAT));
    SHOW("mkdir", ok(mkdir(fence_string("d"), 0755)));
    SHOW("rename", ok(rename(fence_string("f"), fence_string("g"))));
    SHOW("symlink", ok(symlink(fence_string("t"), fence_string("l"))));
    SHOW("readlink", ret(readlink(fence_string("l"), fence(1), 1)));
    SHOW("unlink", ok(unlink(fence_string("g"))));
}

BEHAVIOUR(input_structures)
{
    struct timespec t = {0, 1};
    struct itimerval it = {{0, 0}, {0, 0}};
    struct rlimit r;
    sigset_t set;
    CHECK(getrlimit(RLIMIT_CORE, &r) == 0);
    sigemptyset(&set);
    SHOW("nanosleep", ok(raw_nanosleep(fence_copy(&t, sizeof t), NULL)));
    SHOW("nanosleep_cut", ok(raw_nanosleep((char *)fence(sizeof t) + 4, NULL)));
    SHOW("setitimer", ok(setitimer(ITIMER_PROF, fence_copy(&it, sizeof it), NULL)));
    SHOW("setrlimit", ok(setrlimit(RLIMIT_CORE, fence_copy(&r, sizeof r))));
    SHOW("sigprocmask", ok(syscall(SYS_rt_sigprocmask, SIG_BLOCK, fence_copy(&set, 8), NULL, 8)));
    SHOW("sigprocmask_cut", ok(syscall(SYS_rt_sigprocmask, SIG_BLOCK, fence(4), NULL, 8)));
    SHOW("utimensat_cut", ok(syscall(SYS_utimensat, AT_FDCWD, ".", fence(sizeof t), 0)));
}

BEHAVIOUR(output_structures)
{
    struct stat st;
    struct utsname u;
    struct rusage ru;
    struct timeval tv;
    struct rlimit r;
    SHOW("stat", ok(stat(".", fence(sizeof st))));
    SHOW("uname", ok(uname(fence(sizeof u))));
    SHOW("getrusage", ok(getrusage(RUSAGE_SELF, fence(sizeof ru))));
    SHOW("gettimeofday", ok(syscall(SYS_gettimeofday, fence(sizeof tv), NULL)));
    SHOW("gettimeofday_cut", ok(syscall(SYS_gettimeofday, (char *)fence(sizeof tv) + 4, NULL)));
    SHOW("getrlimit", ok(getrlimit(RLIMIT_CORE, fence(sizeof r))));
    SHOW("getrlimit_cut", ok(prlimit(0, RLIMIT_CORE, NULL, fence(8))));
    SHOW("times", ok(syscall(SYS_times, fence(sizeof(struct tms)))));
    SHOW("getgroups", getgroups(0, NULL) > 0 ? ok(getgroups(64, bad())) : "EFAULT");
}

BEHAVIOUR(arrays)
{
    int p[2];
    CHECK(pipe(p) == 0);
    struct pollfd one = {p[1], POLLOUT, 0};
    struct epoll_event e = {.events = EPOLLOUT};
    int ep = MUST(epoll_create1(0));
    SHOW("poll", ret(poll(fence_copy(&one, sizeof one), 1, 0)));
    SHOW("poll_two", ret(poll(fence_copy(&one, sizeof one), 2, 0)));
    SHOW("poll_bad", ret(poll(bad(), 1, 0)));
    SHOW("epoll_ctl", ok(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], fence_copy(&e, sizeof e))));
    SHOW("epoll_ctl_bad", ok(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], bad())));
    SHOW("epoll_wait", ret(epoll_wait(ep, fence(sizeof e), 1, 0)));
    SHOW("epoll_wait_bad", ret(epoll_wait(ep, bad(), 1, 0)));
    SHOW("select_bad", ret(select(8, bad(), NULL, NULL, NULL)));
    SHOW("select_bad_time", ret(syscall(SYS_pselect6, 0, NULL, NULL, NULL, bad(), NULL)));
}

BEHAVIOUR(socket_addresses)
{
    int fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    SHOW("bind", ok(bind(fd, fence_copy(&a, sizeof a), sizeof a)));
    SHOW("bind_bad", ok(bind(fd, bad(), sizeof a)));
    SHOW("getsockname", ok(getsockname(fd, fence(sizeof a), fence_copy(&size, sizeof size))));
    SHOW("getsockname_bad", ok(getsockname(fd, bad(), &size)));
    SHOW("length_bad", ok(getsockname(fd, (void *)&a, bad())));
    size = 4;
    SHOW("cut", ok(getsockname(fd, fence(4), &size)));
    say("wanted=%d", (int)size);
    int value = 1;
    size = sizeof value;
    SHOW("setsockopt_bad", ok(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bad(), sizeof value)));
    SHOW("getsockopt_bad", ok(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, bad(), &size)));
    SHOW("getsockopt_len", ok(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, bad())));
}

BEHAVIOUR(badf_or_fault_first)
{
    socklen_t size = 4;
    SHOW("read", ret(read(999, bad(), 1)));
    SHOW("fstat", ok(fstat(999, bad())));
    SHOW("getsockopt", ok(getsockopt(999, SOL_SOCKET, SO_TYPE, bad(), &size)));
    SHOW("sendmsg", ret(sendmsg(999, bad(), 0)));
    SHOW("bind", ok(bind(999, bad(), 16)));
    SHOW("ioctl", ok(ioctl(999, FIONREAD, bad())));
    SHOW("epoll_ctl", ok(epoll_ctl(999, EPOLL_CTL_ADD, 0, bad())));
    SHOW("fcntl", ok(fcntl(999, F_GETLK, bad())));
}

BEHAVIOUR(pipe_read_keeps_data)
{
    int p[2];
    char text[8] = "";
    CHECK(pipe(p) == 0 && write(p[1], "abcd", 4) == 4);
    SHOW("fault", ret(read(p[0], bad(), 4)));
    SHOW("then", ret(read(p[0], text, 4)));
    SHOW("text", text);
}

BEHAVIOUR(socket_read_keeps_data)
{
    int s[2];
    char text[8] = "";
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && write(s[1], "abcd", 4) == 4);
    SHOW("fault", ret(read(s[0], bad(), 4)));
    SHOW("then", ret(read(s[0], text, 4)));
    SHOW("text", text);
}

BEHAVIOUR(kernel_addresses)
{
    int zero = MUST(open("/dev/zero", O_RDONLY));
    void *kernel = (void *)(sizeof(void *) == 8 ? (uintptr_t)-4096 * 16 : (uintptr_t)0xfffff000);
    SHOW("read", ret(read(zero, kernel, 8)));
    SHOW("path", ok(open(kernel, O_RDONLY)));
    SHOW("null", ret(read(zero, NULL, 8)));
    SHOW("stat", ok(raw_stat(".", kernel)));
    SHOW("uname", ok(uname(kernel)));
}
