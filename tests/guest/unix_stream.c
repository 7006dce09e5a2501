/* AF_UNIX stream and seqpacket sockets. */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static int s[2];

static void pair(int type)
{
    CHECK(socketpair(AF_UNIX, type, 0, s) == 0);
}

static socklen_t name(struct sockaddr_un *a, const char *path)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    strcpy(a->sun_path, path);
    return sizeof *a;
}

static int listener(const char *path)
{
    struct sockaddr_un a;
    int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    socklen_t n = name(&a, path);
    CHECK(bind(fd, (void *)&a, n) == 0 && listen(fd, 5) == 0);
    return fd;
}

static int dial(const char *path)
{
    struct sockaddr_un a;
    int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    socklen_t n = name(&a, path);
    if (connect(fd, (void *)&a, n) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

BEHAVIOUR(pair_basics)
{
    char text[16] = "";
    pair(SOCK_STREAM);
    SHOW("write", ret(write(s[0], "hello", 5)));
    SHOW("send", ret(send(s[0], " you", 4, 0)));
    SHOW("merged", ret(read(s[1], text, 16)));
    SHOW("text", text);
    SHOW("both_ways", ret(write(s[1], "x", 1)));
    SHOW("read", ret(read(s[0], text, 16)));
    SHOW("dontwait", ret(recv(s[0], text, 16, MSG_DONTWAIT)));
    close(s[1]);
    SHOW("closed_read", ret(read(s[0], text, 16)));
    signal(SIGPIPE, SIG_IGN);
    SHOW("closed_write", ret(write(s[0], "x", 1)));
}

BEHAVIOUR(socket_errors)
{
    SHOW("family", ok(socket(99, SOCK_STREAM, 0)));
    SHOW("type", ok(socket(AF_UNIX, 99, 0)));
    SHOW("protocol", ok(socket(AF_UNIX, SOCK_STREAM, 99)));
    SHOW("flags", ok(socket(AF_UNIX, SOCK_STREAM | 0x100000, 0)));
    SHOW("pair_inet", ok(socketpair(AF_INET, SOCK_STREAM, 0, s)));
    int fd = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    say("cloexec=%d nonblock=%s", fcntl(fd, F_GETFD), yes(fcntl(fd, F_GETFL) & O_NONBLOCK));
    signal(SIGPIPE, SIG_IGN);
    SHOW("unconnected_write", ret(write(fd, "x", 1)));
    SHOW("unconnected_read", ret(read(fd, (char[1]){0}, 1)));
    SHOW("listen_unbound", ok(listen(fd, 1)));
    SHOW("not_socket", ok(listen(0, 1)));
    SHOW("bad_fd", ok(listen(999, 1)));
}

BEHAVIOUR(listen_and_connect)
{
    int l = listener("sock");
    int c = dial("sock");
    SHOW("connect", ok(c));
    struct sockaddr_un peer;
    socklen_t n = sizeof peer;
    int a = accept4(l, (void *)&peer, &n, SOCK_CLOEXEC);
    SHOW("accept", ok(a));
    say("peer_length=%d cloexec=%d", (int)n, fcntl(a, F_GETFD));
    SHOW("write", ret(write(c, "hi", 2)));
    char text[4] = "";
    SHOW("read", ret(read(a, text, 4)));
    n = sizeof peer;
    CHECK(getpeername(c, (void *)&peer, &n) == 0);
    say("peer=%s", peer.sun_path);
    n = sizeof peer;
    CHECK(getsockname(c, (void *)&peer, &n) == 0);
    say("own_length=%d", (int)n);
    struct stat st;
    CHECK(stat("sock", &st) == 0);
    say("mode=%o", st.st_mode);
    SHOW("accept_flags", ok(accept4(l, NULL, NULL, 0x40)));
}

BEHAVIOUR(connect_errors)
{
    struct sockaddr_un a;
    make_file("f", "");
    int l = listener("sock");
    SHOW("missing", ok(dial("none")));
    SHOW("file", ok(dial("f")));
    close(l);
    SHOW("nobody_listens", ok(dial("sock")));
    int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    name(&a, "x");
    a.sun_family = AF_INET;
    SHOW("family", ok(connect(fd, (void *)&a, sizeof a)));
    SHOW("short", ok(connect(fd, (void *)&a, 1)));
    SHOW("accept_unbound", ok(accept(fd, NULL, NULL)));
    listener("d1");
    int c = dial("d1");
    name(&a, "d1");
    SHOW("connected", ok(connect(c, (void *)&a, sizeof a)));
    SHOW("getpeername", (name(&a, ""), ok(getpeername(fd, (void *)&a, &(socklen_t){sizeof a}))));
}

BEHAVIOUR(bind_rules)
{
    struct sockaddr_un a;
    int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    socklen_t n = name(&a, "sock");
    SHOW("bind", ok(bind(fd, (void *)&a, n)));
    SHOW("twice", ok(bind(fd, (void *)&a, n)));
    int other = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW("in_use", ok(bind(other, (void *)&a, n)));
    CHECK(unlink("sock") == 0);
    SHOW("unlinked", ok(bind(other, (void *)&a, n)));
    other = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    name(&a, "none/sock");
    SHOW("no_dir", ok(bind(other, (void *)&a, n)));
    SHOW("too_long", ok(bind(other, (void *)&a, 200)));
    SHOW("autobind", ok(bind(other, (void *)&a, sizeof(sa_family_t))));
    n = sizeof a;
    CHECK(getsockname(other, (void *)&a, &n) == 0);
    say("abstract=%s length=%d", yes(a.sun_path[0] == 0), (int)n);
}

BEHAVIOUR(abstract_names)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int l = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), c = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    int n = snprintf(a.sun_path + 1, 90, "guest-%d", getpid());
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1 + n;
    SHOW("bind", ok(bind(l, (void *)&a, size)));
    CHECK(listen(l, 1) == 0);
    SHOW("connect", ok(connect(c, (void *)&a, size)));
    SHOW("longer_differs", ok(connect(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (void *)&a, size + 1)));
    int again = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW("in_use", ok(bind(again, (void *)&a, size)));
    close(l);
    SHOW("freed", ok(bind(again, (void *)&a, size)));
    SHOW("no_file", try_open(a.sun_path + 1, O_RDONLY));
}

BEHAVIOUR(shutdown_halves)
{
    char c;
    signal(SIGPIPE, SIG_IGN);
    pair(SOCK_STREAM);
    CHECK(write(s[0], "last", 4) == 4);
    SHOW("write_half", ok(shutdown(s[0], SHUT_WR)));
    SHOW("write", ret(write(s[0], "x", 1)));
    SHOW("peer_reads", ret(read(s[1], (char[8]){0}, 8)));
    SHOW("peer_end", ret(read(s[1], &c, 1)));
    SHOW("other_way", ret(write(s[1], "x", 1)));
    SHOW("read", ret(read(s[0], &c, 1)));
    SHOW("read_half", ok(shutdown(s[0], SHUT_RD)));
    SHOW("peer_writes", ret(write(s[1], "x", 1)));
    SHOW("how", ok(shutdown(s[0], 9)));
    SHOW("unconnected", ok(shutdown(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), SHUT_WR)));
}

BEHAVIOUR(peek_and_waitall)
{
    char text[16] = "";
    pair(SOCK_STREAM);
    CHECK(write(s[0], "abcdef", 6) == 6);
    SHOW("peek", ret(recv(s[1], text, 3, MSG_PEEK)));
    SHOW("peek_again", ret(recv(s[1], text, 16, MSG_PEEK)));
    int n = 0;
    CHECK(ioctl(s[1], FIONREAD, &n) == 0);
    say("fionread=%d", n);
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        _exit(write(s[0], "ghij", 4) != 4);
    }
    SHOW("waitall", ret(recv(s[1], text, 10, MSG_WAITALL)));
    say("text=%.10s child=%s", text, reap(pid));
    close(s[0]);
    SHOW("waitall_end", ret(recv(s[1], text, 10, MSG_WAITALL)));
}

BEHAVIOUR(nosignal)
{
    pair(SOCK_STREAM);
    close(s[1]);
    SHOW("nosignal", ret(send(s[0], "x", 1, MSG_NOSIGNAL)));
    pid_t pid = start();
    if (pid == 0)
        _exit(send(s[0], "x", 1, 0) == 1);
    SHOW("signal", reap(pid));
}

BEHAVIOUR(full_buffer)
{
    static char block[1 << 16];
    pair(SOCK_STREAM);
    fcntl(s[0], F_SETFL, O_NONBLOCK);
    long long sent = 0, n;
    while ((n = write(s[0], block, sizeof block)) > 0)
        sent += n;
    SHOW("full", errname(errno));
    say("some=%s", yes(sent >= 65536));
    struct pollfd p = {s[0], POLLOUT, 0};
    SHOW("poll", ret(poll(&p, 1, 0)));
    long long got = 0;
    fcntl(s[1], F_SETFL, O_NONBLOCK);
    while ((n = read(s[1], block, sizeof block)) > 0)
        got += n;
    say("all_arrived=%s", yes(got == sent));
    SHOW("poll", ret(poll(&p, 1, 1000)));
}

BEHAVIOUR(seqpacket)
{
    char text[16] = "";
    pair(SOCK_SEQPACKET);
    CHECK(write(s[0], "one", 3) == 3 && write(s[0], "twotwo", 6) == 6);
    SHOW("first", ret(read(s[1], text, 16)));
    SHOW("cut", ret(recv(s[1], text, 3, 0)));
    SHOW("rest_lost", ret(recv(s[1], text, 16, MSG_DONTWAIT)));
    CHECK(write(s[0], "sixsix", 6) == 6);
    SHOW("trunc_length", ret(recv(s[1], text, 3, MSG_TRUNC)));
    CHECK(send(s[0], "", 0, 0) == 0);
    SHOW("empty_packet", ret(recv(s[1], text, 16, MSG_DONTWAIT)));
    CHECK(write(s[0], "bye", 3) == 3);
    close(s[0]);
    SHOW("before_end", ret(read(s[1], text, 16)));
    SHOW("end", ret(read(s[1], text, 16)));
}

BEHAVIOUR(options)
{
    int v = 0;
    socklen_t n = sizeof v;
    pair(SOCK_STREAM);
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &n) == 0);
    say("type=%d", v);
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &v, &n) == 0);
    say("domain=%d", v);
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &v, &n) == 0);
    say("error=%d", v);
    CHECK(getsockopt(listener("l"), SOL_SOCKET, SO_ACCEPTCONN, &v, &n) == 0);
    say("accepts=%d", v);
    v = 20000;
    SHOW("set_sndbuf", ok(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof v)));
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, &n) == 0);
    say("doubled=%d", v);
    struct { int pid, uid, gid; } cred;
    n = sizeof cred;
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0);
    say("peercred=%s,%s", yes(cred.pid == getpid()), yes((uid_t)cred.uid == geteuid()));
    SHOW("level", ok(getsockopt(s[0], 77, SO_TYPE, &v, &n)));
    SHOW("name", ok(getsockopt(s[0], SOL_SOCKET, 7777, &v, &n)));
    SHOW("short", (n = 1, v = 0, ok(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &n))));
    say("length=%d", (int)n);
}

BEHAVIOUR(receive_timeout)
{
    struct timeval t = {0, 30000};
    pair(SOCK_STREAM);
    CHECK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t) == 0);
    long long before = now_us(CLOCK_MONOTONIC);
    SHOW("recv", ret(recv(s[0], &t, 1, 0)));
    say("waited=%s", yes(now_us(CLOCK_MONOTONIC) - before >= 25000));
}

BEHAVIOUR(backlog)
{
    struct sockaddr_un a;
    int l = MUST(socket(AF_UNIX, SOCK_STREAM, 0)), n = 0;
    socklen_t size = name(&a, "sock");
    CHECK(bind(l, (void *)&a, size) == 0 && listen(l, 2) == 0);
    for (; n < 20; n++) {
        int c = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
        if (connect(c, (void *)&a, size) == -1)
            break;
    }
    say("queued=%d then=%s", n, errname(errno));
    struct pollfd p = {l, POLLIN, 0};
    SHOW("poll", ret(poll(&p, 1, 0)));
    SHOW("accept", ok(accept(l, NULL, NULL)));
}
