/* Named pipes: how opening waits, and what is like a pipe. */
#include "guest.h"
#include <poll.h>

static void make(void)
{
    CHECK(mkfifo("p", 0644) == 0);
}

BEHAVIOUR(nonblocking_open)
{
    make();
    SHOW("writer_alone", try_open("p", O_WRONLY | O_NONBLOCK));
    int r = open("p", O_RDONLY | O_NONBLOCK);
    SHOW("reader_alone", ok(r));
    int w = open("p", O_WRONLY | O_NONBLOCK);
    SHOW("writer_with_reader", ok(w));
    char c;
    SHOW("empty", ret(read(r, &c, 1)));
    SHOW("write", ret(write(w, "x", 1)));
    SHOW("read", ret(read(r, &c, 1)));
    close(w);
    SHOW("no_writer", ret(read(r, &c, 1)));
    SHOW("rdwr", try_open("p", O_RDWR));
}

BEHAVIOUR(open_meets)
{
    make();
    pid_t pid = start();
    if (pid == 0) {
        int w = open("p", O_WRONLY);
        _exit(write(w, "hello", 5) != 5);
    }
    char text[8] = "";
    int r = open("p", O_RDONLY);
    SHOW("open", ok(r));
    SHOW("read", ret(read(r, text, 8)));
    SHOW("text", text);
    SHOW("child", reap(pid));
    SHOW("end", ret(read(r, text, 8)));
}

BEHAVIOUR(writer_waits_for_reader)
{
    make();
    int p[2];
    char c;
    CHECK(pipe(p) == 0);
    pid_t pid = start();
    if (pid == 0) {
        CHECK(write(p[1], "1", 1) == 1);
        int w = open("p", O_WRONLY);
        CHECK(write(p[1], "3", 1) == 1);
        _exit(write(w, "x", 1) != 1);
    }
    CHECK(read(p[0], &c, 1) == 1);
    sleep_ms(30);
    CHECK(write(p[1], "2", 1) == 1);
    int r = open("p", O_RDONLY);
    CHECK(read(p[0], &c, 1) == 1);
    say("%c", c);
    CHECK(read(p[0], &c, 1) == 1);
    say("%c", c);
    SHOW("read", ret(read(r, &c, 1)));
    SHOW("child", reap(pid));
}

BEHAVIOUR(data_lives_while_open)
{
    make();
    int keep = MUST(open("p", O_RDWR | O_NONBLOCK));
    CHECK(write(keep, "stay", 4) == 4);
    char text[8] = "";
    int r = MUST(open("p", O_RDONLY | O_NONBLOCK));
    SHOW("through_other_fd", ret(read(r, text, 8)));
    CHECK(write(keep, "gone", 4) == 4);
    close(keep);
    close(r);
    r = MUST(open("p", O_RDONLY | O_NONBLOCK));
    SHOW("after_all_closed", ret(read(r, text, 8)));
}

BEHAVIOUR(link_and_rename)
{
    make();
    CHECK(link("p", "q") == 0 && rename("p", "s") == 0);
    int r = MUST(open("q", O_RDONLY | O_NONBLOCK)), w = MUST(open("s", O_WRONLY | O_NONBLOCK));
    char c;
    CHECK(write(w, "x", 1) == 1);
    SHOW("one_pipe", ret(read(r, &c, 1)));
    CHECK(unlink("q") == 0 && unlink("s") == 0);
    CHECK(write(w, "x", 1) == 1);
    SHOW("unlinked", ret(read(r, &c, 1)));
}

BEHAVIOUR(seek_and_size)
{
    make();
    int fd = MUST(open("p", O_RDWR));
    SHOW("lseek", ret(lseek(fd, 0, SEEK_SET)));
    SHOW("pread", ret(pread(fd, (char[1]){0}, 1, 0)));
    SHOW("truncate", ok(ftruncate(fd, 0)));
    SHOW("mmap", mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errname(errno) : "ok");
    SHOW("capacity", ret(fcntl(fd, F_GETPIPE_SZ)));
    SHOW("trunc_flag", try_open("p", O_RDWR | O_TRUNC));
    SHOW("creat_existing", try_open("p", O_RDWR | O_CREAT));
}

BEHAVIOUR(poll_before_first_writer)
{
    make();
    int r = MUST(open("p", O_RDONLY | O_NONBLOCK));
    struct pollfd one = {r, POLLIN, 0};
    SHOW("never_had_writer", ret(poll(&one, 1, 0)));
    close(MUST(open("p", O_WRONLY)));
    SHOW("had_writer", ret(poll(&one, 1, 0)));
    say("hup=%s", yes(one.revents & POLLHUP));
    int w = MUST(open("p", O_WRONLY));
    SHOW("has_writer", ret(poll(&one, 1, 0)));
    CHECK(write(w, "x", 1) == 1);
    SHOW("data", ret(poll(&one, 1, 0)));
}

BEHAVIOUR(permissions)
{
    drop_root();
    make();
    CHECK(chmod("p", 0200) == 0);
    SHOW("read", try_open("p", O_RDONLY | O_NONBLOCK));
    SHOW("rdwr", try_open("p", O_RDWR));
    SHOW("write", try_open("p", O_WRONLY | O_NONBLOCK));
    SHOW("exists", ok(mkfifo("p", 0600)));
    SHOW("missing_dir", ok(mkfifo("none/p", 0600)));
}
