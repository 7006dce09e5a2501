/* open(2) and openat(2): flags, and which error is found first. */
#include "guest.h"

BEHAVIOUR(missing)
{
    SHOW("rdonly", try_open("nope", O_RDONLY));
    SHOW("parent", try_open("nope/file", O_RDONLY | O_CREAT));
    SHOW("empty", try_open("", O_RDONLY));
    SHOW("empty_creat", try_open("", O_RDWR | O_CREAT));
}

BEHAVIOUR(create_exclusive)
{
    SHOW("first", try_open("f", O_WRONLY | O_CREAT | O_EXCL));
    SHOW("again", try_open("f", O_WRONLY | O_CREAT | O_EXCL));
    SHOW("dir", try_open(".", O_RDONLY | O_CREAT | O_EXCL));
    CHECK(symlink("nowhere", "dangling") == 0);
    SHOW("dangling", try_open("dangling", O_WRONLY | O_CREAT | O_EXCL));
    SHOW("made", yes(access("nowhere", F_OK) == 0));
}

BEHAVIOUR(create_through_dangling_link)
{
    CHECK(symlink("target", "link") == 0);
    SHOW("open", try_open("link", O_WRONLY | O_CREAT));
    SHOW("target", yes(access("target", F_OK) == 0));
    CHECK(symlink("no/where", "link2") == 0);
    SHOW("no_parent", try_open("link2", O_WRONLY | O_CREAT));
}

BEHAVIOUR(create_mode)
{
    struct stat st;
    umask(027);
    int fd = MUST(open("a", O_RDWR | O_CREAT, 0777));
    CHECK(fstat(fd, &st) == 0);
    say("umask_027=%o", st.st_mode);
    umask(0);
    fd = MUST(open("b", O_RDWR | O_CREAT, 01666));
    CHECK(fstat(fd, &st) == 0);
    say("umask_0=%o", st.st_mode);
    /* The mode rules later opens, not this one. */
    drop_root();
    fd = open("c", O_RDWR | O_CREAT, 0);
    SHOW("mode_0", ok(fd));
    SHOW("write", ret(write(fd, "x", 1)));
    SHOW("reopen", try_open("c", O_RDONLY));
}

BEHAVIOUR(directories)
{
    CHECK(mkdir("d", 0755) == 0);
    make_file("f", "x");
    SHOW("rdonly", try_open("d", O_RDONLY));
    SHOW("wronly", try_open("d", O_WRONLY));
    SHOW("rdwr", try_open("d", O_RDWR));
    SHOW("creat", try_open("d", O_RDONLY | O_CREAT));
    SHOW("trunc", try_open("d", O_RDONLY | O_TRUNC));
    SHOW("directory", try_open("d", O_RDONLY | O_DIRECTORY));
    SHOW("file_as_dir", try_open("f", O_RDONLY | O_DIRECTORY));
    SHOW("below_file", try_open("f/x", O_RDONLY));
    SHOW("creat_below_file", try_open("f/x", O_WRONLY | O_CREAT));
}

BEHAVIOUR(trailing_slash)
{
    CHECK(mkdir("d", 0755) == 0);
    make_file("f", "x");
    SHOW("dir", try_open("d/", O_RDONLY));
    SHOW("file", try_open("f/", O_RDONLY));
    SHOW("missing", try_open("n/", O_RDONLY));
    SHOW("creat_missing", try_open("n/", O_WRONLY | O_CREAT));
    SHOW("creat_file", try_open("f/", O_WRONLY | O_CREAT));
    SHOW("creat_dir", try_open("d/", O_RDONLY | O_CREAT));
    SHOW("dot", try_open("f/.", O_RDONLY));
    SHOW("slashes", try_open(".//d///", O_RDONLY));
}

BEHAVIOUR(nofollow)
{
    make_file("f", "x");
    CHECK(mkdir("d", 0755) == 0 && symlink("f", "lf") == 0);
    CHECK(symlink("d", "ld") == 0 && symlink("nope", "ln") == 0);
    SHOW("file", try_open("lf", O_RDONLY | O_NOFOLLOW));
    SHOW("dir", try_open("ld", O_RDONLY | O_NOFOLLOW));
    SHOW("dir_slash", try_open("ld/", O_RDONLY | O_NOFOLLOW));
    SHOW("dir_flag", try_open("ld", O_RDONLY | O_NOFOLLOW | O_DIRECTORY));
    SHOW("dangling", try_open("ln", O_RDONLY | O_NOFOLLOW));
    SHOW("middle", try_open("ld/../f", O_RDONLY | O_NOFOLLOW));
}

BEHAVIOUR(truncate)
{
    make_file("f", "hello");
    close(MUST(open("f", O_RDWR)));
    SHOW("kept", file_text("f"));
    close(MUST(open("f", O_WRONLY | O_TRUNC)));
    say("trunc='%s'", file_text("f"));
    make_file("f", "hello");
    int fd = MUST(open("f", O_RDWR | O_CREAT | O_TRUNC, 0600));
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    say("creat_trunc=%lld mode=%o", (long long)st.st_size, st.st_mode & 0777);
}

BEHAVIOUR(at_descriptor)
{
    CHECK(mkdir("d", 0755) == 0);
    make_file("d/f", "inner");
    make_file("f", "outer");
    int dir = MUST(open("d", O_RDONLY | O_DIRECTORY));
    int file = MUST(open("f", O_RDONLY));
    char text[8] = "", path[PATH_MAX];
    int fd = openat(dir, "f", O_RDONLY);
    CHECK(read(fd, text, 5) == 5);
    SHOW("below", text);
    SHOW("up", ok(openat(dir, "../f", O_RDONLY)));
    SHOW("bad_fd", ok(openat(-1, "f", O_RDONLY)));
    SHOW("closed_fd", ok(openat(999, "f", O_RDONLY)));
    SHOW("file_fd", ok(openat(file, "f", O_RDONLY)));
    SHOW("empty", ok(openat(dir, "", O_RDONLY)));
    CHECK(getcwd(path, sizeof path - 2));
    strcat(path, "/f");
    SHOW("absolute_ignores_fd", ok(openat(999, path, O_RDONLY)));
    SHOW("cwd", ok(openat(AT_FDCWD, "f", O_RDONLY)));
}

BEHAVIOUR(bad_pointer)
{
    SHOW("fault", ok(open(bad(), O_RDONLY)));
    SHOW("fault_before_badf", ok(openat(999, bad(), O_RDONLY)));
    char *edge = fence(4);
    memcpy(edge, "aaaa", 4);
    SHOW("runs_off", ok(open(edge, O_RDONLY)));
    SHOW("fits", ok(open(fence_string("."), O_RDONLY)));
}

BEHAVIOUR(lowest_descriptor)
{
    int a = MUST(open(".", O_RDONLY)), b = MUST(open(".", O_RDONLY));
    int c = MUST(open(".", O_RDONLY));
    say("consecutive=%s", yes(b == a + 1 && c == a + 2));
    close(b);
    say("reused=%s", yes(open(".", O_RDONLY) == b));
    close(a);
    close(b);
    say("lowest=%s", yes(open(".", O_RDONLY) == a));
}

BEHAVIOUR(status_flags)
{
    make_file("f", "x");
    static const struct { const char *name; int flags; } cases[] = {
        {"rdonly", O_RDONLY}, {"wronly", O_WRONLY}, {"rdwr", O_RDWR},
        {"append", O_RDWR | O_APPEND}, {"nonblock", O_RDONLY | O_NONBLOCK},
        {"once", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY},
        {"sync", O_WRONLY | O_SYNC}, {"dsync", O_WRONLY | O_DSYNC},
        {"path", O_PATH | O_RDWR}};
    for (int i = 0; i < COUNT(cases); i++) {
        int fd = MUST(open("f", cases[i].flags, 0600));
        int flags = fcntl(fd, F_GETFL);
        say("%s=%#o,%d", cases[i].name,
            flags & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC | O_CREAT |
                     O_TRUNC | O_CLOEXEC | O_PATH),
            fcntl(fd, F_GETFD));
        close(fd);
    }
}

BEHAVIOUR(access_mode_rules_io)
{
    make_file("f", "x");
    char c;
    int r = MUST(open("f", O_RDONLY)), w = MUST(open("f", O_WRONLY));
    SHOW("write_rdonly", ret(write(r, "x", 1)));
    SHOW("read_wronly", ret(read(w, &c, 1)));
    int three = open("f", O_ACCMODE);       /* 3: ioctl only, asks for both */
    SHOW("mode_3", ok(three));
    SHOW("read", ret(read(three, &c, 1)));
    SHOW("write", ret(write(three, "x", 1)));
    SHOW("ftruncate_rdonly", ok(ftruncate(r, 0)));
}

BEHAVIOUR(tmpfile_flag)
{
    char path[40];
    SHOW("rdonly", try_open(".", O_TMPFILE | O_RDONLY));
    make_file("f", "x");
    SHOW("on_file", try_open("f", O_TMPFILE | O_RDWR));
    SHOW("missing", try_open("nope", O_TMPFILE | O_RDWR));
    int fd = open(".", O_TMPFILE | O_RDWR, 0640);
    SHOW("rdwr", ok(fd));
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    say("nlink=%d mode=%o", (int)st.st_nlink, st.st_mode & 0777);
    SHOW("write", ret(write(fd, "temp", 4)));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SHOW("link", ok(linkat(AT_FDCWD, path, AT_FDCWD, "named",
                           AT_SYMLINK_FOLLOW)));
    SHOW("named", file_text("named"));
    fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SHOW("excl_link", ok(linkat(AT_FDCWD, path, AT_FDCWD, "never",
                                AT_SYMLINK_FOLLOW)));
}

BEHAVIOUR(unlinked_while_open)
{
    make_file("f", "ghost");
    int fd = MUST(open("f", O_RDWR));
    CHECK(unlink("f") == 0);
    char text[8] = "", path[40];
    struct stat st;
    SHOW("read", ret(read(fd, text, 5)));
    SHOW("text", text);
    SHOW("write", ret(write(fd, "!", 1)));
    CHECK(fstat(fd, &st) == 0);
    say("nlink=%d size=%d", (int)st.st_nlink, (int)st.st_size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY);       /* the same inode, offset 0 */
    SHOW("reopen", ok(again));
    SHOW("offset", ret(lseek(again, 0, SEEK_CUR)));
    memset(text, 0, sizeof text);
    SHOW("reread", ret(read(again, text, 7)));
    SHOW("text", text);
    SHOW("by_name", try_open("f", O_RDONLY));
}

BEHAVIOUR(creat_call)
{
    make_file("f", "old");
    int fd = creat("f", 0600);
    SHOW("creat", ok(fd));
    say("flags=%o size=%lld", fcntl(fd, F_GETFL) & O_ACCMODE, file_size(fd));
    SHOW("dir", ok(creat(".", 0600)));
}
