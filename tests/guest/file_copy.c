/* copy_file_range, sendfile, splice, tee, vmsplice. */
#include "guest.h"
#include <sys/sendfile.h>
#include <sys/socket.h>

static int file(const char *name, const char *text)
{
    make_file(name, text);
    return MUST(open(name, O_RDWR));
}

static int in_pipe(int fd)
{
    int n = -1;
    syscall(SYS_ioctl, fd, 0x541B /* FIONREAD */, &n);
    return n;
}

BEHAVIOUR(copy_range)
{
    int a = file("a", "0123456789"), b = file("b", "");
    SHOW("copy", ret(copy_file_range(a, NULL, b, NULL, 4, 0)));
    SHOW("rest", ret(copy_file_range(a, NULL, b, NULL, 100, 0)));
    SHOW("end", ret(copy_file_range(a, NULL, b, NULL, 100, 0)));
    SHOW("b", file_text("b"));
    off_t from = 8, to = 1;
    SHOW("offsets", ret(copy_file_range(a, &from, b, &to, 2, 0)));
    say("from=%d to=%d", (int)from, (int)to);
    SHOW("b", file_text("b"));
    SHOW("own_offset", ret(lseek(b, 0, SEEK_CUR)));
}

BEHAVIOUR(copy_range_errors)
{
    int a = file("a", "0123456789"), b = file("b", ""), p[2];
    CHECK(pipe(p) == 0);
    off_t zero = 0, three = 3;
    SHOW("overlap", ret(copy_file_range(a, &zero, a, &three, 5, 0)));
    SHOW("same_file", ret(copy_file_range(a, &zero, a, &three, 3, 0)));
    SHOW("flags", ret(copy_file_range(a, NULL, b, NULL, 1, 1)));
    SHOW("pipe", ret(copy_file_range(p[0], NULL, b, NULL, 1, 0)));
    SHOW("dir", ret(copy_file_range(MUST(open(".", O_RDONLY)), NULL, b, NULL, 1, 0)));
    SHOW("to_rdonly", ret(copy_file_range(a, NULL, MUST(open("b", O_RDONLY)),
                                          NULL, 1, 0)));
    SHOW("to_append", ret(copy_file_range(a, NULL, MUST(open("b", O_WRONLY | O_APPEND)),
                                          NULL, 1, 0)));
    SHOW("bad_fd", ret(copy_file_range(999, NULL, b, NULL, 1, 0)));
    SHOW("fault", ret(copy_file_range(a, bad(), b, NULL, 1, 0)));
}

BEHAVIOUR(sendfile_to_file)
{
    int a = file("a", "0123456789"), b = file("b", "");
    SHOW("call", ret(sendfile(b, a, NULL, 4)));
    SHOW("offset", ret(lseek(a, 0, SEEK_CUR)));
    off_t from = 6;
    SHOW("at", ret(sendfile(b, a, &from, 100)));
    say("from=%d", (int)from);
    SHOW("offset_kept", ret(lseek(a, 0, SEEK_CUR)));
    SHOW("b", file_text("b"));
}

BEHAVIOUR(sendfile_to_pipe_and_socket)
{
    int a = file("a", "0123456789"), p[2], s[2];
    char text[16] = "";
    CHECK(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    SHOW("pipe", ret(sendfile(p[1], a, NULL, 3)));
    SHOW("read", ret(read(p[0], text, 16)));
    SHOW("text", text);
    SHOW("socket", ret(sendfile(s[0], a, NULL, 100)));
    SHOW("read", ret(read(s[1], text, 16)));
    SHOW("text", text);
}

BEHAVIOUR(sendfile_errors)
{
    int a = file("a", "0123456789"), b = file("b", ""), p[2];
    CHECK(pipe(p) == 0);
    SHOW("from_pipe_offset", ret(sendfile(b, p[0], &(off_t){0}, 1)));
    SHOW("to_rdonly", ret(sendfile(MUST(open("b", O_RDONLY)), a, NULL, 1)));
    SHOW("from_wronly", ret(sendfile(b, MUST(open("a", O_WRONLY)), NULL, 1)));
    SHOW("to_append", ret(sendfile(MUST(open("b", O_WRONLY | O_APPEND)), a,
                                   NULL, 1)));
    SHOW("negative", ret(sendfile(b, a, &(off_t){-1}, 1)));
    SHOW("fault", ret(sendfile(b, a, bad(), 1)));
    SHOW("bad_fd", ret(sendfile(b, 999, NULL, 1)));
}

BEHAVIOUR(splice_file_and_pipe)
{
    int a = file("a", "0123456789"), b = file("b", ""), p[2];
    CHECK(pipe(p) == 0);
    SHOW("in", ret(splice(a, NULL, p[1], NULL, 6, 0)));
    say("held=%d", in_pipe(p[0]));
    SHOW("out", ret(splice(p[0], NULL, b, NULL, 4, 0)));
    say("held=%d", in_pipe(p[0]));
    off_t at = 8;
    SHOW("in_at", ret(splice(a, &at, p[1], NULL, 100, 0)));
    say("at=%d", (int)at);
    SHOW("b", file_text("b"));
    SHOW("offset", ret(lseek(a, 0, SEEK_CUR)));
}

BEHAVIOUR(splice_pipe_to_pipe)
{
    int p[2], q[2];
    char text[8] = "";
    CHECK(pipe(p) == 0 && pipe(q) == 0);
    CHECK(write(p[1], "abcdef", 6) == 6);
    SHOW("move", ret(splice(p[0], NULL, q[1], NULL, 4, 0)));
    say("left=%d moved=%d", in_pipe(p[0]), in_pipe(q[0]));
    SHOW("read", ret(read(q[0], text, 8)));
    SHOW("text", text);
    SHOW("itself", ret(splice(p[0], NULL, p[1], NULL, 1, 0)));
}

BEHAVIOUR(splice_errors)
{
    int a = file("a", "0123456789"), b = file("b", ""), p[2];
    CHECK(pipe(p) == 0);
    SHOW("no_pipe", ret(splice(a, NULL, b, NULL, 1, 0)));
    SHOW("pipe_offset", ret(splice(p[0], &(off_t){0}, b, NULL, 1, 0)));
    SHOW("wrong_end", ret(splice(a, NULL, p[0], NULL, 1, 0)));
    SHOW("flags", ret(splice(a, NULL, p[1], NULL, 1, 0x100)));
    SHOW("zero", ret(splice(a, NULL, p[1], NULL, 0, 0)));
    SHOW("empty_nonblock", ret(splice(p[0], NULL, b, NULL, 1,
                                      SPLICE_F_NONBLOCK)));
    SHOW("append", ret((CHECK(write(p[1], "x", 1) == 1),
                        splice(p[0], NULL, MUST(open("b", O_WRONLY | O_APPEND)),
                               NULL, 1, 0))));
    close(p[1]);
    char c;
    CHECK(read(p[0], &c, 1) == 1);
    SHOW("end_of_pipe", ret(splice(p[0], NULL, b, NULL, 1, 0)));
}

BEHAVIOUR(tee_copies)
{
    int p[2], q[2];
    char text[8] = "";
    CHECK(pipe(p) == 0 && pipe(q) == 0);
    CHECK(write(p[1], "abcdef", 6) == 6);
    SHOW("tee", ret(tee(p[0], q[1], 4, 0)));
    say("first=%d second=%d", in_pipe(p[0]), in_pipe(q[0]));
    SHOW("read", ret(read(q[0], text, 8)));
    SHOW("text", text);
    SHOW("same", ret(tee(p[0], p[1], 4, 0)));
    SHOW("file", ret(tee(file("a", "x"), q[1], 4, 0)));
    SHOW("flags", ret(tee(p[0], q[1], 4, 0x100)));
    CHECK(read(p[0], text, 8) == 6);
    SHOW("empty_nonblock", ret(tee(p[0], q[1], 4, SPLICE_F_NONBLOCK)));
}

BEHAVIOUR(vmsplice_memory)
{
    int p[2];
    char text[16] = "";
    CHECK(pipe(p) == 0);
    struct iovec out[2] = {{"hello ", 6}, {"world", 5}};
    SHOW("in", ret(vmsplice(p[1], out, 2, 0)));
    SHOW("read", ret(read(p[0], text, 16)));
    SHOW("text", text);
    CHECK(write(p[1], "back", 4) == 4);
    memset(text, 0, sizeof text);
    struct iovec in = {text, 16};
    SHOW("out", ret(vmsplice(p[0], &in, 1, 0)));
    SHOW("text", text);
    SHOW("file", ret(vmsplice(file("a", "x"), out, 1, 0)));
    SHOW("flags", ret(vmsplice(p[1], out, 1, 0x100)));
    SHOW("fault", ret(vmsplice(p[1], bad(), 1, 0)));
}
