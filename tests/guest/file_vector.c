/* readv, writev, preadv2, pwritev2 and process_vm_readv. */
#include "guest.h"
#include <pthread.h>
#include <sys/socket.h>

static int scratch(const char *text)
{
    make_file("f", text);
    return MUST(open("f", O_RDWR));
}

BEHAVIOUR(gather_and_scatter)
{
    int fd = scratch("");
    struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cde", 3}};
    SHOW("writev", ret(writev(fd, out, 3)));
    SHOW("content", file_text("f"));
    char a[2], b[9] = "";
    struct iovec in[2] = {{a, 2}, {b, 8}};
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    SHOW("readv", ret(readv(fd, in, 2)));
    say("a=%.2s b=%s", a, b);
}

BEHAVIOUR(count_limits)
{
    int fd = scratch("x");
    static struct iovec many[1025];
    SHOW("zero", ret(writev(fd, many, 0)));
    SHOW("1024", ret(writev(fd, many, 1024)));
    SHOW("1025", ret(writev(fd, many, 1025)));
    SHOW("negative", ret(syscall(SYS_writev, fd, many, -1L)));
    SHOW("zero_bad_fd", ret(writev(999, many, 0)));
    SHOW("fault", ret(writev(fd, bad(), 1)));
    SHOW("fault_zero", ret(writev(fd, bad(), 0)));
    struct iovec fenced = {"abc", 3};
    SHOW("fenced", ret(writev(fd, fence_copy(&fenced, sizeof fenced), 1)));
}

BEHAVIOUR(length_limits)
{
    int fd = scratch("x");
    struct iovec one = {"x", (size_t)-1};
    SHOW("negative_length", ret(writev(fd, &one, 1)));
    struct iovec second[2] = {{"ab", 2}, {"x", (size_t)-1}};
    SHOW("in_second", ret(writev(fd, second, 2)));
    SHOW("untouched", file_text("f"));
}

BEHAVIOUR(fault_in_second)
{
    int fd = scratch("");
    struct iovec out[2] = {{"abcd", 4}, {bad(), 4}};
    ssize_t n = writev(fd, out, 2);
    say("writev=%s", yes(n == 4 || (n == -1 && errno == EFAULT)));
    struct iovec only[2] = {{bad(), 4}, {"abcd", 4}};
    SHOW("first_bad", ret(writev(fd, only, 2)));
    fd = scratch("01234567");
    char a[4];
    struct iovec in[2] = {{a, 4}, {bad(), 4}};
    n = readv(fd, in, 2);
    say("readv=%s", yes(n == 4 || (n == -1 && errno == EFAULT)));
}

BEHAVIOUR(positioned)
{
    int fd = scratch("0123456789");
    char a[3] = "", b[3] = "";
    struct iovec in[2] = {{a, 2}, {b, 2}};
    SHOW("preadv", ret(preadv(fd, in, 2, 5)));
    say("a=%s b=%s", a, b);
    struct iovec out[2] = {{"XX", 2}, {"YY", 2}};
    SHOW("pwritev", ret(pwritev(fd, out, 2, 1)));
    SHOW("offset", ret(lseek(fd, 0, SEEK_CUR)));
    SHOW("content", file_text("f"));
    SHOW("negative", ret(preadv(fd, in, 2, -1)));
    int p[2];
    CHECK(pipe(p) == 0);
    SHOW("pipe", ret(preadv(p[0], in, 2, 0)));
}

BEHAVIOUR(version_two)
{
    int fd = scratch("0123456789");
    char a[4] = "";
    struct iovec in = {a, 3};
    SHOW("at", ret(preadv2(fd, &in, 1, 4, 0)));
    SHOW("text", a);
    /* -1 means: the file's own offset. */
    SHOW("current", ret(preadv2(fd, &in, 1, -1, 0)));
    SHOW("text", a);
    SHOW("offset", ret(lseek(fd, 0, SEEK_CUR)));
    SHOW("unknown", ret(preadv2(fd, &in, 1, 0, 0x4000000)));
    int p[2];
    CHECK(pipe(p) == 0);
    struct iovec out = {"pp", 2};
    SHOW("pipe_current", ret(pwritev2(p[1], &out, 1, -1, 0)));
}

BEHAVIOUR(append_flag)
{
    int fd = scratch("base");
    struct iovec out = {"+", 1};
    SHOW("append", ret(pwritev2(fd, &out, 1, 0, RWF_APPEND)));
    SHOW("content", file_text("f"));
    SHOW("plain", ret(pwritev2(fd, &out, 1, 0, RWF_DSYNC)));
    SHOW("content", file_text("f"));
}

BEHAVIOUR(process_vm)
{
    char here[8] = "", there[8] = "outside";
    struct iovec local = {here, 8}, remote = {there, 8};
    SHOW("own", ret(process_vm_readv(getpid(), &local, 1, &remote, 1, 0)));
    SHOW("text", here);
    SHOW("flags", ret(process_vm_readv(getpid(), &local, 1, &remote, 1, 1)));
    remote.iov_base = bad();
    SHOW("fault", ret(process_vm_readv(getpid(), &local, 1, &remote, 1, 0)));
    SHOW("nobody", ret(process_vm_readv(INT_MAX, &local, 1, &remote, 1, 0)));
    volatile char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t pid = start();
    if (pid == 0) {
        shared[0] = 'c';
        raise(SIGSTOP);
        _exit(shared[1]);
    }
    int status;
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    remote = (struct iovec){(void *)shared, 1};
    local.iov_len = 1;
    SHOW("child", ret(process_vm_readv(pid, &local, 1, &remote, 1, 0)));
    say("text=%c", here[0]);
    remote.iov_base = (void *)(shared + 1);
    here[0] = 7;
    SHOW("write", ret(process_vm_writev(pid, &local, 1, &remote, 1, 0)));
    kill(pid, SIGCONT);
    SHOW("child", reap(pid));
}

/* A call that waits has read its array: what another thread does to it meanwhile has no effect. */
static struct iovec changing;
static int ends[2];

static void *late_reader(void *arg)
{
    static char sink[400000];
    size_t got = 0;
    ssize_t n;
    usleep(300000);
    changing.iov_len = 1;
    while (got < 300000 && (n = read(ends[0], sink, sizeof sink)) > 0)
        got += n;
    return arg;
}

static void *late_writer(void *arg)
{
    usleep(300000);
    changing.iov_len = 1;
    CHECK(write(ends[1], "abc", 3) == 3);
    usleep(100000);
    CHECK(write(ends[1], "de", 2) == 2);
    return arg;
}

static void while_it_waits(void *(*other)(void *), ssize_t (*call)(void), const char *what)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, other, NULL) == 0);
    SHOW(what, ret(call()));
    CHECK(pthread_join(thread, NULL) == 0);
    close(ends[0]);
    close(ends[1]);
}

static ssize_t write_it(void) { return writev(ends[1], &changing, 1); }
static ssize_t read_it(void) { return readv(ends[0], &changing, 1); }
static ssize_t send_it(void)
{
    struct msghdr header = {.msg_iov = &changing, .msg_iovlen = 1};
    return sendmsg(ends[1], &header, 0);
}
static ssize_t receive_it(void)
{
    struct msghdr header = {.msg_iov = &changing, .msg_iovlen = 1};
    return recvmsg(ends[0], &header, MSG_WAITALL);
}

BEHAVIOUR(array_changed_while_waiting)
{
    static char big[300000];
    char text[6] = "";
    CHECK(pipe(ends) == 0);
    changing = (struct iovec){big, sizeof big};
    while_it_waits(late_reader, write_it, "writev");
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    int room = 20000;
    CHECK(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room) == 0);
    changing = (struct iovec){big, sizeof big};
    while_it_waits(late_reader, send_it, "sendmsg");
    CHECK(pipe(ends) == 0);
    changing = (struct iovec){text, 5};
    while_it_waits(late_writer, read_it, "readv");
    SHOW("text", text);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    changing = (struct iovec){text, 5};
    while_it_waits(late_writer, receive_it, "recvmsg");
    SHOW("text", text);
}
