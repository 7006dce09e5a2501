/* truncate, fallocate, holes, advice and syncing. */
#include "guest.h"
#include <linux/falloc.h>

enum { MB = 1 << 20 };

static int scratch(const char *text)
{
    make_file("f", text);
    return MUST(open("f", O_RDWR));
}

/* What the file holds at an offset: a digit, '0' for a zero byte. */
static char at(int fd, off_t offset)
{
    char c = '?';
    return pread(fd, &c, 1, offset) == 1 ? (c ? c : '0') : '-';
}

BEHAVIOUR(truncate_grows_and_shrinks)
{
    int fd = scratch("abcdef");
    SHOW("shrink", ok(ftruncate(fd, 3)));
    SHOW("grow", ok(ftruncate(fd, 6)));
    say("size=%lld bytes=%c%c%c%c", file_size(fd), at(fd, 0), at(fd, 2),
        at(fd, 3), at(fd, 5));
    SHOW("by_path", ok(truncate("f", 1)));
    say("size=%lld", file_size(fd));
    CHECK(lseek(fd, 5, SEEK_SET) == 5);
    SHOW("offset_stays", ret((ftruncate(fd, 0), lseek(fd, 0, SEEK_CUR))));
}

BEHAVIOUR(truncate_errors)
{
    int fd = scratch("x"), p[2];
    CHECK(pipe(p) == 0);
    SHOW("negative", ok(ftruncate(fd, -1)));
    SHOW("path_negative", ok(truncate("f", -1)));
    SHOW("dir", ok(truncate(".", 0)));
    SHOW("missing", ok(truncate("none", 0)));
    SHOW("pipe", ok(ftruncate(p[1], 0)));
    SHOW("dir_fd", ok(ftruncate(MUST(open(".", O_RDONLY)), 0)));
    SHOW("bad_fd", ok(ftruncate(999, 0)));
    SHOW("fault", ok(truncate(bad(), 0)));
    drop_root();
    make_file("g", "x");
    CHECK(chmod("g", 0444) == 0);
    SHOW("read_only", ok(truncate("g", 0)));
}

BEHAVIOUR(fallocate_extends)
{
    int fd = scratch("abc");
    struct stat st;
    SHOW("plain", ok(fallocate(fd, 0, 0, MB)));
    CHECK(fstat(fd, &st) == 0);
    say("size=%lld allocated=%s", (long long)st.st_size,
        yes(st.st_blocks * 512ll >= MB));
    say("bytes=%c%c", at(fd, 0), at(fd, MB - 1));
    SHOW("keep_size", ok(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 2 * MB)));
    say("size=%lld", file_size(fd));
}

BEHAVIOUR(fallocate_punches)
{
    int fd = scratch("");
    CHECK(fallocate(fd, 0, 0, MB) == 0);
    CHECK(pwrite(fd, "a", 1, 0) == 1 && pwrite(fd, "b", 1, MB / 2) == 1);
    CHECK(pwrite(fd, "c", 1, MB - 1) == 1);
    struct stat before, after;
    CHECK(fsync(fd) == 0 && fstat(fd, &before) == 0);
    SHOW("punch", ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               65536, MB - 131072)));
    CHECK(fstat(fd, &after) == 0);
    say("freed=%s bytes=%c%c%c", yes(after.st_blocks < before.st_blocks),
        at(fd, 0), at(fd, MB / 2), at(fd, MB - 1));
    SHOW("without_keep", ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096)));
}

BEHAVIOUR(fallocate_errors)
{
    int fd = scratch("x"), p[2];
    CHECK(pipe(p) == 0);
    SHOW("zero_length", ok(fallocate(fd, 0, 0, 0)));
    SHOW("negative", ok(fallocate(fd, 0, -1, 1)));
    SHOW("overflow", ok(fallocate(fd, 0, INT64_MAX, 1)));
    SHOW("unknown_mode", ok(fallocate(fd, 0x8000, 0, 1)));
    SHOW("rdonly", ok(fallocate(MUST(open("f", O_RDONLY)), 0, 0, 1)));
    SHOW("pipe", ok(fallocate(p[1], 0, 0, 1)));
    SHOW("dir", ok(fallocate(MUST(open(".", O_RDONLY)), 0, 0, 1)));
    SHOW("bad_fd", ok(fallocate(999, 0, 0, 1)));
    SHOW("char_device", ok(fallocate(MUST(open("/dev/null", O_WRONLY)), 0, 0, 1)));
}

BEHAVIOUR(holes)
{
    int fd = scratch("");
    CHECK(ftruncate(fd, 4 * MB) == 0);
    CHECK(pwrite(fd, "d", 1, 2 * MB) == 1);
    SHOW("hole_at_0", ret(lseek(fd, 0, SEEK_HOLE)));
    off_t data = lseek(fd, 0, SEEK_DATA), hole = lseek(fd, 2 * MB, SEEK_HOLE);
    say("data_found=%s", yes(data > MB && data <= 2 * MB));
    say("hole_after=%s", yes(hole > 2 * MB && hole <= 3 * MB));
    SHOW("no_more_data", ret(lseek(fd, 3 * MB, SEEK_DATA)));
    SHOW("past_end", ret(lseek(fd, 4 * MB, SEEK_DATA)));
    SHOW("hole_past_end", ret(lseek(fd, 5 * MB, SEEK_HOLE)));
    SHOW("end_is_hole", ret((CHECK(pwrite(fd, "e", 1, 4 * MB - 1) == 1),
                             lseek(fd, 4 * MB - 1, SEEK_HOLE))));
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    say("sparse=%s", yes(st.st_blocks * 512ll < st.st_size));
}

BEHAVIOUR(data_in_plain_file)
{
    int fd = scratch("abc"), p[2];
    SHOW("data", ret(lseek(fd, 1, SEEK_DATA)));
    SHOW("hole", ret(lseek(fd, 1, SEEK_HOLE)));
    SHOW("at_end", ret(lseek(fd, 3, SEEK_DATA)));
    SHOW("hole_at_end", ret(lseek(fd, 3, SEEK_HOLE)));
    SHOW("negative", ret(lseek(fd, -1, SEEK_DATA)));
    CHECK(pipe(p) == 0);
    SHOW("pipe", ret(lseek(p[0], 0, SEEK_DATA)));
}

BEHAVIOUR(posix_fallocate_fills)
{
    int fd = scratch("abc");
    SHOW("call", code(posix_fallocate(fd, 100, 28)));
    say("size=%lld", file_size(fd));
    SHOW("again", code(posix_fallocate(fd, 0, 10)));
    say("size=%lld", file_size(fd));
}

BEHAVIOUR(advice)
{
    int fd = scratch("abc"), p[2];
    CHECK(pipe(p) == 0);
    SHOW("dontneed", code(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)));
    SHOW("sequential", code(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL)));
    SHOW("unknown", code(posix_fadvise(fd, 0, 0, 77)));
    SHOW("pipe", code(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL)));
    SHOW("bad_fd", code(posix_fadvise(999, 0, 0, POSIX_FADV_NORMAL)));
    SHOW("readahead", ok(readahead(fd, 0, 3)));
    SHOW("readahead_pipe", ok(readahead(p[0], 0, 3)));
}

BEHAVIOUR(syncing)
{
    int fd = scratch("abc"), p[2];
    CHECK(pipe(p) == 0);
    SHOW("fsync", ok(fsync(fd)));
    SHOW("fdatasync", ok(fdatasync(fd)));
    SHOW("dir", ok(fsync(MUST(open(".", O_RDONLY)))));
    SHOW("pipe", ok(fsync(p[1])));
    SHOW("bad_fd", ok(fsync(999)));
    SHOW("range", ok(sync_file_range(fd, 0, 3, SYNC_FILE_RANGE_WRITE)));
    SHOW("range_flags", ok(sync_file_range(fd, 0, 3, 0x80)));
    SHOW("syncfs_bad", ok(syncfs(999)));
}
