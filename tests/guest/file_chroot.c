/* chroot(2) and pivot of views: root's business, refused to others. */
#include "guest.h"

BEHAVIOUR(ordinary_user)
{
    drop_root();
    SHOW("here", ok(chroot(".")));
    SHOW("missing", ok(chroot("none")));
    make_file("f", "");
    SHOW("file", ok(chroot("f")));
    SHOW("fault", ok(chroot(bad())));
}

static int make_jail(void)
{
    CHECK(mkdir("jail", 0755) == 0 && mkdir("jail/sub", 0755) == 0);
    make_file("jail/f", "inside");
    make_file("outside", "outside");
    CHECK(symlink("/f", "jail/abs") == 0);
    CHECK(symlink("../../../f", "jail/up") == 0);
    if (geteuid() != 0) {
        SHOW("user", ok(chroot("jail")));
        return 0;
    }
    SHOW("root", ok(chroot("jail")));
    return 1;
}

BEHAVIOUR(absolute_paths_move)
{
    if (!make_jail())
        return;
    SHOW("absolute", file_text("/f"));
    SHOW("dotdot", file_text("/../../f"));
    SHOW("host_path", file_text("/etc/passwd"));
    SHOW("cwd_stays_outside", file_text("outside"));
}

BEHAVIOUR(inside)
{
    if (!make_jail())
        return;
    char path[64];
    CHECK(chdir("/") == 0);
    SHOW("getcwd", getcwd(path, sizeof path));
    SHOW("above", file_text("../outside"));
    SHOW("abs_link", file_text("abs"));
    SHOW("up_link", file_text("up"));
    CHECK(chdir("sub") == 0 && getcwd(path, sizeof path));
    SHOW("sub", path);
}

BEHAVIOUR(getcwd_outside)
{
    if (!make_jail())
        return;
    char path[PATH_MAX];
    CHECK(syscall(SYS_getcwd, path, sizeof path) > 0);
    say("unreachable=%s", yes(!strncmp(path, "(unreachable)", 13)));
    SHOW("libc", getcwd(path, sizeof path) ? "ok" : errname(errno));
}

BEHAVIOUR(inherited_by_children)
{
    if (!make_jail())
        return;
    pid_t pid = start();
    if (pid == 0)
        _exit(access("/f", F_OK) == 0 && access("/etc", F_OK) == -1 ? 0 : 1);
    SHOW("child", reap(pid));
    pid = start();
    if (pid == 0)
        _exit(chroot("/sub") == 0 && chdir("/") == 0 ? 0 : 1);
    SHOW("child_own", reap(pid));
    SHOW("parent", file_text("/f"));
}

BEHAVIOUR(root_errors)
{
    if (geteuid() != 0) {
        SHOW("user", ok(chroot(".")));
        return;
    }
    make_file("f", "");
    SHOW("missing", ok(chroot("none")));
    SHOW("file", ok(chroot("f")));
    SHOW("fault", ok(chroot(bad())));
    SHOW("same_root", ok(chroot("/")));
}
