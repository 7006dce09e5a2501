/* UDP over loopback; the interface itself. */
#include "guest.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
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

static int bound(void)
{
    struct sockaddr_in a = local(0);
    int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    CHECK(bind(fd, (void *)&a, sizeof a) == 0);
    return fd;
}

BEHAVIOUR(datagrams)
{
    int a = bound(), b = bound();
    struct sockaddr_in to = local(port_of(b)), from;
    socklen_t n = sizeof from;
    char text[16] = "";
    SHOW("sendto", ret(sendto(a, "hello", 5, 0, (void *)&to, sizeof to)));
    SHOW("recvfrom", ret(recvfrom(b, text, 16, 0, (void *)&from, &n)));
    say("text=%s from=%s length=%d", text, yes(ntohs(from.sin_port) == port_of(a)), (int)n);
    CHECK(sendto(a, "longer", 6, 0, (void *)&to, sizeof to) == 6);
    SHOW("cut", ret(recv(b, text, 3, 0)));
    SHOW("lost", ret(recv(b, text, 3, MSG_DONTWAIT)));
    CHECK(sendto(a, "longer", 6, 0, (void *)&to, sizeof to) == 6);
    SHOW("trunc", ret(recv(b, text, 3, MSG_TRUNC)));
    CHECK(sendto(a, "", 0, 0, (void *)&to, sizeof to) == 0);
    SHOW("empty", ret(recv(b, text, 3, 0)));
}

BEHAVIOUR(connected)
{
    int a = bound(), b = bound(), stranger = bound();
    struct sockaddr_in to = local(port_of(b)), back = local(port_of(a));
    char text[16] = "";
    SHOW("connect", ok(connect(a, (void *)&to, sizeof to)));
    SHOW("send", ret(send(a, "x", 1, 0)));
    SHOW("recv", ret(recv(b, text, 16, 0)));
    CHECK(sendto(stranger, "no", 2, 0, (void *)&back, sizeof back) == 2);
    sleep_ms(10);
    SHOW("stranger_filtered", ret(recv(a, text, 16, MSG_DONTWAIT)));
    CHECK(sendto(b, "yes", 3, 0, (void *)&back, sizeof back) == 3);
    SHOW("peer", ret(recv(a, text, 16, 0)));
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    SHOW("disconnect", ok(connect(a, &none, sizeof none)));
    SHOW("send", ret(send(a, "x", 1, 0)));
}

BEHAVIOUR(refused)
{
    int gone = bound(), port = port_of(gone);
    close(gone);
    int fd = bound();
    struct sockaddr_in to = local(port);
    CHECK(connect(fd, (void *)&to, sizeof to) == 0);
    SHOW("send", ret(send(fd, "x", 1, 0)));
    struct pollfd p = {fd, POLLIN, 0};
    SHOW("poll", ret(poll(&p, 1, 5000)));
    say("err=%s", yes(p.revents & POLLERR));
    SHOW("recv", ret(recv(fd, (char[1]){0}, 1, MSG_DONTWAIT)));
    SHOW("told_once", ret(recv(fd, (char[1]){0}, 1, MSG_DONTWAIT)));
}

BEHAVIOUR(errors)
{
    static char big[70000];
    int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in to = local(9);
    SHOW("no_address", ret(send(fd, "x", 1, 0)));
    SHOW("too_big", ret(sendto(fd, big, sizeof big, 0, (void *)&to, sizeof to)));
    SHOW("short_address", ret(sendto(fd, "x", 1, 0, (void *)&to, 4)));
    SHOW("listen", ok(listen(fd, 1)));
    SHOW("accept", ok(accept(fd, NULL, NULL)));
    SHOW("protocol", ok(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP)));
    SHOW("type", ok(socket(AF_INET, 77, 0)));
    to.sin_port = 0;
    SHOW("port_0", ret(sendto(fd, "x", 1, 0, (void *)&to, sizeof to)));
    drop_root();

    SHOW("raw", ok(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)));
    SHOW("packet", ok(socket(AF_PACKET, SOCK_RAW, 0)));
}

BEHAVIOUR(messages)
{
    int a = bound(), b = bound();
    struct sockaddr_in to = local(port_of(b)), from[3];
    struct iovec parts[3] = {{"one", 3}, {"two2", 4}, {"three", 5}};
    struct mmsghdr batch[3];
    char text[3][8];
    memset(batch, 0, sizeof batch);
    memset(text, 0, sizeof text);
    for (int i = 0; i < 3; i++) {
        batch[i].msg_hdr.msg_iov = &parts[i];
        batch[i].msg_hdr.msg_iovlen = 1;
        batch[i].msg_hdr.msg_name = &to;
        batch[i].msg_hdr.msg_namelen = sizeof to;
    }
    SHOW("sendmmsg", ret(sendmmsg(a, batch, 3, 0)));
    for (int i = 0; i < 3; i++) {
        parts[i] = (struct iovec){text[i], 8};
        batch[i].msg_hdr.msg_name = &from[i];
    }
    struct timespec t = {5, 0};
    SHOW("recvmmsg", ret(recvmmsg(b, batch, 3, 0, &t)));
    say("%s %s %s", text[0], text[1], text[2]);
    say("from=%s", yes(ntohs(from[2].sin_port) == port_of(a)));
    struct iovec gather[2] = {{"ga", 2}, {"ther", 4}};
    struct msghdr m = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = gather,
                       .msg_iovlen = 2};
    SHOW("gather", ret(sendmsg(a, &m, 0)));
    SHOW("one_datagram", ret(recv(b, text, sizeof text, 0)));
}

BEHAVIOUR(reuse_and_errors)
{
    int on = 1, a = MUST(socket(AF_INET, SOCK_DGRAM, 0)), b = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in any = local(0);
    CHECK(setsockopt(a, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(a, (void *)&any, sizeof any) == 0);
    any = local(port_of(a));
    SHOW("in_use", ok(bind(b, (void *)&any, sizeof any)));
    CHECK(setsockopt(b, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    SHOW("both_reuse", ok(bind(b, (void *)&any, sizeof any)));
    drop_root();
    int c = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    int v = 0;
    socklen_t n = sizeof v;
    CHECK(getsockopt(c, SOL_SOCKET, SO_BROADCAST, &v, &n) == 0);
    say("broadcast=%d", v);
}

BEHAVIOUR(poll_and_blocking)
{
    int a = bound(), b = bound();
    struct sockaddr_in to = local(port_of(b));
    struct pollfd p = {b, POLLIN | POLLOUT, 0};
    SHOW("poll", ret(poll(&p, 1, 0)));
    say("out_only=%s", yes(p.revents == POLLOUT));
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        _exit(sendto(a, "late", 4, 0, (void *)&to, sizeof to) != 4);
    }
    char text[8] = "";
    SHOW("recv", ret(recv(b, text, 8, 0)));
    say("text=%s child=%s", text, reap(pid));
    int n = -1;
    CHECK(sendto(a, "12345", 5, 0, (void *)&to, sizeof to) == 5);
    CHECK(sendto(a, "123", 3, 0, (void *)&to, sizeof to) == 3);
    CHECK(ioctl(b, FIONREAD, &n) == 0);
    say("fionread_is_first=%d", n);
}

BEHAVIOUR(autobind)
{
    int a = MUST(socket(AF_INET, SOCK_DGRAM, 0)), b = bound();
    struct sockaddr_in to = local(port_of(b)), own;
    socklen_t n = sizeof own;
    CHECK(getsockname(a, (void *)&own, &n) == 0);
    say("before=%d", own.sin_port);
    CHECK(sendto(a, "x", 1, 0, (void *)&to, sizeof to) == 1);
    CHECK(getsockname(a, (void *)&own, &n) == 0);
    say("after=%s address=%s", yes(own.sin_port != 0), inet_ntoa(own.sin_addr));
    CHECK(connect(a, (void *)&to, sizeof to) == 0);
    CHECK(getsockname(a, (void *)&own, &n) == 0);
    say("connected=%s", inet_ntoa(own.sin_addr));
}

BEHAVIOUR(loopback_interface)
{
    struct ifreq r;
    int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    memset(&r, 0, sizeof r);
    strcpy(r.ifr_name, "lo");
    SHOW("flags", ok(ioctl(fd, SIOCGIFFLAGS, &r)));
    say("up=%s loopback=%s", yes(r.ifr_flags & IFF_UP), yes(r.ifr_flags & IFF_LOOPBACK));
    SHOW("address", ok(ioctl(fd, SIOCGIFADDR, &r)));
    say("is=%s", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
    SHOW("mtu", ok(ioctl(fd, SIOCGIFMTU, &r)));
    say("mtu=%s", yes(r.ifr_mtu >= 1500));
    say("index=%u", if_nametoindex("lo"));
    strcpy(r.ifr_name, "nosuch0");
    SHOW("missing", ok(ioctl(fd, SIOCGIFFLAGS, &r)));
}

BEHAVIOUR(interface_addresses)
{
    struct ifaddrs *all;
    int lo = 0;
    SHOW("getifaddrs", ok(getifaddrs(&all)));
    for (struct ifaddrs *i = all; i; i = i->ifa_next)
        if (!strcmp(i->ifa_name, "lo") && i->ifa_addr && i->ifa_addr->sa_family == AF_INET)
            lo = ((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
    say("lo=%s", yes(lo));
}

BEHAVIOUR(numeric_lookup)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *found;
    SHOW("getaddrinfo", getaddrinfo("127.0.0.1", "80", &hints, &found) == 0 ? "ok" : "failed");
    struct sockaddr_in *a = (void *)found->ai_addr;
    say("address=%s port=%d", inet_ntoa(a->sin_addr), ntohs(a->sin_port));
}
