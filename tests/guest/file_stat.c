/* stat family, statx, statfs, utimensat. */
#include "guest.h"
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>

#ifndef PIPEFS_MAGIC
#define PIPEFS_MAGIC 0x50495045
#endif

BEHAVIOUR(types_and_modes)
{
    struct stat st;
    int p[2];
    make_file("f", "abc");
    CHECK(mkdir("d", 0750) == 0 && mkfifo("p", 0640) == 0);
    CHECK(symlink("f", "l") == 0 && pipe(p) == 0);
    const char *names[] = {"f", "d", "p", "l", "/dev/null", "/proc/self"};
    for (int i = 0; i < COUNT(names); i++) {
        CHECK(lstat(names[i], &st) == 0);
        say("%o", st.st_mode & (i < 4 ? 0177777 : S_IFMT));
    }
    CHECK(fstat(p[0], &st) == 0);
    say("pipe=%o", st.st_mode);
}

BEHAVIOUR(sizes_and_links)
{
    struct stat st;
    make_file("f", "abc");
    CHECK(link("f", "g") == 0 && stat("f", &st) == 0);
    say("size=%d nlink=%d", (int)st.st_size, (int)st.st_nlink);
    say("owner=%s", yes(st.st_uid == geteuid()));
    say("blksize=%s", yes(st.st_blksize >= 512));
    struct stat other;
    CHECK(stat("g", &other) == 0);
    say("same=%s", yes(st.st_ino == other.st_ino && st.st_dev == other.st_dev));
    CHECK(fstat(MUST(open("f", O_RDONLY)), &other) == 0);
    say("fstat_same=%s", yes(st.st_ino == other.st_ino));
}

BEHAVIOUR(device_numbers)
{
    struct stat st;
    const char *names[] = {"null", "zero", "full", "random", "urandom", "tty"};
    for (int i = 0; i < COUNT(names); i++) {
        char path[20];
        snprintf(path, sizeof path, "/dev/%s", names[i]);
        CHECK(stat(path, &st) == 0);
        say("%s=%d:%d", names[i], major(st.st_rdev), minor(st.st_rdev));
    }
}

BEHAVIOUR(errors)
{
    struct stat st;
    make_file("f", "");
    SHOW("missing", ok(stat("none", &st)));
    SHOW("empty", ok(stat("", &st)));
    SHOW("below_file", ok(stat("f/x", &st)));
    SHOW("fault_path", ok(stat(bad(), &st)));
    SHOW("fault_buffer", ok(raw_stat("f", bad())));
    SHOW("bad_fd", ok(fstat(999, &st)));
    SHOW("flags", ok(fstatat(AT_FDCWD, "f", &st, 0x8000000)));
    SHOW("fenced", ok(stat(fence_string("f"), fence(sizeof st))));
}

BEHAVIOUR(statx_basics)
{
    struct statx x = {0};
    make_file("f", "abc");
    SHOW("call", ok(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x)));
    say("size=%d mode=%o nlink=%d", (int)x.stx_size, x.stx_mode, (int)x.stx_nlink);
    say("basic=%s", yes((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS));
    SHOW("fenced", ok(statx(AT_FDCWD, "f", 0, STATX_SIZE, fence(sizeof x))));
    int fd = MUST(open("f", O_RDONLY));
    SHOW("by_fd", ok(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &x)));
    CHECK(symlink("f", "l") == 0);
    SHOW("link", ok(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x)));
    SHOW("is_link", yes(S_ISLNK(x.stx_mode)));
    CHECK(statx(AT_FDCWD, "/dev/null", 0, STATX_BASIC_STATS, &x) == 0);
    say("rdev=%u:%u", x.stx_rdev_major, x.stx_rdev_minor);
}

BEHAVIOUR(statx_errors)
{
    struct statx x;
    make_file("f", "");
    SHOW("reserved_mask", ok(statx(AT_FDCWD, "f", 0, 0x80000000u, &x)));
    SHOW("flags", ok(statx(AT_FDCWD, "f", 0x40000000, STATX_SIZE, &x)));
    SHOW("both_syncs", ok(statx(AT_FDCWD, "f", AT_STATX_FORCE_SYNC |
                                AT_STATX_DONT_SYNC, STATX_SIZE, &x)));
    SHOW("missing", ok(statx(AT_FDCWD, "none", 0, STATX_SIZE, &x)));
    SHOW("empty", ok(statx(AT_FDCWD, "", 0, STATX_SIZE, &x)));
    SHOW("fault", ok(statx(AT_FDCWD, "f", 0, STATX_SIZE, bad())));
    SHOW("bad_fd", ok(statx(999, "f", 0, STATX_SIZE, &x)));
}

static void show_times(const char *path, int nofollow)
{
    struct stat st;
    CHECK(fstatat(AT_FDCWD, path, &st, nofollow) == 0);
    say("%lld.%ld,%lld.%ld", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
        (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

BEHAVIOUR(utimensat_sets)
{
    make_file("f", "");
    struct timespec t[2] = {{1000, 500}, {2000, 700}};
    SHOW("set", ok(utimensat(AT_FDCWD, "f", t, 0)));
    show_times("f", 0);
    t[0] = (struct timespec){0, UTIME_OMIT};
    t[1] = (struct timespec){3000, 1};
    SHOW("omit", ok(utimensat(AT_FDCWD, "f", t, 0)));
    show_times("f", 0);
    t[0].tv_nsec = t[1].tv_nsec = UTIME_OMIT;
    SHOW("omit_both_missing", ok(utimensat(AT_FDCWD, "none", t, 0)));
    SHOW("before_1970", (t[0] = t[1] = (struct timespec){-5, 10},
                         ok(utimensat(AT_FDCWD, "f", t, 0))));
    show_times("f", 0);
}

BEHAVIOUR(utimensat_now)
{
    make_file("f", "");
    struct timespec t[2] = {{1, 0}, {1, 0}};
    struct stat st;
    time_t before = time(NULL);
    CHECK(utimensat(AT_FDCWD, "f", t, 0) == 0);
    t[0].tv_nsec = UTIME_NOW;
    t[1].tv_nsec = UTIME_OMIT;
    SHOW("now_omit", ok(utimensat(AT_FDCWD, "f", t, 0)));
    CHECK(stat("f", &st) == 0);
    say("atime_now=%s mtime=%d", yes(st.st_atime >= before - 1),
        (int)st.st_mtime);
    SHOW("null", ok(utimensat(AT_FDCWD, "f", NULL, 0)));
    CHECK(stat("f", &st) == 0);
    say("both_now=%s", yes(st.st_mtime >= before - 1 &&
                           st.st_atime >= before - 1));
    say("equal=%s", yes(st.st_atim.tv_nsec == st.st_mtim.tv_nsec));
}

BEHAVIOUR(utimensat_links_and_fds)
{
    make_file("f", "");
    CHECK(symlink("f", "l") == 0);
    struct timespec t[2] = {{10, 0}, {20, 0}}, u[2] = {{30, 0}, {40, 0}};
    SHOW("follow", ok(utimensat(AT_FDCWD, "l", t, 0)));
    SHOW("nofollow", ok(utimensat(AT_FDCWD, "l", u, AT_SYMLINK_NOFOLLOW)));
    show_times("f", 0);
    show_times("l", AT_SYMLINK_NOFOLLOW);
    int fd = MUST(open("f", O_RDONLY));
    SHOW("futimens", ok(futimens(fd, u)));
    show_times("f", 0);
}

BEHAVIOUR(utimensat_errors)
{
    make_file("f", "");
    struct timespec t[2] = {{0, 1000000000}, {0, 0}};
    SHOW("nsec", ok(utimensat(AT_FDCWD, "f", t, 0)));
    t[0].tv_nsec = -1;
    SHOW("negative_nsec", ok(utimensat(AT_FDCWD, "f", t, 0)));
    t[0].tv_nsec = 0;
    SHOW("missing", ok(utimensat(AT_FDCWD, "none", t, 0)));
    SHOW("flags", ok(utimensat(AT_FDCWD, "f", t, 0x4000000)));
    SHOW("fault", ok(syscall(SYS_utimensat, AT_FDCWD, "f", bad(), 0)));
    SHOW("null_path", ok(syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0)));
    drop_root();
    SHOW("owner_only", ok(utimensat(AT_FDCWD, "/proc/version", t, 0)));
    make_file("g", "");
    CHECK(chmod("g", 0444) == 0);
    SHOW("own_read_only", ok(utimensat(AT_FDCWD, "g", NULL, 0)));
}

BEHAVIOUR(what_changes_times)
{
    struct timespec old[2] = {{1000, 0}, {1000, 0}};
    struct stat st, later;
    make_file("f", "abc");
    CHECK(utimensat(AT_FDCWD, "f", old, 0) == 0 && stat("f", &st) == 0);
    int fd = MUST(open("f", O_RDWR));
    CHECK(write(fd, "x", 1) == 1 && stat("f", &later) == 0);
    say("write_mtime=%s", yes(later.st_mtime > st.st_mtime));
    CHECK(utimensat(AT_FDCWD, "f", old, 0) == 0);
    CHECK(chmod("f", 0600) == 0 && stat("f", &later) == 0);
    say("chmod_mtime=%s", yes(later.st_mtime > 1000));
    say("ctime_real=%s", yes(later.st_ctime > 1000000));
    CHECK(utimensat(AT_FDCWD, ".", old, 0) == 0);
    make_file("new", "");
    CHECK(stat(".", &later) == 0);
    say("dir_mtime=%s", yes(later.st_mtime > 1000));
    CHECK(utimensat(AT_FDCWD, "f", old, 0) == 0);
    CHECK(ftruncate(fd, 1) == 0 && stat("f", &later) == 0);
    say("truncate_mtime=%s", yes(later.st_mtime > 1000));
}

BEHAVIOUR(statfs_kinds)
{
    struct statfs s;
    int p[2];
    SHOW("here", ok(statfs(".", &s)));
    say("namelen=%ld bsize=%s", (long)s.f_namelen, yes(s.f_bsize >= 512));
    say("free_at_most_blocks=%s", yes(s.f_bfree <= s.f_blocks));
    CHECK(statfs("/proc", &s) == 0);
    say("proc=%s", yes(s.f_type == PROC_SUPER_MAGIC));
    CHECK(pipe(p) == 0 && fstatfs(p[0], &s) == 0);
    say("pipe=%s", yes(s.f_type == PIPEFS_MAGIC));
    CHECK(statfs("/dev/shm", &s) == 0);
    say("shm=%s", yes(s.f_type == TMPFS_MAGIC));
    SHOW("missing", ok(statfs("none", &s)));
    SHOW("fault", ok(statfs(".", bad())));
    SHOW("bad_fd", ok(fstatfs(999, &s)));
}
