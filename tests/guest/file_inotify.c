/* inotify: which events, in which order, and the rules of watches. */
#include "guest.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

static const char *names(uint32_t mask)
{
    static const struct { uint32_t bit; const char *name; } all[] = {
        {IN_ACCESS, "ACCESS"}, {IN_MODIFY, "MODIFY"}, {IN_ATTRIB, "ATTRIB"},
        {IN_CLOSE_WRITE, "CLOSE_WRITE"}, {IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"},
        {IN_OPEN, "OPEN"}, {IN_MOVED_FROM, "MOVED_FROM"},
        {IN_MOVED_TO, "MOVED_TO"}, {IN_CREATE, "CREATE"},
        {IN_DELETE, "DELETE"}, {IN_DELETE_SELF, "DELETE_SELF"},
        {IN_MOVE_SELF, "MOVE_SELF"}, {IN_IGNORED, "IGNORED"},
        {IN_ISDIR, "ISDIR"}, {IN_UNMOUNT, "UNMOUNT"},
        {IN_Q_OVERFLOW, "OVERFLOW"}};
    char *text = guest_scrap();
    text[0] = 0;
    for (int i = 0; i < COUNT(all); i++)
        if (mask & all[i].bit) {
            if (text[0])
                strcat(text, "|");
            strcat(text, all[i].name);
        }
    return text;
}

static int last_wd;
static uint32_t cookies[4];

/* Say everything that is queued. */
static void drain(int fd)
{
    char buffer[4096] __attribute__((aligned(8)));
    ssize_t n = read(fd, buffer, sizeof buffer);
    int moves = 0;
    if (n < 0)
        say("%s", errname(errno));
    for (char *at = buffer; at < buffer + n;) {
        struct inotify_event *e = (void *)at;
        say("%s%s%s", names(e->mask), e->len ? "," : "", e->len ? e->name : "");
        if (e->cookie && moves < 4)
            cookies[moves++] = e->cookie;
        last_wd = e->wd;
        at += sizeof *e + e->len;
    }
}

static int watcher(const char *path, uint32_t mask)
{
    int fd = MUST(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    MUST(inotify_add_watch(fd, path, mask));
    return fd;
}

BEHAVIOUR(file_life)
{
    int fd = watcher(".", IN_ALL_EVENTS);
    int f = MUST(open("f", O_RDWR | O_CREAT, 0644));
    CHECK(write(f, "x", 1) == 1);
    close(f);
    drain(fd);
    f = MUST(open("f", O_RDONLY));
    char c;
    CHECK(read(f, &c, 1) == 1);
    close(f);
    drain(fd);
    CHECK(chmod("f", 0600) == 0 && unlink("f") == 0);
    drain(fd);
    drain(fd);
}

BEHAVIOUR(directories)
{
    int fd = watcher(".", IN_CREATE | IN_DELETE | IN_MOVE);
    CHECK(mkdir("d", 0755) == 0 && rmdir("d") == 0);
    CHECK(symlink("x", "l") == 0 && unlink("l") == 0);
    drain(fd);
}

BEHAVIOUR(moves_share_a_cookie)
{
    int fd = watcher(".", IN_MOVE);
    make_file("a", "");
    CHECK(rename("a", "b") == 0);
    drain(fd);
    say("same=%s", yes(cookies[0] && cookies[0] == cookies[1]));
    CHECK(mkdir("d", 0755) == 0 && rename("b", "d/b") == 0);
    drain(fd);
    CHECK(rename("d/b", "c") == 0);
    drain(fd);
}

BEHAVIOUR(watch_on_a_file)
{
    make_file("f", "x");
    int fd = watcher("f", IN_ALL_EVENTS);
    CHECK(rename("f", "g") == 0);
    drain(fd);
    CHECK(truncate("g", 0) == 0);
    drain(fd);
    CHECK(unlink("g") == 0);
    drain(fd);
}

BEHAVIOUR(remove_watch)
{
    int fd = MUST(inotify_init1(IN_NONBLOCK));
    int wd = MUST(inotify_add_watch(fd, ".", IN_CREATE));
    SHOW("remove", ok(inotify_rm_watch(fd, wd)));
    drain(fd);
    say("same_wd=%s", yes(last_wd == wd));
    SHOW("again", ok(inotify_rm_watch(fd, wd)));
    make_file("f", "");
    drain(fd);
    say("new_number=%s", yes(inotify_add_watch(fd, ".", IN_CREATE) != wd));
}

BEHAVIOUR(one_watch_per_inode)
{
    int fd = MUST(inotify_init1(IN_NONBLOCK));
    CHECK(symlink(".", "l") == 0);
    int wd = MUST(inotify_add_watch(fd, ".", IN_CREATE));
    say("same=%s", yes(inotify_add_watch(fd, "l", IN_DELETE) == wd));
    make_file("f", "");
    drain(fd);          /* the mask was replaced */
    CHECK(unlink("f") == 0);
    drain(fd);
    SHOW("add", yes(inotify_add_watch(fd, ".", IN_CREATE | IN_MASK_ADD) == wd));
    make_file("f", "");
    CHECK(unlink("f") == 0);
    drain(fd);
    SHOW("create", ok(inotify_add_watch(fd, ".", IN_CREATE | IN_MASK_CREATE)));
}

BEHAVIOUR(oneshot)
{
    int fd = watcher(".", IN_CREATE | IN_ONESHOT);
    make_file("a", "");
    make_file("b", "");
    drain(fd);
    drain(fd);
}

BEHAVIOUR(equal_events_merge)
{
    make_file("f", "");
    int fd = watcher("f", IN_MODIFY), n = 0;
    int f = MUST(open("f", O_WRONLY));
    for (int i = 0; i < 3; i++)
        CHECK(write(f, "x", 1) == 1);
    CHECK(ioctl(fd, FIONREAD, &n) == 0);
    say("fionread=%d", n);
    drain(fd);
    CHECK(ioctl(fd, FIONREAD, &n) == 0);
    say("fionread=%d", n);
}

BEHAVIOUR(errors)
{
    int fd = MUST(inotify_init1(IN_NONBLOCK));
    make_file("f", "");
    SHOW("init_flags", ok(inotify_init1(0x10)));
    SHOW("missing", ok(inotify_add_watch(fd, "none", IN_CREATE)));
    SHOW("no_mask", ok(inotify_add_watch(fd, ".", 0)));
    SHOW("not_inotify", ok(inotify_add_watch(0, ".", IN_CREATE)));
    SHOW("bad_fd", ok(inotify_add_watch(999, ".", IN_CREATE)));
    SHOW("fault", ok(inotify_add_watch(fd, bad(), IN_CREATE)));
    SHOW("onlydir", ok(inotify_add_watch(fd, "f", IN_OPEN | IN_ONLYDIR)));
    SHOW("rm_bad", ok(inotify_rm_watch(fd, 77)));
    SHOW("write", ret(write(fd, "x", 1)));
    SHOW("empty", ret(read(fd, (char[64]){0}, 64)));
    CHECK(inotify_add_watch(fd, ".", IN_CREATE) > 0);
    make_file("g", "");
    SHOW("small_buffer", ret(read(fd, (char[8]){0}, 8)));
    SHOW("still_there", yes(read(fd, (char[64]){0}, 64) == 32));
}

BEHAVIOUR(blocking_and_poll)
{
    int fd = MUST(inotify_init1(0));
    CHECK(inotify_add_watch(fd, ".", IN_CREATE) > 0);
    struct pollfd p = {fd, POLLIN, 0};
    SHOW("quiet", ret(poll(&p, 1, 0)));
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        make_file("late", "");
        _exit(0);
    }
    SHOW("poll", ret(poll(&p, 1, 5000)));
    drain(fd);
    SHOW("child", reap(pid));
    pid = start();
    if (pid == 0) {
        sleep_ms(20);
        make_file("later", "");
        _exit(0);
    }
    drain(fd);          /* blocks until the child made it */
    reap(pid);
}

BEHAVIOUR(hard_link_and_attrib)
{
    make_file("f", "");
    int fd = watcher("f", IN_ALL_EVENTS);
    CHECK(link("f", "g") == 0);
    drain(fd);
    CHECK(unlink("f") == 0);    /* another name is left: no DELETE_SELF */
    drain(fd);
    CHECK(unlink("g") == 0);
    drain(fd);
}
