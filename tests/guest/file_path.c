/* Path walk: symlink limits, name lengths, trailing slashes, dots. */
#include "guest.h"

BEHAVIOUR(link_chain)
{
    make_file("l0", "end");
    for (int i = 1; i <= 41; i++) {
        char from[8], to[8];
        snprintf(to, sizeof to, "l%d", i - 1);
        snprintf(from, sizeof from, "l%d", i);
        CHECK(symlink(to, from) == 0);
    }
    SHOW("39", file_text("l39"));
    SHOW("40", file_text("l40"));
    SHOW("41", file_text("l41"));
    CHECK(symlink("loop", "loop") == 0);
    SHOW("self", file_text("loop"));
    struct stat st;
    SHOW("lstat", ok(lstat("loop", &st)));
}

BEHAVIOUR(link_count_over_walk)
{
    /* 40 is the limit of one whole walk, not of one component. */
    CHECK(mkdir("d", 0755) == 0 && symlink(".", "d/s") == 0);
    make_file("d/f", "end");
    char path[512] = "d";
    for (int i = 0; i < 40; i++)
        strcat(path, "/s");
    strcat(path, "/f");
    SHOW("40", file_text(path));
    memcpy(path + strlen(path) - 2, "/s/f", 5);
    SHOW("41", file_text(path));
}

BEHAVIOUR(name_lengths)
{
    char name[300], path[PATH_MAX + 16];
    memset(name, 'a', sizeof name);
    name[255] = 0;
    SHOW("255", try_open(name, O_WRONLY | O_CREAT));
    name[255] = 'a';
    name[256] = 0;
    SHOW("256", try_open(name, O_WRONLY | O_CREAT));
    SHOW("256_missing_dir", try_open(strcat(strcpy(path, "no/"), name),
                                     O_RDONLY));
    memset(path, '/', sizeof path);
    path[PATH_MAX - 2] = '.';
    path[PATH_MAX - 1] = 0;
    SHOW("4095", try_open(path, O_RDONLY));
    path[PATH_MAX - 2] = '/';
    path[PATH_MAX - 1] = '.';
    path[PATH_MAX] = 0;
    SHOW("4096", try_open(path, O_RDONLY));
    path[PATH_MAX - 1] = 0;
    SHOW("symlink_4095", ok(symlink(path, "long")));
    path[PATH_MAX - 1] = 'x';
    path[PATH_MAX] = 0;
    SHOW("symlink_4096", ok(symlink(path, "longer")));
}

BEHAVIOUR(trailing_slashes)
{
    struct stat st;
    make_file("f", "x");
    CHECK(mkdir("d", 0755) == 0 && symlink("d", "ld") == 0);
    CHECK(symlink("new", "dangling") == 0 && symlink("f", "lf") == 0);
    SHOW("mkdir", ok(mkdir("m/", 0755)));
    SHOW("mkdir_dangling", ok(mkdir("dangling/", 0755)));
    SHOW("lstat_dir_link", ok(lstat("ld/", &st)));
    SHOW("is_dir", yes(S_ISDIR(st.st_mode)));
    SHOW("lstat_file_link", ok(lstat("lf/", &st)));
    SHOW("stat_file", ok(stat("f/", &st)));
    SHOW("unlink_file", ok(unlink("f/")));
    SHOW("unlink_link", ok(unlink("ld/")));
    SHOW("rmdir_link", ok(rmdir("ld/")));
    SHOW("rmdir", ok(rmdir("m/")));
    SHOW("symlink", ok(symlink("x", "s/")));
    SHOW("link", ok(link("f", "g/")));
    SHOW("mkfifo", ok(mkfifo("p/", 0644)));
    SHOW("readlink", ret(readlink("ld/", (char[8]){0}, 8)));
}

BEHAVIOUR(dots)
{
    make_file("f", "x");
    CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
    SHOW("rmdir_dot", ok(rmdir("d/.")));
    SHOW("rmdir_dotdot", ok(rmdir("d/..")));
    SHOW("rmdir_full", ok(rmdir("d")));
    SHOW("rmdir_file", ok(rmdir("f")));
    SHOW("rmdir_missing", ok(rmdir("none")));
    SHOW("unlink_dir", ok(unlink("d")));
    SHOW("unlink_dot", ok(unlink("d/.")));
    SHOW("mkdir_dot", ok(mkdir("d/.", 0755)));
    SHOW("mkdir_root", ok(mkdir("/", 0755)));
    SHOW("creat_dotdot", try_open("d/..", O_WRONLY | O_CREAT));
    SHOW("through_file", try_open("f/../d", O_RDONLY));
    SHOW("through_missing", try_open("none/../d", O_RDONLY));
    SHOW("above_root", try_open("/../../../dev/null", O_RDONLY));
}

BEHAVIOUR(removed_directory)
{
    char path[64];
    struct stat st;
    CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0);
    CHECK(rmdir("../d") == 0);
    SHOW("getcwd", getcwd(path, sizeof path) ? "ok" : errname(errno));
    SHOW("creat", try_open("f", O_WRONLY | O_CREAT));
    SHOW("mkdir", ok(mkdir("e", 0755)));
    SHOW("dot", ok(stat(".", &st)));
    say("nlink=%d", (int)st.st_nlink);
    SHOW("dotdot", ok(stat("..", &st)));
    SHOW("symlink", ok(symlink("a", "b")));
    SHOW("leave", ok(chdir("..")));
}

BEHAVIOUR(getcwd_rules)
{
    char path[PATH_MAX], raw[PATH_MAX];
    CHECK(getcwd(path, sizeof path));
    long n = syscall(SYS_getcwd, raw, sizeof raw);
    SHOW("length_with_nul", yes(n == (long)strlen(path) + 1));
    SHOW("exact", yes(syscall(SYS_getcwd, fence(n), n) == n));
    SHOW("short", ret(syscall(SYS_getcwd, raw, n - 1)));
    SHOW("zero", ret(syscall(SYS_getcwd, raw, 0)));
    SHOW("fault", ret(syscall(SYS_getcwd, bad(), n)));
    CHECK(mkdir("d", 0755) == 0 && symlink("d", "l") == 0);
    CHECK(chdir("l") == 0 && getcwd(raw, sizeof raw));
    SHOW("through_link", raw + strlen(path));
    CHECK(chdir("/") == 0 && getcwd(raw, sizeof raw));
    SHOW("root", raw);
}

BEHAVIOUR(chdir_errors)
{
    make_file("f", "x");
    SHOW("missing", ok(chdir("none")));
    SHOW("file", ok(chdir("f")));
    SHOW("empty", ok(chdir("")));
    SHOW("fault", ok(chdir(bad())));
    SHOW("fchdir_bad", ok(fchdir(999)));
    SHOW("fchdir_file", ok(fchdir(MUST(open("f", O_RDONLY)))));
    int up = MUST(open("..", O_RDONLY));
    CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0);
    SHOW("fchdir", ok(fchdir(up)));
    SHOW("there", yes(access("chdir_errors/f", F_OK) == 0));
}

BEHAVIOUR(deep_tree)
{
    /* 40 levels of 150 characters: no absolute path can name the end. */
    char name[151], path[PATH_MAX];
    int made = 0;
    memset(name, 'n', 150);
    name[150] = 0;
    for (; made < 40 && mkdir(name, 0755) == 0 && chdir(name) == 0; made++)
        ;
    say("made=%d", made);
    SHOW("getcwd", getcwd(path, sizeof path) ? "ok" : errname(errno));
    make_file("f", "deep");
    SHOW("file", file_text("f"));
}

BEHAVIOUR(link_in_the_middle)
{
    CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0);
    make_file("d/f", "found");
    CHECK(symlink("d/e", "le") == 0);
    SHOW("dotdot_is_physical", file_text("le/../f"));
    CHECK(symlink("d/f", "lf") == 0);
    SHOW("file_link_as_dir", file_text("lf/x"));
    CHECK(symlink("", "empty") == -1);
    SHOW("empty_target", errname(errno));
    char path[PATH_MAX];
    CHECK(getcwd(path, sizeof path - 3));
    strcat(path, "/d");
    CHECK(symlink(path, "abs") == 0);
    SHOW("absolute", file_text("abs/f"));
}
