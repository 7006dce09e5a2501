/* AF_UNIX datagrams; passing descriptors and credentials. */
#include "guest.h"
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

static int s[2];

static socklen_t name(struct sockaddr_un *a, const char *path)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    strcpy(a->sun_path, path);
    return sizeof *a;
}

static int bound(const char *path)
{
    struct sockaddr_un a;
    int fd = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
    CHECK(bind(fd, (void *)&a, name(&a, path)) == 0);
    return fd;
}

BEHAVIOUR(datagrams)
{
    struct sockaddr_un to, from;
    char text[16] = "";
    int a = bound("a"), b = bound("b");
    socklen_t n = name(&to, "b");
    SHOW("sendto", ret(sendto(a, "one", 3, 0, (void *)&to, n)));
    SHOW("sendto", ret(sendto(a, "second", 6, 0, (void *)&to, n)));
    n = sizeof from;
    SHOW("recvfrom", ret(recvfrom(b, text, 16, 0, (void *)&from, &n)));
    say("from=%s", from.sun_path);
    SHOW("cut", ret(recv(b, text, 3, 0)));
    SHOW("lost", ret(recv(b, text, 16, MSG_DONTWAIT)));
    SHOW("missing", ret(sendto(a, "x", 1, 0, (void *)&to, name(&to, "none"))));
    SHOW("no_address", ret(send(a, "x", 1, 0)));
    close(b);
    SHOW("closed", ret(sendto(a, "x", 1, 0, (void *)&to, name(&to, "b"))));
}

BEHAVIOUR(connected)
{
    struct sockaddr_un to;
    char text[16] = "";
    int a = bound("a"), b = bound("b"), c = bound("c");
    CHECK(connect(a, (void *)&to, name(&to, "b")) == 0);
    SHOW("send", ret(send(a, "x", 1, 0)));
    SHOW("recv", ret(recv(b, text, 16, 0)));
    CHECK(connect(b, (void *)&to, name(&to, "a")) == 0);
    /* b now takes from a only. */
    SHOW("stranger", ret(sendto(c, "x", 1, 0, (void *)&to, name(&to, "b"))));
    memset(&to, 0, sizeof to);
    SHOW("disconnect", ok(connect(b, (void *)&to, sizeof to)));
    SHOW("stranger_now", ret(sendto(c, "x", 1, 0, (void *)&to, name(&to, "b"))));
    struct sockaddr_un wrong;
    int stream = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    SHOW("wrong_type", ok(connect(stream, (void *)&wrong, name(&wrong, "a"))));
}

BEHAVIOUR(pair_keeps_boundaries)
{
    char text[16] = "";
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    CHECK(write(s[0], "aa", 2) == 2 && write(s[0], "bbb", 3) == 3);
    SHOW("first", ret(read(s[1], text, 16)));
    SHOW("second", ret(read(s[1], text, 16)));
    SHOW("empty_datagram", ret(send(s[0], "", 0, 0)));
    SHOW("received", ret(recv(s[1], text, 16, MSG_DONTWAIT)));
    CHECK(write(s[0], "cccc", 4) == 4);
    struct iovec part = {text, 2};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    SHOW("recvmsg", ret(recvmsg(s[1], &m, 0)));
    say("truncated=%s", yes(m.msg_flags & MSG_TRUNC));
    static char big[1 << 20];
    SHOW("too_big", ret(send(s[0], big, sizeof big, MSG_DONTWAIT)));
}

union control {
    char space[256];
    struct cmsghdr align;
};

static ssize_t send_fds(int to, const int *fds, int count, const char *text)
{
    union control c;
    memset(&c, 0, sizeof c);
    struct iovec part = {(void *)text, strlen(text)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = c.space,
                       .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_RIGHTS;
    h->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(h), fds, count * sizeof(int));
    return sendmsg(to, &m, 0);
}

static int control_flags;

static int receive_fds(int from, int *fds, int room, int flags)
{
    union control c;
    char text[8];
    struct iovec part = {text, 8};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = c.space,
                       .msg_controllen = room ? CMSG_SPACE(room * sizeof(int)) : 0};
    if (recvmsg(from, &m, flags) == -1)
        return -1;
    control_flags = m.msg_flags;
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    if (!h || h->cmsg_type != SCM_RIGHTS)
        return 0;
    int n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(h), n * sizeof(int));
    return n;
}

BEHAVIOUR(pass_descriptors)
{
    int got[4] = {-1, -1, -1, -1};
    char text[16] = "";
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    make_file("f", "0123456789");
    int fd = MUST(open("f", O_RDONLY)), p[2];
    CHECK(pipe(p) == 0 && lseek(fd, 4, SEEK_SET) == 4);
    SHOW("send", ret(send_fds(s[0], (int[]){fd, p[0]}, 2, "x")));
    close(fd);
    SHOW("received", ret(receive_fds(s[1], got, 4, MSG_CMSG_CLOEXEC)));
    say("new=%s cloexec=%d", yes(got[0] >= 0 && got[1] != p[0]), fcntl(got[0], F_GETFD));
    SHOW("shared_offset", ret(read(got[0], text, 16)));
    SHOW("text", text);
    CHECK(write(p[1], "through", 7) == 7);
    SHOW("pipe", ret(read(got[1], text, 16)));
}

BEHAVIOUR(pass_to_another_process)
{
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    pid_t pid = start();
    if (pid == 0) {
        int got = -1;
        if (receive_fds(s[1], &got, 1, 0) != 1)
            _exit(1);
        _exit(write(got, "from child", 10) == 10 ? 0 : 2);
    }
    int p[2];
    char text[16] = "";
    CHECK(pipe(p) == 0);
    SHOW("send", ret(send_fds(s[0], &p[1], 1, "x")));
    SHOW("child", reap(pid));
    SHOW("read", ret(read(p[0], text, 16)));
    SHOW("text", text);
}

BEHAVIOUR(pass_rules)
{
    int got[4], fds[3] = {0, 0, 0};
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    SHOW("bad_fd", ret(send_fds(s[0], (int[]){999}, 1, "x")));
    CHECK(send_fds(s[0], fds, 3, "x") == 1);
    SHOW("room_for_one", ret(receive_fds(s[1], got, 1, 0)));
    say("ctrunc=%s", yes(control_flags & MSG_CTRUNC));
    CHECK(send_fds(s[0], fds, 1, "x") == 1);
    SHOW("no_room", ret(receive_fds(s[1], got, 0, 0)));
    say("ctrunc=%s", yes(control_flags & MSG_CTRUNC));
    CHECK(send_fds(s[0], &s[0], 1, "x") == 1);
    SHOW("a_socket_itself", ret(receive_fds(s[1], got, 1, 0)));
    CHECK(send_fds(s[0], fds, 1, "x") == 1);
    SHOW("peek", ret(receive_fds(s[1], got, 1, MSG_PEEK)));
    SHOW("after_peek", ret(receive_fds(s[1], got, 1, 0)));
}

BEHAVIOUR(descriptors_on_the_way)
{
    /* The pipe stays open while its write end is only in flight. */
    int p[2], got = -1;
    char c;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && pipe2(p, O_NONBLOCK) == 0);
    CHECK(send_fds(s[0], &p[1], 1, "x") == 1);
    close(p[1]);
    SHOW("in_flight", ret(read(p[0], &c, 1)));
    CHECK(receive_fds(s[1], &got, 1, 0) == 1);
    SHOW("received", ret(read(p[0], &c, 1)));
    CHECK(send_fds(s[0], &got, 1, "x") == 1);
    close(got);
    close(s[0]);
    close(s[1]);
    SHOW("dropped_with_socket", ret(read(p[0], &c, 1)));
}

BEHAVIOUR(credentials)
{
    union control c;
    char text[8];
    int on = 1;
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    SHOW("passcred", ok(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on)));
    CHECK(write(s[0], "x", 1) == 1);
    struct iovec part = {text, 8};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = c.space,
                       .msg_controllen = sizeof c};
    SHOW("recvmsg", ret(recvmsg(s[1], &m, 0)));
    struct cmsghdr *h = CMSG_FIRSTHDR(&m);
    CHECK(h && h->cmsg_type == SCM_CREDENTIALS);
    struct ucred *u = (void *)CMSG_DATA(h);
    say("pid=%s uid=%s gid=%s", yes(u->pid == getpid()), yes(u->uid == geteuid()),
        yes(u->gid == getegid()));
    /* Sending one's own is free, somebody else's is not. */
    drop_root();
    struct ucred mine = {getpid(), getuid(), getgid()};
    memset(&c, 0, sizeof c);
    m.msg_controllen = CMSG_SPACE(sizeof mine);
    h = CMSG_FIRSTHDR(&m);
    h->cmsg_level = SOL_SOCKET;
    h->cmsg_type = SCM_CREDENTIALS;
    h->cmsg_len = CMSG_LEN(sizeof mine);
    memcpy(CMSG_DATA(h), &mine, sizeof mine);
    SHOW("own", ret(sendmsg(s[0], &m, 0)));
    mine.uid++;
    memcpy(CMSG_DATA(h), &mine, sizeof mine);
    SHOW("forged", ret(sendmsg(s[0], &m, 0)));
}

BEHAVIOUR(message_batches)
{
    char text[3][8];
    struct iovec parts[3];
    struct mmsghdr batch[3];
    memset(batch, 0, sizeof batch);
    memset(text, 0, sizeof text);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    static const char *const words[] = {"a", "bb", "ccc"};
    for (int i = 0; i < 3; i++) {
        parts[i] = (struct iovec){(void *)words[i], strlen(words[i])};
        batch[i].msg_hdr.msg_iov = &parts[i];
        batch[i].msg_hdr.msg_iovlen = 1;
    }
    SHOW("sendmmsg", ret(sendmmsg(s[0], batch, 3, 0)));
    say("lengths=%d,%d,%d", batch[0].msg_len, batch[1].msg_len, batch[2].msg_len);
    for (int i = 0; i < 3; i++)
        parts[i] = (struct iovec){text[i], 8};
    SHOW("recvmmsg", ret(recvmmsg(s[1], batch, 3, MSG_DONTWAIT, NULL)));
    say("texts=%s,%s,%s", text[0], text[1], text[2]);
    SHOW("none", ret(recvmmsg(s[1], batch, 3, MSG_DONTWAIT, NULL)));
    CHECK(write(s[0], "x", 1) == 1);
    SHOW("waitforone", ret(recvmmsg(s[1], batch, 3, MSG_WAITFORONE, NULL)));
}

BEHAVIOUR(message_errors)
{
    struct iovec part = {"x", 1};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 2000};
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
    SHOW("iovlen", ret(sendmsg(s[0], &m, 0)));
    SHOW("fault", ret(sendmsg(s[0], bad(), 0)));
    m.msg_iovlen = 1;
    m.msg_iov = bad();
    SHOW("iov_fault", ret(sendmsg(s[0], &m, 0)));
    m.msg_iov = &part;
    m.msg_control = bad();
    m.msg_controllen = 64;
    SHOW("control_fault", ret(sendmsg(s[0], &m, 0)));
    m.msg_controllen = 0;
    SHOW("fine", ret(sendmsg(s[0], &m, 0)));
    SHOW("oob", ret(send(s[0], "x", 1, MSG_OOB)));
    SHOW("not_socket", ret(send(MUST(open(".", O_RDONLY)), "x", 1, 0)));
}
