/* sendfile, splice, tee, vmsplice. */
#include "guest.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static int p[2], q[2];
static char text[128];

static const char *content(int fd)
{
    memset(text, 0, sizeof text);
    return read(fd, text, 100) < 0 ? errname(errno) : text;
}

static int source(void)
{
    make_file("source", "0123456789");
    return MUST(open("source", O_RDWR));
}

static int target(void)
{
    return MUST(open("target", O_RDWR | O_CREAT | O_TRUNC, 0644));
}

BEHAVIOUR(send_file_to_file)
{
    int in = source(), out = target();
    off_t at = 8;
    SHOW("four", ret(sendfile(out, in, NULL, 4)));
    SHOW("offset", ret(sendfile(out, in, &at, 100)));
    say("at=%d position=%s", (int)at, ret(lseek(in, 0, SEEK_CUR)));
    SHOW("end", ret(sendfile(out, in, &at, 100)));
    SHOW("content", file_text("target"));
    at = -1;
    SHOW("negative", ret(sendfile(out, in, &at, 1)));
    SHOW("fault", ret(sendfile(out, in, bad(), 1)));
    int append = MUST(open("target", O_WRONLY | O_APPEND));
    SHOW("append", ret(sendfile(append, in, NULL, 1)));
    SHOW("write_only", ret(sendfile(out, append, NULL, 1)));
    SHOW("read_only", ret(sendfile(MUST(open("source", O_RDONLY)), in, NULL, 1)));
}

BEHAVIOUR(send_to_pipe_and_socket)
{
    int in = source(), s[2];
    CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    off_t at = 2;
    SHOW("pipe", ret(sendfile(p[1], in, &at, 3)));
    SHOW("content", content(p[0]));
    SHOW("socket", ret(sendfile(s[0], in, NULL, 100)));
    SHOW("content", content(s[1]));
    SHOW("from_pipe", ret(sendfile(s[0], p[0], NULL, 1)));
    SHOW("from_pipe_at", ret(sendfile(s[0], p[0], &at, 1)));
    close(p[0]);
    signal(SIGPIPE, SIG_IGN);
    lseek(in, 0, SEEK_SET);
    SHOW("broken", ret(sendfile(p[1], in, NULL, 1)));
}

BEHAVIOUR(send_more_than_fits)
{
    static char big[200000];
    memset(big, 'b', sizeof big);
    int in = target();
    CHECK(write(in, big, sizeof big) == sizeof big && pipe(p) == 0);
    lseek(in, 0, SEEK_SET);
    SHOW("full", ret(sendfile(p[1], in, NULL, sizeof big)));
    CHECK(fcntl(p[1], F_SETFL, O_NONBLOCK) == 0);
    SHOW("nonblock", ret(sendfile(p[1], in, NULL, sizeof big)));
    SHOW("splice", ret(splice(in, NULL, p[1], NULL, 1, 0)));
    CHECK(fcntl(p[1], F_SETFL, 0) == 0);
    pid_t child = start();
    if (child == 0) {
        close(p[1]);
        ssize_t n, all = 0;
        sleep_ms(20);
        while ((n = read(p[0], big, sizeof big)) > 0)
            all += n;
        _exit(all == sizeof big ? 0 : 1);
    }
    close(p[0]);
    while (sendfile(p[1], in, NULL, sizeof big) > 0)
        ;
    close(p[1]);
    SHOW("child", reap(child));
}

BEHAVIOUR(splice_through)
{
    int in = source(), out = target();
    loff_t at = 3;
    CHECK(pipe(p) == 0);
    SHOW("in", ret(splice(in, &at, p[1], NULL, 4, 0)));
    say("at=%d", (int)at);
    at = 2;
    SHOW("out", ret(splice(p[0], NULL, out, &at, 100, 0)));
    CHECK(lseek(out, 2, SEEK_SET) == 2);
    SHOW("content", content(out));
    SHOW("empty", ret(splice(p[0], NULL, out, NULL, 1, SPLICE_F_NONBLOCK)));
    SHOW("nothing", ret(splice(99, NULL, 98, NULL, 0, 0)));
    close(p[1]);
    SHOW("end", ret(splice(p[0], NULL, out, NULL, 1, 0)));
}

BEHAVIOUR(splice_errors)
{
    int in = source(), out = target();
    loff_t at = 0;
    CHECK(pipe(p) == 0);
    SHOW("no_pipe", ret(splice(in, NULL, out, NULL, 1, 0)));
    SHOW("same_pipe", ret(splice(p[0], NULL, p[1], NULL, 1, 0)));
    SHOW("pipe_offset", ret(splice(p[0], &at, out, NULL, 1, 0)));
    SHOW("pipe_offset", ret(splice(in, NULL, p[1], &at, 1, 0)));
    SHOW("flags", ret(splice(in, NULL, p[1], NULL, 1, 0x100)));
    SHOW("wrong_ends", ret(splice(p[1], NULL, out, NULL, 1, 0)));
    SHOW("closed", ret(splice(99, NULL, p[1], NULL, 1, 0)));
    int append = MUST(open("target", O_WRONLY | O_APPEND));
    SHOW("append", ret(splice(p[0], NULL, append, NULL, 1, 0)));
}

BEHAVIOUR(tee_keeps)
{
    CHECK(pipe(p) == 0 && pipe(q) == 0);
    CHECK(write(p[1], "twice", 5) == 5);
    SHOW("tee", ret(tee(p[0], q[1], 100, 0)));
    SHOW("copy", content(q[0]));
    SHOW("splice", ret(splice(p[0], NULL, q[1], NULL, 100, 0)));
    SHOW("moved", content(q[0]));
    SHOW("empty", ret(tee(p[0], q[1], 1, SPLICE_F_NONBLOCK)));
    SHOW("same", ret(tee(p[0], p[1], 1, 0)));
    SHOW("no_pipe", ret(tee(p[0], source(), 1, 0)));
    SHOW("zero", ret(tee(p[0], q[1], 0, 0)));
    close(p[1]);
    SHOW("end", ret(tee(p[0], q[1], 1, 0)));
}

BEHAVIOUR(memory_to_pipe)
{
    struct iovec parts[2] = {{fence_string("mem"), 3}, {fence_string("ory"), 3}};
    CHECK(pipe(p) == 0);
    SHOW("out", ret(vmsplice(p[1], parts, 2, 0)));
    struct iovec back = {fence(6), 6};
    SHOW("back", ret(vmsplice(p[0], &back, 1, 0)));
    say("text=%.6s", (char *)back.iov_base);
    SHOW("empty", ret(vmsplice(p[0], &back, 1, SPLICE_F_NONBLOCK)));
    SHOW("no_pipe", ret(vmsplice(source(), &back, 1, 0)));
    SHOW("flags", ret(vmsplice(p[1], parts, 1, 0x100)));
}

BEHAVIOUR(vmsplice_more_than_fits)
{
    int p[2];
    CHECK(pipe(p) == 0);
    size_t size = 300 * 4096;
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec all = {pages, size};
    SHOW("waits_once", ret(vmsplice(p[1], &all, 1, 0)));
    SHOW("full", ret(vmsplice(p[1], &all, 1, SPLICE_F_NONBLOCK)));
}

/* A file sent to its own end grows as fast as it is read, a few bytes at a time: until a signal. */
static void nothing(int signo) {}

static pid_t send_until(int milliseconds)
{
    int out = source(), in = MUST(open("source", O_RDWR));
    signal(SIGUSR1, nothing);
    pid_t pid = start();
    if (pid == 0) {
        off_t at = 0;
        struct itimerval end = {{0, 0}, {milliseconds / 1000, milliseconds % 1000 * 1000}};
        CHECK(lseek(out, 0, SEEK_END) > 0);
        CHECK(setitimer(ITIMER_REAL, &end, NULL) == 0);
        _exit(sendfile(out, in, &at, 1 << 30) > 0 ? 3 : 4);
    }
    return pid;
}

BEHAVIOUR(sent_to_its_own_end)
{
    SHOW("ended", reap(send_until(200)));
}

BEHAVIOUR(sent_to_its_own_end_until_a_signal)
{
    pid_t pid = send_until(5000);
    int status;
    do { /* the first ones may come before the call */
        sleep_ms(50);
        CHECK(kill(pid, SIGUSR1) == 0);
    } while (waitpid(pid, &status, WNOHANG) == 0);
    say("exit=%d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}
