/* read, write, lseek and their positioned forms. */
#include "guest.h"

static int scratch(const char *text)
{
    make_file("f", text);
    return MUST(open("f", O_RDWR));
}

BEHAVIOUR(read_to_end)
{
    int fd = scratch("hello");
    char text[16] = "";
    SHOW("part", ret(read(fd, text, 2)));
    SHOW("rest", ret(read(fd, text, 16)));
    SHOW("end", ret(read(fd, text, 16)));
    SHOW("none", ret(read(fd, text, 0)));
    SHOW("text", text);
}

BEHAVIOUR(lseek_rules)
{
    int fd = scratch("0123456789");
    SHOW("set", ret(lseek(fd, 3, SEEK_SET)));
    SHOW("cur", ret(lseek(fd, 2, SEEK_CUR)));
    SHOW("back", ret(lseek(fd, -5, SEEK_CUR)));
    SHOW("end", ret(lseek(fd, -1, SEEK_END)));
    SHOW("past", ret(lseek(fd, 100, SEEK_END)));
    SHOW("negative", ret(lseek(fd, -1, SEEK_SET)));
    SHOW("still", ret(lseek(fd, 0, SEEK_CUR)));
    SHOW("whence", ret(lseek(fd, 0, 9)));
    SHOW("bad_fd", ret(lseek(999, 0, SEEK_SET)));
    int p[2];
    CHECK(pipe(p) == 0);
    SHOW("pipe", ret(lseek(p[0], 0, SEEK_CUR)));
    SHOW("big", yes(lseek(fd, 1ll << 40, SEEK_SET) == 1ll << 40));
    SHOW("overflow", ret(lseek(fd, INT64_MAX, SEEK_CUR)));
}

BEHAVIOUR(hole_reads_zero)
{
    int fd = scratch("ab");
    char text[16];
    memset(text, '#', sizeof text);
    SHOW("write", ret(pwrite(fd, "z", 1, 9)));
    say("size=%lld", file_size(fd));
    SHOW("read", ret(pread(fd, text, 16, 0)));
    int zeros = 1;
    for (int i = 2; i < 9; i++)
        zeros &= text[i] == 0;
    say("zeros=%s last=%c", yes(zeros), text[9]);
}

BEHAVIOUR(positioned)
{
    int fd = scratch("0123456789");
    char text[8] = "";
    CHECK(lseek(fd, 4, SEEK_SET) == 4);
    SHOW("pread", ret(pread(fd, text, 3, 7)));
    SHOW("text", text);
    SHOW("pwrite", ret(pwrite(fd, "XY", 2, 0)));
    SHOW("offset", ret(lseek(fd, 0, SEEK_CUR)));
    SHOW("past_end", ret(pread(fd, text, 3, 99)));
    SHOW("negative", ret(pread(fd, text, 3, -1)));
    SHOW("negative_write", ret(pwrite(fd, text, 3, -1)));
    int p[2];
    CHECK(pipe(p) == 0);
    SHOW("pipe", ret(pread(p[0], text, 1, 0)));
    SHOW("pipe_write", ret(pwrite(p[1], text, 1, 0)));
    SHOW("content", file_text("f"));
}

BEHAVIOUR(append)
{
    make_file("f", "one");
    int a = MUST(open("f", O_RDWR | O_APPEND)), b = MUST(open("f", O_RDWR));
    char c;
    SHOW("reads_from_start", ret(read(a, &c, 1)));
    SHOW("write", ret(write(a, "two", 3)));
    SHOW("offset", ret(lseek(a, 0, SEEK_CUR)));
    CHECK(pwrite(b, "!", 1, 6) == 1);
    SHOW("again", ret(write(a, "3", 1)));
    SHOW("content", file_text("f"));
    /* Linux: pwrite on an O_APPEND file appends whatever the offset. */
    SHOW("pwrite", ret(pwrite(a, "P", 1, 0)));
    SHOW("content", file_text("f"));
    CHECK(fcntl(a, F_SETFL, 0) == 0);
    SHOW("cleared", ret(pwrite(a, "Q", 1, 0)));
    SHOW("content", file_text("f"));
}

BEHAVIOUR(append_two_writers)
{
    make_file("f", "");
    int a = MUST(open("f", O_WRONLY | O_APPEND));
    int b = MUST(open("f", O_WRONLY | O_APPEND));
    for (int i = 0; i < 3; i++)
        CHECK(write(a, "a", 1) == 1 && write(b, "b", 1) == 1);
    SHOW("content", file_text("f"));
}

BEHAVIOUR(shared_offset)
{
    int fd = scratch("0123456789"), copy = dup(fd);
    int other = MUST(open("f", O_RDONLY));
    char c;
    CHECK(read(fd, &c, 1) == 1);
    SHOW("dup", ret(lseek(copy, 0, SEEK_CUR)));
    SHOW("own_open", ret(lseek(other, 0, SEEK_CUR)));
    pid_t pid = start();
    if (pid == 0)
        _exit(lseek(fd, 5, SEEK_SET) == 5 ? 0 : 1);
    SHOW("child", reap(pid));
    SHOW("after_child", ret(lseek(copy, 0, SEEK_CUR)));
}

BEHAVIOUR(bad_descriptors)
{
    char c = 0;
    SHOW("read", ret(read(999, &c, 1)));
    SHOW("write", ret(write(999, &c, 1)));
    SHOW("minus_one", ret(read(-1, &c, 1)));
    SHOW("badf_before_fault", ret(read(999, bad(), 1)));
    int dir = MUST(open(".", O_RDONLY));
    SHOW("dir", ret(read(dir, &c, 1)));
    SHOW("dir_write", ret(write(dir, &c, 1)));
    SHOW("dir_pread", ret(pread(dir, &c, 1, 0)));
}

BEHAVIOUR(faults)
{
    int fd = scratch("0123456789");
    SHOW("read", ret(read(fd, bad(), 4)));
    SHOW("offset_kept", ret(lseek(fd, 0, SEEK_CUR)));
    SHOW("write", ret(write(fd, bad(), 4)));
    SHOW("zero_bytes", ret(read(fd, bad(), 0)));
    SHOW("zero_write", ret(write(fd, bad(), 0)));
    SHOW("fenced_read", ret(read(fd, fence(10), 10)));
    SHOW("at_end", ret(read(fd, bad(), 4)));
    SHOW("rdonly_file", ret(write(MUST(open("f", O_RDONLY)), bad(), 4)));
    SHOW("content", file_text("f"));
}

BEHAVIOUR(half_good_buffer)
{
    /* Four bytes are there, then the fence: what fits is transferred. */
    int fd = scratch("0123456789");
    char *edge = fence(4);
    memcpy(edge, "abcd", 4);
    ssize_t n = write(fd, edge, 8);
    say("write_in_range=%s", yes(n == -1 ? errno == EFAULT : n <= 4));
    int p[2];
    CHECK(pipe(p) == 0);
    n = write(p[1], edge, 8);
    say("pipe_in_range=%s", yes(n == -1 ? errno == EFAULT : n <= 4));
}

BEHAVIOUR(huge_count)
{
    int fd = scratch("hello");
    char *buffer = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW("more_than_there", ret(read(fd, buffer, 1 << 16)));
    /* Negative as a signed size. */
    SHOW("negative", ret(syscall(SYS_read, fd, buffer, (long)-1)));
    int null = MUST(open("/dev/null", O_WRONLY));
    SHOW("null_negative", ret(syscall(SYS_write, null, buffer, (long)-1)));
}

BEHAVIOUR(beyond_largest_file)
{
    int fd = scratch("x");
    SHOW("max_offset", ret(pwrite(fd, "x", 1, INT64_MAX)));
    SHOW("wraps", ret(pwrite(fd, "xx", 2, INT64_MAX - 1)));
    SHOW("read", ret(pread(fd, (char[2]){0}, 1, INT64_MAX - 1)));
}
