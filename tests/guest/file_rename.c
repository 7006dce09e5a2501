/* rename(2), renameat2(2): replacing, exchanging, refusing. */
#include "guest.h"

static ino_t inode(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 ? st.st_ino : 0;
}

BEHAVIOUR(files)
{
    make_file("a", "A");
    make_file("b", "B");
    ino_t a = inode("a");
    SHOW("rename", ok(rename("a", "b")));
    SHOW("content", file_text("b"));
    SHOW("same_inode", yes(inode("b") == a));
    SHOW("source", try_open("a", O_RDONLY));
    SHOW("missing", ok(rename("none", "c")));
    SHOW("missing_parent", ok(rename("b", "none/c")));
    SHOW("to_itself", ok(rename("b", "b")));
}

BEHAVIOUR(directories)
{
    CHECK(mkdir("d", 0755) == 0 && mkdir("e", 0755) == 0);
    make_file("d/f", "x");
    SHOW("over_empty", ok(rename("d", "e")));
    SHOW("content", file_text("e/f"));
    CHECK(mkdir("d", 0755) == 0);
    SHOW("over_full", ok(rename("d", "e")));
    make_file("f", "x");
    SHOW("dir_over_file", ok(rename("d", "f")));
    SHOW("file_over_dir", ok(rename("f", "d")));
    SHOW("into_itself", ok(rename("d", "d/sub")));
    SHOW("to_ancestor", (CHECK(mkdir("d/in", 0755) == 0), ok(rename("d/in", "d"))));
}

BEHAVIOUR(dots)
{
    CHECK(mkdir("d", 0755) == 0);
    SHOW("dot", ok(rename(".", "x")));
    SHOW("dotdot", ok(rename("d/..", "x")));
    SHOW("to_dot", ok(rename("d", ".")));
    SHOW("empty", ok(rename("", "x")));
    SHOW("fault", ok(rename(bad(), "x")));
    SHOW("fault_to", ok(rename("d", bad())));
}

BEHAVIOUR(slashes)
{
    make_file("f", "x");
    CHECK(mkdir("d", 0755) == 0);
    SHOW("file_slash", ok(rename("f/", "g")));
    SHOW("to_slash", ok(rename("f", "g/")));
    SHOW("dir_slash", ok(rename("d/", "e/")));
    SHOW("made", yes(inode("e") != 0));
    CHECK(symlink("e", "l") == 0);
    SHOW("link_slash", ok(rename("l/", "m")));
}

BEHAVIOUR(symlinks)
{
    make_file("f", "x");
    CHECK(symlink("f", "l") == 0);
    SHOW("link_moves", ok(rename("l", "m")));
    struct stat st;
    CHECK(lstat("m", &st) == 0);
    SHOW("still_link", yes(S_ISLNK(st.st_mode)));
    make_file("g", "new");
    SHOW("over_link", ok(rename("g", "m")));
    SHOW("target", file_text("f"));
    SHOW("m", file_text("m"));
}

BEHAVIOUR(hard_links_of_one_file)
{
    /* POSIX: both names exist, nothing happens, no error. */
    make_file("a", "x");
    CHECK(link("a", "b") == 0);
    SHOW("rename", ok(rename("a", "b")));
    say("both=%s", yes(inode("a") && inode("a") == inode("b")));
}

BEHAVIOUR(noreplace)
{
    make_file("a", "A");
    make_file("b", "B");
    SHOW("exists", ok(renameat2(AT_FDCWD, "a", AT_FDCWD, "b",
                                RENAME_NOREPLACE)));
    SHOW("free", ok(renameat2(AT_FDCWD, "a", AT_FDCWD, "c",
                              RENAME_NOREPLACE)));
    SHOW("b", file_text("b"));
    SHOW("c", file_text("c"));
    CHECK(symlink("none", "l") == 0);
    SHOW("dangling", ok(renameat2(AT_FDCWD, "c", AT_FDCWD, "l",
                                  RENAME_NOREPLACE)));
}

BEHAVIOUR(exchange)
{
    make_file("a", "A");
    CHECK(mkdir("d", 0755) == 0);
    make_file("d/in", "I");
    SHOW("file_dir", ok(renameat2(AT_FDCWD, "a", AT_FDCWD, "d",
                                  RENAME_EXCHANGE)));
    SHOW("d", file_text("d"));
    SHOW("a_in", file_text("a/in"));
    SHOW("missing", ok(renameat2(AT_FDCWD, "d", AT_FDCWD, "none",
                                 RENAME_EXCHANGE)));
    SHOW("ancestor", ok(renameat2(AT_FDCWD, "a", AT_FDCWD, "a/in",
                                  RENAME_EXCHANGE)));
}

BEHAVIOUR(flag_errors)
{
    make_file("a", "A");
    SHOW("both", ok(renameat2(AT_FDCWD, "a", AT_FDCWD, "b",
                              RENAME_NOREPLACE | RENAME_EXCHANGE)));
    SHOW("unknown", ok(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", 0x100)));
    SHOW("bad_fd", ok(renameat(999, "a", AT_FDCWD, "b")));
    int fd = MUST(open("a", O_RDONLY));
    SHOW("file_fd", ok(renameat(fd, "a", AT_FDCWD, "b")));
}

BEHAVIOUR(open_files_follow)
{
    make_file("a", "A");
    make_file("b", "B");
    int a = MUST(open("a", O_RDWR)), b = MUST(open("b", O_RDWR));
    CHECK(rename("a", "b") == 0);
    struct stat st;
    CHECK(fstat(b, &st) == 0);
    say("replaced_nlink=%d", (int)st.st_nlink);
    char c;
    CHECK(read(b, &c, 1) == 1);
    say("replaced_reads=%c", c);
    CHECK(pwrite(a, "Z", 1, 0) == 1);
    SHOW("written", file_text("b"));
}

BEHAVIOUR(open_directory_follows)
{
    CHECK(mkdir("d", 0755) == 0 && mkdir("other", 0755) == 0);
    CHECK(chdir("d") == 0);
    make_file("f", "x");
    CHECK(rename("../d", "../other/e") == 0);
    SHOW("cwd_file", file_text("f"));
    SHOW("dotdot", yes(access("../../other", F_OK) == 0));
    char path[PATH_MAX];
    CHECK(getcwd(path, sizeof path));
    SHOW("getcwd", strstr(path, "/other/e") ? "other/e" : "old");
}

BEHAVIOUR(sticky_and_write_permission)
{
    CHECK(mkdir("shut", 0755) == 0 && mkdir("open", 0755) == 0);
    make_file("shut/f", "x");
    drop_root();
    CHECK(chmod("shut", 0555) == 0 || errno == EPERM);
    SHOW("from_shut", ok(rename("shut/f", "g")));
    make_file("h", "x");
    SHOW("to_shut", ok(rename("h", "shut/h")));
    SHOW("unlink", ok(unlink("shut/f")));
}
