/* TCP over loopback, IPv4 and IPv6. */
#include "guest.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct sockaddr_in local(int port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int port_of(int fd)
{
    struct sockaddr_in a;
    socklen_t n = sizeof a;
    CHECK(getsockname(fd, (void *)&a, &n) == 0);
    return ntohs(a.sin_port);
}

static int listener(void)
{
    struct sockaddr_in a = local(0);
    int fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(bind(fd, (void *)&a, sizeof a) == 0 && listen(fd, 10) == 0);
    return fd;
}

static int c, s;

/* A connected pair: c dialled, s was accepted. */
static void connected(void)
{
    int l = listener();
    struct sockaddr_in a = local(port_of(l));
    c = MUST(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(connect(c, (void *)&a, sizeof a) == 0);
    s = MUST(accept(l, NULL, NULL));
    close(l);
}

BEHAVIOUR(connection)
{
    int l = listener();
    struct sockaddr_in a = local(port_of(l)), peer;
    socklen_t n = sizeof peer;
    say("port=%s", yes(port_of(l) > 1023));
    c = MUST(socket(AF_INET, SOCK_STREAM, 0));
    SHOW("connect", ok(connect(c, (void *)&a, sizeof a)));
    s = accept(l, (void *)&peer, &n);
    SHOW("accept", ok(s));
    say("peer_port=%s length=%d", yes(ntohs(peer.sin_port) == port_of(c)), (int)n);
    say("peer_address=%s", inet_ntoa(peer.sin_addr));
    n = sizeof peer;
    CHECK(getpeername(c, (void *)&peer, &n) == 0);
    say("getpeername=%s", yes(ntohs(peer.sin_port) == port_of(l)));
    char text[8] = "";
    SHOW("send", ret(send(c, "hello", 5, 0)));
    SHOW("recv", ret(recv(s, text, 8, 0)));
    SHOW("text", text);
    SHOW("connect_again", ok(connect(c, (void *)&a, sizeof a)));
}

BEHAVIOUR(refused)
{
    int l = listener(), port = port_of(l);
    struct sockaddr_in a = local(port);
    close(l);
    c = MUST(socket(AF_INET, SOCK_STREAM, 0));
    SHOW("connect", ok(connect(c, (void *)&a, sizeof a)));
    a.sin_family = 77;
    SHOW("family", ok(connect(c, (void *)&a, sizeof a)));
    a.sin_family = AF_INET;
    SHOW("short", ok(connect(c, (void *)&a, 4)));
    SHOW("unbound_listen_accept", ok(accept(c, NULL, NULL)));
    SHOW("getpeername", ok(getpeername(c, (void *)&a, &(socklen_t){sizeof a})));
    SHOW("send", ret(send(c, "x", 1, MSG_NOSIGNAL)));
    SHOW("recv", ret(recv(c, &a, 1, 0)));
}

BEHAVIOUR(nonblocking_connect)
{
    int l = listener(), error = -1;
    socklen_t n = sizeof error;
    struct sockaddr_in a = local(port_of(l));
    c = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    int r = connect(c, (void *)&a, sizeof a);
    say("connect=%s", yes(r == 0 || errno == EINPROGRESS));
    struct pollfd p = {c, POLLOUT, 0};
    SHOW("poll", ret(poll(&p, 1, 5000)));
    CHECK(getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &n) == 0);
    say("error=%d", error);
    SHOW("accept", ok(accept(l, NULL, NULL)));
    close(l);
    c = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    r = connect(c, (void *)&a, sizeof a);
    if (r == -1 && errno == EINPROGRESS) {
        p.fd = c;
        CHECK(poll(&p, 1, 5000) == 1);
        CHECK(getsockopt(c, SOL_SOCKET, SO_ERROR, &error, &n) == 0);
    } else
        error = r == -1 ? errno : 0;
    SHOW("refused", errname(error));
}

BEHAVIOUR(accept_nonblocking)
{
    int l = listener();
    fcntl(l, F_SETFL, O_NONBLOCK);
    SHOW("none", ok(accept(l, NULL, NULL)));
    struct pollfd p = {l, POLLIN, 0};
    SHOW("poll", ret(poll(&p, 1, 0)));
    struct sockaddr_in a = local(port_of(l));
    c = MUST(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(connect(c, (void *)&a, sizeof a) == 0);
    SHOW("poll", ret(poll(&p, 1, 5000)));
    s = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    SHOW("accept", ok(s));
    say("flags=%s,%d", yes(fcntl(s, F_GETFL) & O_NONBLOCK), fcntl(s, F_GETFD));
    SHOW("recv", ret(recv(s, &a, 1, 0)));
}

BEHAVIOUR(bind_rules)
{
    int l = listener(), on = 1;
    struct sockaddr_in a = local(port_of(l));
    int other = MUST(socket(AF_INET, SOCK_STREAM, 0));
    SHOW("in_use", ok(bind(other, (void *)&a, sizeof a)));
    SHOW("twice", ok(bind(l, (void *)&a, sizeof a)));
    a.sin_addr.s_addr = inet_addr("192.0.2.1");     /* nobody's: RFC 5737 */
    a.sin_port = 0;
    SHOW("foreign", ok(bind(other, (void *)&a, sizeof a)));
    SHOW("short", ok(bind(other, (void *)&a, 4)));
    a = local(0);
    a.sin_family = AF_UNIX;
    SHOW("family", ok(bind(other, (void *)&a, sizeof a)));
    a = local(0);
    SHOW("any_port", ok(bind(other, (void *)&a, sizeof a)));
    SHOW("reuseaddr", ok(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on)));
    a.sin_addr.s_addr = inet_addr("127.9.8.7");
    other = MUST(socket(AF_INET, SOCK_STREAM, 0));
    SHOW("all_of_127", ok(bind(other, (void *)&a, sizeof a)));
}

BEHAVIOUR(closing)
{
    char text[8];
    signal(SIGPIPE, SIG_IGN);
    connected();
    SHOW("shutdown", ok(shutdown(c, SHUT_WR)));
    SHOW("peer_end", ret(recv(s, text, 8, 0)));
    SHOW("other_way", ret(send(s, "back", 4, 0)));
    SHOW("recv", ret(recv(c, text, 8, 0)));
    SHOW("send", ret(send(c, "x", 1, 0)));
    close(s);
    SHOW("end", ret(recv(c, text, 8, 0)));
    connected();
    close(s);
    SHOW("fin", ret(recv(c, text, 8, 0)));
    SHOW("first_send", ret(send(c, "x", 1, 0)));
    int broken = EVENTUALLY(send(c, "x", 1, 0) == -1);
    say("later_send=%s %s", yes(broken), errname(errno));
}

BEHAVIOUR(reset)
{
    struct linger l = {1, 0};
    char text[8];
    connected();
    CHECK(setsockopt(c, SOL_SOCKET, SO_LINGER, &l, sizeof l) == 0);
    CHECK(send(c, "lost", 4, 0) == 4);
    sleep_ms(10);
    close(c);
    struct pollfd p = {s, POLLIN, 0};
    CHECK(poll(&p, 1, 5000) == 1);
    EVENTUALLY((poll(&p, 1, 0), p.revents & POLLERR));
    say("err=%s hup=%s", yes(p.revents & POLLERR), yes(p.revents & POLLHUP));
    SHOW("recv", ret(recv(s, text, 8, 0)));
    SHOW("then", ret(recv(s, text, 8, 0)));
}

BEHAVIOUR(peek_and_waitall)
{
    char text[16] = "";
    int n = 0;
    connected();
    CHECK(send(c, "abcdef", 6, 0) == 6);
    SHOW("peek", ret(recv(s, text, 3, MSG_PEEK)));
    EVENTUALLY(ioctl(s, FIONREAD, &n) == 0 && n == 6);
    say("fionread=%d", n);
    SHOW("trunc_discards", ret(recv(s, text, 2, MSG_TRUNC)));
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        _exit(send(c, "ghij", 4, 0) != 4);
    }
    SHOW("waitall", ret(recv(s, text, 8, MSG_WAITALL)));
    say("text=%.8s child=%s", text, reap(pid));
    SHOW("dontwait", ret(recv(s, text, 8, MSG_DONTWAIT)));
}

BEHAVIOUR(urgent_data)
{
    char x = 0;
    connected();
    CHECK(send(c, "ab!", 3, MSG_OOB) == 3);
    struct pollfd p = {s, POLLPRI, 0};
    SHOW("poll", ret(poll(&p, 1, 5000)));
    SHOW("oob", ret(recv(s, &x, 1, MSG_OOB)));
    say("byte=%c", x);
    SHOW("again", ret(recv(s, &x, 1, MSG_OOB)));
    SHOW("normal", ret(recv(s, (char[8]){0}, 8, 0)));
}

BEHAVIOUR(large_transfer)
{
    enum { TOTAL = 3 << 20 };
    static char block[65536];
    connected();
    pid_t pid = start();
    if (pid == 0) {
        unsigned sum = 0;
        size_t got = 0;
        ssize_t n;
        close(c);
        while ((n = read(s, block, sizeof block)) > 0)
            for (ssize_t i = 0; i < n; i++, got++)
                sum += (unsigned char)block[i] == (unsigned char)(got % 251);
        _exit(got == TOTAL && sum == TOTAL ? 0 : 1);
    }
    close(s);
    size_t sent = 0;
    while (sent < TOTAL) {
        size_t n = sizeof block < TOTAL - sent ? sizeof block : TOTAL - sent;
        for (size_t i = 0; i < n; i++)
            block[i] = (sent + i) % 251;
        ssize_t w = write(c, block, n);
        CHECK(w > 0);
        sent += w;
    }
    close(c);
    SHOW("receiver", reap(pid));
}

BEHAVIOUR(ipv6)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, peer;
    socklen_t n = sizeof a;
    int l = socket(AF_INET6, SOCK_STREAM, 0);
    if (l == -1 || bind(l, (void *)&a, sizeof a) == -1) {
        say("no IPv6 here: %s", errname(errno));
        return;
    }
    CHECK(listen(l, 1) == 0 && getsockname(l, (void *)&a, &n) == 0);
    c = MUST(socket(AF_INET6, SOCK_STREAM, 0));
    SHOW("connect", ok(connect(c, (void *)&a, sizeof a)));
    n = sizeof peer;
    s = accept(l, (void *)&peer, &n);
    SHOW("accept", ok(s));
    char text[64];
    say("peer=%s length=%d", inet_ntop(AF_INET6, &peer.sin6_addr, text, sizeof text), (int)n);
    SHOW("send", ret(send(c, "six", 3, 0)));
    SHOW("recv", ret(recv(s, text, 8, 0)));
}

BEHAVIOUR(dual_stack)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
    int l = socket(AF_INET6, SOCK_STREAM, 0), off = 0;
    socklen_t n = sizeof a;
    if (l == -1) {
        say("no IPv6 here: %s", errname(errno));
        return;
    }
    CHECK(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0);
    if (bind(l, (void *)&a, sizeof a) == -1) {
        say("no IPv6 here: %s", errname(errno));
        return;
    }
    CHECK(listen(l, 1) == 0 && getsockname(l, (void *)&a, &n) == 0);
    struct sockaddr_in four = local(ntohs(a.sin6_port));
    c = MUST(socket(AF_INET, SOCK_STREAM, 0));
    SHOW("connect", ok(connect(c, (void *)&four, sizeof four)));
    n = sizeof a;
    CHECK(accept(l, (void *)&a, &n) >= 0);
    say("mapped=%s", yes(IN6_IS_ADDR_V4MAPPED(&a.sin6_addr)));
}

BEHAVIOUR(options)
{
    int v = 0;
    socklen_t n = sizeof v;
    connected();
    CHECK(getsockopt(c, SOL_SOCKET, SO_TYPE, &v, &n) == 0);
    say("type=%d", v);
    CHECK(getsockopt(c, SOL_SOCKET, SO_PROTOCOL, &v, &n) == 0);
    say("protocol=%d", v);
    CHECK(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, &n) == 0);
    say("nodelay=%d", v);
    v = 1;
    SHOW("set_nodelay", ok(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, sizeof v)));
    v = 0;
    CHECK(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &v, &n) == 0);
    say("nodelay=%d", v);
    v = 1;
    SHOW("keepalive", ok(setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &v, sizeof v)));
    v = 100;
    SHOW("keepidle", ok(setsockopt(c, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof v)));
    v = 0;
    CHECK(getsockopt(c, IPPROTO_TCP, TCP_KEEPIDLE, &v, &n) == 0);
    say("keepidle=%d", v);
    SHOW("short_value", ok(setsockopt(c, SOL_SOCKET, SO_KEEPALIVE, &v, 1)));
    SHOW("unknown", ok(setsockopt(c, SOL_SOCKET, 7777, &v, sizeof v)));
    SHOW("unknown_tcp", ok(getsockopt(c, IPPROTO_TCP, 7777, &v, &n)));
    SHOW("level", ok(getsockopt(c, 7777, 1, &v, &n)));
    struct linger l;
    n = sizeof l;
    CHECK(getsockopt(c, SOL_SOCKET, SO_LINGER, &l, &n) == 0);
    say("linger=%d", l.l_onoff);
}

BEHAVIOUR(shared_by_fork)
{
    int l = listener();
    struct sockaddr_in a = local(port_of(l));
    pid_t pid = start();
    if (pid == 0) {
        s = MUST(accept(l, NULL, NULL));
        char text[8] = "";
        CHECK(read(s, text, 8) == 4);
        for (int i = 0; i < 4; i++)
            text[i] -= 32;
        _exit(write(s, text, 4) != 4);
    }
    close(l);
    char text[8] = "";
    c = MUST(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(connect(c, (void *)&a, sizeof a) == 0);
    CHECK(write(c, "echo", 4) == 4);
    SHOW("read", ret(read(c, text, 8)));
    say("text=%s child=%s", text, reap(pid));
    SHOW("end", ret(read(c, text, 8)));
}
