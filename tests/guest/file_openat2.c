/* openat2(2): its structure's rules and every resolve flag. */
#include "guest.h"
#include <linux/openat2.h>

static long at2(int dir, const char *path, uint64_t flags, uint64_t mode,
                uint64_t resolve)
{
    struct open_how how = {flags, mode, resolve};
    long fd = syscall(SYS_openat2, dir, path, &how, sizeof how);
    if (fd >= 0)
        close(fd);
    return fd;
}

/* A tree:  d/f  d/abs -> /etc  d/up -> ../f  d/in -> f  d/sub/  f */
static int tree(void)
{
    CHECK(mkdir("d", 0755) == 0 && mkdir("d/sub", 0755) == 0);
    make_file("d/f", "inner");
    make_file("f", "outer");
    CHECK(symlink("/etc", "d/abs") == 0 && symlink("../f", "d/up") == 0);
    CHECK(symlink("f", "d/in") == 0 && symlink("/f", "d/root") == 0);
    return MUST(open("d", O_RDONLY | O_DIRECTORY));
}

BEHAVIOUR(size_rules)
{
    struct { struct open_how how; uint64_t more; } big = {{O_RDONLY, 0, 0}, 0};
    SHOW("zero", ok(syscall(SYS_openat2, AT_FDCWD, ".", &big, 0)));
    SHOW("small", ok(syscall(SYS_openat2, AT_FDCWD, ".", &big, 16)));
    SHOW("larger_zero", ok(syscall(SYS_openat2, AT_FDCWD, ".", &big, 32)));
    big.more = 1;
    SHOW("larger_set", ok(syscall(SYS_openat2, AT_FDCWD, ".", &big, 32)));
    SHOW("page", ok(syscall(SYS_openat2, AT_FDCWD, ".", &big, 1 << 20)));
    SHOW("fault", ok(syscall(SYS_openat2, AT_FDCWD, ".", bad(), 24)));
    struct open_how how = {O_RDONLY, 0, 0};
    SHOW("fenced", ok(syscall(SYS_openat2, AT_FDCWD, ".",
                              fence_copy(&how, sizeof how), sizeof how)));
}

BEHAVIOUR(strict_values)
{
    SHOW("unknown_flag", ok(at2(AT_FDCWD, ".", 1ull << 40, 0, 0)));
    SHOW("low_unknown_flag", ok(at2(AT_FDCWD, ".", 1u << 31, 0, 0)));
    SHOW("unknown_resolve", ok(at2(AT_FDCWD, ".", 0, 0, 1 << 20)));
    SHOW("mode_without_creat", ok(at2(AT_FDCWD, ".", O_RDONLY, 0644, 0)));
    SHOW("mode_too_big", ok(at2(AT_FDCWD, "x", O_CREAT | O_RDWR, 010000, 0)));
    SHOW("beneath_and_root", ok(at2(AT_FDCWD, ".", O_RDONLY, 0,
                                    RESOLVE_BENEATH | RESOLVE_IN_ROOT)));
    SHOW("path_and_creat", ok(at2(AT_FDCWD, "x", O_PATH | O_CREAT, 0, 0)));
    SHOW("creat", ok(at2(AT_FDCWD, "x", O_CREAT | O_RDWR, 0600, 0)));
}

BEHAVIOUR(beneath)
{
    int d = tree();
    SHOW("inside", ok(at2(d, "f", 0, 0, RESOLVE_BENEATH)));
    SHOW("dotdot", ok(at2(d, "../f", 0, 0, RESOLVE_BENEATH)));
    SHOW("back", ok(at2(d, "sub/../f", 0, 0, RESOLVE_BENEATH)));
    SHOW("absolute", ok(at2(d, "/etc", 0, 0, RESOLVE_BENEATH)));
    SHOW("abs_link", ok(at2(d, "abs", 0, 0, RESOLVE_BENEATH)));
    SHOW("up_link", ok(at2(d, "up", 0, 0, RESOLVE_BENEATH)));
    SHOW("in_link", ok(at2(d, "in", 0, 0, RESOLVE_BENEATH)));
    SHOW("far", ok(at2(d, "sub/../../d/f", 0, 0, RESOLVE_BENEATH)));
}

BEHAVIOUR(in_root)
{
    int d = tree();
    SHOW("absolute", ok(at2(d, "/f", 0, 0, RESOLVE_IN_ROOT)));
    SHOW("dotdot", ok(at2(d, "../../../f", 0, 0, RESOLVE_IN_ROOT)));
    SHOW("root_link", ok(at2(d, "root", 0, 0, RESOLVE_IN_ROOT)));
    SHOW("abs_link", ok(at2(d, "abs", 0, 0, RESOLVE_IN_ROOT)));
    SHOW("outside", ok(at2(d, "/etc", 0, 0, RESOLVE_IN_ROOT)));
}

BEHAVIOUR(no_symlinks)
{
    int d = tree();
    CHECK(symlink("sub", "d/dirlink") == 0);
    SHOW("plain", ok(at2(d, "f", 0, 0, RESOLVE_NO_SYMLINKS)));
    SHOW("last", ok(at2(d, "in", 0, 0, RESOLVE_NO_SYMLINKS)));
    SHOW("middle", ok(at2(d, "dirlink/../f", 0, 0, RESOLVE_NO_SYMLINKS)));
    SHOW("path_nofollow", ok(at2(d, "in", O_PATH | O_NOFOLLOW, 0,
                                 RESOLVE_NO_SYMLINKS)));
}

BEHAVIOUR(no_magiclinks)
{
    int d = tree();
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", d);
    SHOW("magic", ok(at2(AT_FDCWD, path, 0, 0, RESOLVE_NO_MAGICLINKS)));
    SHOW("without", ok(at2(AT_FDCWD, path, 0, 0, 0)));
    SHOW("ordinary", ok(at2(d, "in", 0, 0, RESOLVE_NO_MAGICLINKS)));
    SHOW("cwd", ok(at2(AT_FDCWD, "/proc/self/cwd", 0, 0,
                       RESOLVE_NO_MAGICLINKS)));
}

BEHAVIOUR(no_xdev)
{
    SHOW("same", ok(at2(AT_FDCWD, ".", 0, 0, RESOLVE_NO_XDEV)));
    SHOW("proc", ok(at2(AT_FDCWD, "/proc/version", 0, 0, RESOLVE_NO_XDEV)));
    int root = MUST(open("/", O_RDONLY));
    SHOW("down", ok(at2(root, "proc/version", 0, 0, RESOLVE_NO_XDEV)));
}

BEHAVIOUR(errors_below)
{
    int d = tree();
    SHOW("missing", ok(at2(d, "none", 0, 0, RESOLVE_BENEATH)));
    SHOW("not_dir", ok(at2(d, "f/x", 0, 0, RESOLVE_BENEATH)));
    SHOW("bad_fd", ok(at2(999, "f", 0, 0, RESOLVE_BENEATH)));
    SHOW("empty", ok(at2(d, "", 0, 0, 0)));
    SHOW("fault", ok(at2(d, bad(), 0, 0, 0)));
}
