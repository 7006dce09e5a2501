/* Access rules: modes, owners, umask, sticky, and what root may. */
#include "guest.h"
#include <linux/fs.h>

static unsigned mode_of(const char *path)
{
    struct stat st;
    CHECK(lstat(path, &st) == 0);
    return st.st_mode & 07777;
}

BEHAVIOUR(umask_rules)
{
    umask(027);
    say("returns=%o", umask(0777));
    make_file("a", "");
    say("all_masked=%o", mode_of("a"));
    umask(077);
    CHECK(mkdir("d", 0777) == 0);
    say("dir=%o", mode_of("d"));
    CHECK(mkfifo("p", 0666) == 0);
    say("fifo=%o", mode_of("p"));
    umask(01777);
    say("only_nine_bits=%o", umask(022));
    pid_t pid = start();
    if (pid == 0)
        _exit(umask(0) == 022 ? 0 : 1);
    say("inherited=%s kept=%o", reap(pid), umask(022));
}

BEHAVIOUR(chmod_rules)
{
    make_file("f", "");
    CHECK(symlink("f", "l") == 0);
    SHOW("chmod", ok(chmod("f", 0705)));
    say("mode=%o", mode_of("f"));
    SHOW("through_link", ok(chmod("l", 0600)));
    say("mode=%o", mode_of("f"));
    int fd = MUST(open("f", O_RDONLY));
    SHOW("fchmod", ok(fchmod(fd, 0444)));
    say("mode=%o", mode_of("f"));
    SHOW("high_bits_ignored", ok(chmod("f", 0100640)));
    say("mode=%o", mode_of("f"));
    SHOW("missing", ok(chmod("none", 0600)));
    SHOW("bad_fd", ok(fchmod(999, 0600)));
    CHECK(mkdir("d", 0700) == 0);
    SHOW("sticky_dir", ok(chmod("d", 01777)));
    say("mode=%o", mode_of("d"));
}

BEHAVIOUR(chmod_needs_owner)
{
    make_file("f", "");
    make_file("mine", "");
    if (geteuid() == 0)
        CHECK(chown("mine", NOBODY, NOBODY) == 0);
    drop_root();
    SHOW("proc", ok(chmod("/proc/version", 0600)));
    SHOW("device", ok(chmod("/dev/zero", 0666)));
    SHOW("mine", ok(chmod("mine", 0600)));
}

BEHAVIOUR(classes_do_not_add_up)
{
    /* The owner's bits alone decide for the owner. */
    drop_root();
    make_file("f", "x");
    CHECK(chmod("f", 0077) == 0);
    SHOW("read", try_open("f", O_RDONLY));
    SHOW("write", try_open("f", O_WRONLY));
    CHECK(chmod("f", 0400) == 0);
    SHOW("r_read", try_open("f", O_RDONLY));
    SHOW("r_write", try_open("f", O_WRONLY));
    SHOW("r_rdwr", try_open("f", O_RDWR));
    SHOW("r_trunc", try_open("f", O_RDONLY | O_TRUNC));
    CHECK(chmod("f", 0200) == 0);
    SHOW("w_read", try_open("f", O_RDONLY));
    SHOW("w_write", try_open("f", O_WRONLY));
}

BEHAVIOUR(directory_bits)
{
    drop_root();
    CHECK(mkdir("d", 0755) == 0);
    make_file("d/f", "x");
    CHECK(chmod("d", 0444) == 0);
    SHOW("r_open_dir", try_open("d", O_RDONLY));
    SHOW("r_file", try_open("d/f", O_RDONLY));
    SHOW("r_chdir", ok(chdir("d")));
    CHECK(chmod("d", 0111) == 0);
    SHOW("x_open_dir", try_open("d", O_RDONLY));
    SHOW("x_file", try_open("d/f", O_RDONLY));
    SHOW("x_create", try_open("d/g", O_WRONLY | O_CREAT));
    SHOW("x_unlink", ok(unlink("d/f")));
    CHECK(chmod("d", 0333) == 0);
    SHOW("wx_create", try_open("d/g", O_WRONLY | O_CREAT));
    SHOW("wx_unlink", ok(unlink("d/g")));
    CHECK(chmod("d", 0222) == 0);
    SHOW("w_create", try_open("d/h", O_WRONLY | O_CREAT));
    CHECK(chmod("d", 0) == 0);
    SHOW("none_missing", try_open("d/none", O_RDONLY));
}

BEHAVIOUR(access_call)
{
    drop_root();
    make_file("f", "x");
    CHECK(chmod("f", 0400) == 0);
    SHOW("f", ok(access("f", F_OK)));
    SHOW("r", ok(access("f", R_OK)));
    SHOW("w", ok(access("f", W_OK)));
    SHOW("x", ok(access("f", X_OK)));
    SHOW("rw", ok(access("f", R_OK | W_OK)));
    SHOW("mode", ok(access("f", 8)));
    SHOW("missing", ok(access("none", F_OK)));
    SHOW("fault", ok(access(bad(), F_OK)));
    SHOW("eaccess", ok(faccessat(AT_FDCWD, "f", R_OK, AT_EACCESS)));
    CHECK(symlink("none", "l") == 0);
    SHOW("dangling", ok(access("l", F_OK)));
    SHOW("nofollow", ok(faccessat(AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW)));
    SHOW("flags", ok(syscall(439, AT_FDCWD, "f", F_OK, 0x4000000)));
    SHOW("proc_write", ok(access("/proc/version", W_OK)));
}

BEHAVIOUR(root_overrides_modes)
{
    int root = geteuid() == 0;
    make_file("f", "x");
    CHECK(chmod("f", 0) == 0);
    say("as=%s", root ? "root" : "user");
    SHOW("read", try_open("f", O_RDONLY));
    SHOW("write", try_open("f", O_WRONLY));
    SHOW("access_rw", ok(access("f", R_OK | W_OK)));
    SHOW("access_x", ok(access("f", X_OK)));
    CHECK(chmod("f", 0001) == 0);
    SHOW("any_x", ok(access("f", X_OK)));
    CHECK(mkdir("d", 0) == 0);
    SHOW("shut_dir", try_open("d/none", O_RDONLY));
    SHOW("make_in_it", try_open("d/f", O_WRONLY | O_CREAT));
}

BEHAVIOUR(chown_rules)
{
    make_file("f", "");
    CHECK(symlink("none", "l") == 0);
    SHOW("nothing", ok(chown("f", -1, -1)));
    SHOW("own_ids", ok(chown("f", geteuid(), getegid())));
    SHOW("lchown", ok(lchown("l", -1, -1)));
    SHOW("follow_dangling", ok(chown("l", -1, -1)));
    SHOW("missing", ok(chown("none", -1, -1)));
    SHOW("bad_fd", ok(fchown(999, -1, -1)));
    SHOW("flags", ok(fchownat(AT_FDCWD, "f", -1, -1, 0x40000000)));
    drop_root();
    make_file("g", "");
    SHOW("give_away", ok(chown("g", geteuid() + 1, -1)));
    SHOW("other_group", ok(chown("g", -1, getegid() + 1)));
    SHOW("others_file", ok(chown("/proc/version", -1, -1)));
}

BEHAVIOUR(root_chown)
{
    make_file("f", "");
    struct stat st;
    if (geteuid() != 0) {
        SHOW("user", ok(chown("f", 0, 0)));
        return;
    }
    SHOW("root", ok(chown("f", 1234, 5678)));
    CHECK(stat("f", &st) == 0);
    say("uid=%d gid=%d", (int)st.st_uid, (int)st.st_gid);
    SHOW("gid_only", ok(chown("f", -1, 99)));
    CHECK(stat("f", &st) == 0);
    say("uid=%d gid=%d", (int)st.st_uid, (int)st.st_gid);
}

BEHAVIOUR(group_bits)
{
    if (geteuid() != 0) {
        say("user: needs root to make a stranger's file");
        return;
    }
    make_file("f", "x");
    CHECK(chown("f", 1, 77) == 0 && chmod("f", 0040) == 0);
    make_file("g", "x");
    CHECK(chown("g", 1, 78) == 0 && chmod("g", 0604) == 0);
    gid_t more[1] = {77};
    CHECK(setgroups(1, more) == 0 && setresgid(78, 78, 78) == 0);
    CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
    SHOW("supplementary", try_open("f", O_RDONLY));
    SHOW("group_has_no_bit", try_open("g", O_RDONLY));
}

BEHAVIOUR(set_id_bits_clear)
{
    drop_root();
    make_file("f", "");
    CHECK(chmod("f", 06755) == 0);
    int fd = MUST(open("f", O_WRONLY));
    say("set=%o", mode_of("f"));
    CHECK(write(fd, "x", 1) == 1);
    say("after_write=%o", mode_of("f"));
    CHECK(chmod("f", 04755) == 0 && ftruncate(fd, 0) == 0);
    say("after_truncate=%o", mode_of("f"));
    CHECK(chmod("f", 04755) == 0 && chown("f", -1, getegid()) == 0);
    say("after_chown=%o", mode_of("f"));
}

BEHAVIOUR(set_gid_directory)
{
    struct stat st;
    drop_root();
    CHECK(mkdir("d", 0755) == 0 && chmod("d", 02755) == 0);
    CHECK(mkdir("d/sub", 0755) == 0);
    say("sub=%o", mode_of("d/sub"));
    make_file("d/f", "");
    CHECK(stat("d/f", &st) == 0);
    say("group=%s file=%o", yes(st.st_gid == getegid()), mode_of("d/f"));
}

BEHAVIOUR(sticky_directory)
{
    if (geteuid() != 0) {
        say("user: needs root to make a stranger's file");
        return;
    }
    CHECK(mkdir("d", 0777) == 0 && chmod("d", 01777) == 0);
    make_file("d/root", "");
    make_file("d/mine", "");
    CHECK(chown("d/mine", NOBODY, NOBODY) == 0);
    drop_root();
    SHOW("unlink_others", ok(unlink("d/root")));
    SHOW("rename_others", ok(rename("d/root", "d/x")));
    SHOW("rename_over_others", ok(rename("d/mine", "d/root")));
    SHOW("unlink_mine", ok(unlink("d/mine")));
}

BEHAVIOUR(exec_permission)
{
    drop_root();
    make_file("f", "#!/bin/sh\nexit 0\n");
    char *argv[] = {"f", NULL};
    SHOW("mode_644", ok(execv("f", argv)));
    CHECK(mkdir("d", 0755) == 0);
    SHOW("dir", ok(execv("d", argv)));
}

BEHAVIOUR(inode_flags_ioctl)
{
    /* FS_IOC_GETFLAGS works, or names the filesystem's refusal. */
    int p[2], flags = 0;
    CHECK(pipe(p) == 0);
    SHOW("pipe", ok(syscall(SYS_ioctl, p[0], FS_IOC_GETFLAGS, &flags)));
    SHOW("bad_fd", ok(syscall(SYS_ioctl, 999, FS_IOC_GETFLAGS, &flags)));
}
