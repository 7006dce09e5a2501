/* link(2), symlink(2), readlink(2), unlink(2), mknod(2). */
#include "guest.h"
#include <sys/sysmacros.h>

static int links(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 ? (int)st.st_nlink : -1;
}

BEHAVIOUR(hard_link)
{
    make_file("a", "x");
    SHOW("link", ok(link("a", "b")));
    say("nlink=%d", links("a"));
    make_file("b", "changed");
    SHOW("shared", file_text("a"));
    SHOW("unlink", ok(unlink("a")));
    say("left=%d", links("b"));
}

BEHAVIOUR(hard_link_errors)
{
    make_file("a", "x");
    CHECK(mkdir("d", 0755) == 0);
    SHOW("exists", ok(link("a", "d")));
    SHOW("itself", ok(link("a", "a")));
    SHOW("dir", ok(link("d", "e")));
    SHOW("missing", ok(link("none", "e")));
    SHOW("parent", ok(link("a", "none/e")));
    SHOW("flags", ok(linkat(AT_FDCWD, "a", AT_FDCWD, "e", 0x100000)));
    SHOW("other_fs", ok(link("/proc/version", "e")));
    SHOW("fault", ok(link("a", bad())));
}

BEHAVIOUR(link_to_symlink)
{
    make_file("f", "x");
    CHECK(symlink("f", "l") == 0);
    struct stat st;
    SHOW("nofollow", ok(link("l", "hard")));
    CHECK(lstat("hard", &st) == 0);
    SHOW("is_link", yes(S_ISLNK(st.st_mode)));
    SHOW("follow", ok(linkat(AT_FDCWD, "l", AT_FDCWD, "real",
                             AT_SYMLINK_FOLLOW)));
    CHECK(lstat("real", &st) == 0);
    SHOW("is_file", yes(S_ISREG(st.st_mode)));
}

BEHAVIOUR(link_of_deleted)
{
    char path[40];
    make_file("f", "x");
    int fd = MUST(open("f", O_RDONLY));
    CHECK(unlink("f") == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SHOW("deleted", ok(linkat(AT_FDCWD, path, AT_FDCWD, "g",
                              AT_SYMLINK_FOLLOW)));
    make_file("h", "x");
    fd = MUST(open("h", O_RDONLY));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    SHOW("alive", ok(linkat(AT_FDCWD, path, AT_FDCWD, "i",
                            AT_SYMLINK_FOLLOW)));
    say("nlink=%d", links("i"));
}

BEHAVIOUR(symlink_errors)
{
    make_file("f", "x");
    SHOW("exists", ok(symlink("x", "f")));
    SHOW("empty_target", ok(symlink("", "l")));
    SHOW("empty_name", ok(symlink("x", "")));
    SHOW("parent", ok(symlink("x", "none/l")));
    SHOW("below_file", ok(symlink("x", "f/l")));
    SHOW("fault", ok(symlink(bad(), "l")));
    SHOW("dangling_is_there", (CHECK(symlink("no", "l") == 0),
                               ok(symlink("x", "l"))));
}

BEHAVIOUR(readlink_rules)
{
    char text[16];
    CHECK(symlink("target", "l") == 0);
    make_file("f", "x");
    memset(text, '#', sizeof text);
    SHOW("whole", ret(readlink("l", text, sizeof text)));
    say("no_nul=%c", text[6]);
    memset(text, '#', sizeof text);
    SHOW("cut", ret(readlink("l", text, 3)));
    say("text=%.4s", text);
    SHOW("file", ret(readlink("f", text, 3)));
    SHOW("missing", ret(readlink("n", text, 3)));
    SHOW("zero", ret(readlink("l", text, 0)));
    SHOW("negative", ret(syscall(SYS_readlinkat, AT_FDCWD, "l", text, -1)));
    SHOW("fault", ret(readlink("l", bad(), 3)));
    SHOW("fenced", ret(readlink("l", fence(6), 6)));
    struct stat st;
    CHECK(lstat("l", &st) == 0);
    say("size=%d mode=%o", (int)st.st_size, st.st_mode);
}

BEHAVIOUR(unlink_errors)
{
    CHECK(mkdir("d", 0755) == 0);
    make_file("f", "x");
    SHOW("missing", ok(unlink("none")));
    SHOW("dir", ok(unlink("d")));
    SHOW("flags", ok(unlinkat(AT_FDCWD, "f", 1)));
    SHOW("removedir", ok(unlinkat(AT_FDCWD, "d", AT_REMOVEDIR)));
    SHOW("removedir_file", ok(unlinkat(AT_FDCWD, "f", AT_REMOVEDIR)));
    SHOW("below_file", ok(unlink("f/x")));
    SHOW("empty", ok(unlink("")));
    SHOW("file", ok(unlink("f")));
    SHOW("twice", ok(unlink("f")));
}

BEHAVIOUR(unlink_symlink)
{
    make_file("f", "kept");
    CHECK(symlink("f", "l") == 0);
    SHOW("unlink", ok(unlink("l")));
    SHOW("target", file_text("f"));
}

BEHAVIOUR(mknod_kinds)
{
    struct stat st;
    SHOW("regular", ok(mknod("r", S_IFREG | 0640, 0)));
    CHECK(stat("r", &st) == 0);
    say("mode=%o", st.st_mode);
    SHOW("zero_type", ok(mknod("z", 0600, 0)));
    CHECK(stat("z", &st) == 0);
    SHOW("is_regular", yes(S_ISREG(st.st_mode)));
    SHOW("fifo", ok(mknod("p", S_IFIFO | 0600, 0)));
    SHOW("socket", ok(mknod("s", S_IFSOCK | 0600, 0)));
    CHECK(stat("s", &st) == 0);
    say("mode=%o", st.st_mode);
    SHOW("open_socket", try_open("s", O_RDWR));
    SHOW("dir", ok(mknod("d", S_IFDIR | 0700, 0)));
    SHOW("exists", ok(mknod("r", S_IFREG | 0600, 0)));
    SHOW("bad_type", ok(mknod("b", 0170000 | 0600, 0)));
}

BEHAVIOUR(device_needs_capability)
{
    drop_root();
    SHOW("char", ok(mknod("c", S_IFCHR | 0600, makedev(1, 3))));
    SHOW("block", ok(mknod("b", S_IFBLK | 0600, makedev(7, 0))));
    /* 0:0 is overlayfs' whiteout and free for everybody. */
    SHOW("whiteout", ok(mknod("w", S_IFCHR | 0600, makedev(0, 0))));
}

BEHAVIOUR(mkdir_rules)
{
    struct stat st;
    umask(022);
    SHOW("mkdir", ok(mkdir("d", 0777)));
    CHECK(stat("d", &st) == 0);
    say("mode=%o", st.st_mode);
    SHOW("exists", ok(mkdir("d", 0777)));
    SHOW("parent", ok(mkdir("none/d", 0777)));
    make_file("f", "x");
    SHOW("over_file", ok(mkdir("f", 0777)));
    SHOW("below_file", ok(mkdir("f/d", 0777)));
    CHECK(symlink("none", "l") == 0);
    SHOW("over_link", ok(mkdir("l", 0777)));
    SHOW("sticky", ok(mkdir("t", 01777)));
    CHECK(stat("t", &st) == 0);
    say("mode=%o", st.st_mode);
    SHOW("bad_fd", ok(mkdirat(999, "x", 0777)));
}
