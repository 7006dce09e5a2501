/* Credentials: ids, groups, capabilities, and the rules for changing them. */
#include "guest.h"
#include <linux/capability.h>
#include <sys/fsuid.h>

static const char *ids(void)
{
    uid_t r, e, s, base = geteuid() == 0 || getuid() == 0 ? 0 : getuid();
    char *text = guest_scrap();
    CHECK(getresuid(&r, &e, &s) == 0);
    /* Only equality shows, so that any user prints the same. */
    snprintf(text, 64, "%c%c%c", r == base ? '=' : '+', e == base ? '=' : '+', s == base ? '=' : '+');
    return text;
}

BEHAVIOUR(getters_agree)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;
    CHECK(getresuid(&r, &e, &s) == 0 && getresgid(&gr, &ge, &gs) == 0);
    say("uid=%s gid=%s", yes(r == getuid() && e == geteuid()), yes(gr == getgid() && ge == getegid()));
    SHOW("fault", ok(getresuid(bad(), &e, &s)));
    say("fsuid=%s", yes(setfsuid(-1) == (int)geteuid()));
}

BEHAVIOUR(user_may_not_change)
{
    drop_root();
    uid_t me = getuid();
    SHOW("setuid_other", ok(setuid(me + 1)));
    SHOW("setuid_root", ok(setuid(0)));
    SHOW("setuid_self", ok(setuid(me)));
    SHOW("seteuid", ok(seteuid(0)));
    SHOW("setreuid", ok(setreuid(me + 1, -1)));
    SHOW("setresuid_keep", ok(setresuid(-1, -1, -1)));
    SHOW("setresuid_saved", ok(setresuid(-1, -1, me + 1)));
    SHOW("setgid", ok(setgid(getgid() + 1)));
    SHOW("setgroups", ok(setgroups(0, NULL)));
    SHOW("setuid_minus_1", ok(setuid(-1)));
    say("fsuid_refused=%s", yes((setfsuid(me + 1), setfsuid(-1)) == (int)me));
}

BEHAVIOUR(root_sets_all_three)
{
    if (geteuid() != 0) {
        SHOW("user", ok(setuid(geteuid() + 1)));
        return;
    }
    SHOW("setuid", ok(setuid(1000)));
    SHOW("ids", ids());
    SHOW("back", ok(setuid(0)));
    SHOW("seteuid_root", ok(seteuid(0)));
}

BEHAVIOUR(root_effective_and_back)
{
    if (geteuid() != 0) {
        SHOW("user", ok(seteuid(geteuid())));
        return;
    }
    SHOW("seteuid", ok(seteuid(1000)));
    SHOW("ids", ids());
    SHOW("create_in_roots_directory", try_open("f", O_WRONLY | O_CREAT));
    SHOW("back", ok(seteuid(0)));
    SHOW("setreuid_swaps", ok(setreuid(1000, 0)));
    SHOW("swap", ok(setreuid(0, 1000)));
    SHOW("setresuid", ok(setresuid(0, 0, 0)));
}

BEHAVIOUR(saved_id)
{
    if (geteuid() != 0) {
        say("user: needs root");
        return;
    }
    CHECK(setresuid(1000, 1001, 1002) == 0);
    uid_t r, e, s;
    CHECK(getresuid(&r, &e, &s) == 0);
    say("%d,%d,%d", (int)r, (int)e, (int)s);
    SHOW("to_saved", ok(seteuid(1002)));
    SHOW("to_real", ok(seteuid(1000)));
    SHOW("to_other", ok(seteuid(1003)));
    SHOW("permute", ok(setresuid(1002, 1000, 1001)));
    SHOW("setuid_real", ok(setuid(1002)));
    CHECK(getresuid(&r, &e, &s) == 0);
    say("%d,%d,%d", (int)r, (int)e, (int)s);
}

BEHAVIOUR(groups)
{
    gid_t list[4] = {7, 5, 6, 5}, now[8];
    if (geteuid() != 0) {
        SHOW("user", ok(setgroups(4, list)));
        say("count=%s", yes(getgroups(0, NULL) >= 0));
        return;
    }
    SHOW("set", ok(setgroups(4, list)));
    SHOW("count", ret(getgroups(0, now)));
    SHOW("short", ret(getgroups(2, now)));
    int n = getgroups(8, now);
    for (int i = 0; i < n; i++)
        say("%d", (int)now[i]);
    SHOW("too_many", ok(setgroups(65537, list)));
    SHOW("negative", ret(getgroups(-1, now)));
    SHOW("fault", ok(setgroups(4, bad())));
    SHOW("none", ok(setgroups(0, NULL)));
    SHOW("count", ret(getgroups(0, now)));
}

static struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
static struct __user_cap_data_struct data[2];

static int capget_(void)
{
    header.version = _LINUX_CAPABILITY_VERSION_3;
    header.pid = 0;
    return syscall(SYS_capget, &header, data);
}

BEHAVIOUR(capability_calls)
{
    SHOW("get", ok(capget_()));
    header.version = 0x1234;
    SHOW("version", ok(syscall(SYS_capget, &header, data)));
    say("told=%s", yes(header.version == _LINUX_CAPABILITY_VERSION_3));
    header.version = 0x1234;
    SHOW("probe", ok(syscall(SYS_capget, &header, NULL)));
    header.pid = INT_MAX;
    SHOW("nobody", ok(syscall(SYS_capget, &header, data)));
    header.pid = -1;
    SHOW("negative", ok(syscall(SYS_capget, &header, data)));
    SHOW("fault", ok(syscall(SYS_capget, bad(), data)));
    header.pid = getppid();
    SHOW("set_other", ok(syscall(SYS_capset, &header, data)));
}

BEHAVIOUR(ordinary_user_has_none)
{
    drop_root();
    CHECK(capget_() == 0);
    say("effective=%x permitted=%x", data[0].effective | data[1].effective,
        data[0].permitted | data[1].permitted);
    data[0].permitted = data[0].effective = 1;
    SHOW("raise", ok(syscall(SYS_capset, &header, data)));
    memset(data, 0, sizeof data);
    SHOW("same", ok(syscall(SYS_capset, &header, data)));
}

BEHAVIOUR(root_capabilities)
{
    CHECK(capget_() == 0);
    if (geteuid() != 0) {
        say("user: effective=%x", data[0].effective);
        return;
    }
    enum { CHOWN = 1 << CAP_CHOWN, SETUID = 1 << CAP_SETUID, KILL = 1 << CAP_KILL };
    say("has=%s", yes((data[0].effective & (CHOWN | SETUID | KILL)) == (CHOWN | SETUID | KILL)));
    make_file("f", "");
    data[0].effective &= ~CHOWN;
    SHOW("drop_effective", ok(syscall(SYS_capset, &header, data)));
    SHOW("chown", ok(chown("f", 5, 5)));
    data[0].effective |= CHOWN;
    SHOW("raise_again", ok(syscall(SYS_capset, &header, data)));
    SHOW("chown", ok(chown("f", 5, 5)));
    data[0].effective &= ~CHOWN;
    data[0].permitted &= ~CHOWN;
    SHOW("drop_permitted", ok(syscall(SYS_capset, &header, data)));
    data[0].effective |= CHOWN;
    SHOW("effective_beyond", ok(syscall(SYS_capset, &header, data)));
    data[0].permitted |= CHOWN;
    SHOW("permitted_beyond", ok(syscall(SYS_capset, &header, data)));
}

BEHAVIOUR(keepcaps)
{
    if (geteuid() != 0) {
        SHOW("user", ok(prctl(PR_SET_KEEPCAPS, 1)));
        return;
    }
    pid_t pid = start();
    if (pid == 0) {
        CHECK(setuid(1000) == 0 && capget_() == 0);
        _exit(data[0].permitted != 0);
    }
    SHOW("without", reap(pid));
    CHECK(prctl(PR_SET_KEEPCAPS, 1) == 0 && setuid(1000) == 0 && capget_() == 0);
    say("permitted=%s effective=%s", yes(data[0].permitted != 0), yes(data[0].effective != 0));
}

BEHAVIOUR(bounding_set)
{
    SHOW("read_chown", ret(prctl(PR_CAPBSET_READ, CAP_CHOWN) >= 0 ? 0 : -1));
    SHOW("read_unknown", ret(prctl(PR_CAPBSET_READ, 200)));
    if (geteuid() == 0) {
        SHOW("drop", ok(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT)));
        SHOW("read", ret(prctl(PR_CAPBSET_READ, CAP_SYS_BOOT)));
    } else
        SHOW("drop_as_user", ok(prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT)));
    SHOW("ambient_unknown", ok(prctl(PR_CAP_AMBIENT, 77, 0, 0, 0)));
    SHOW("securebits", ret(prctl(PR_GET_SECUREBITS)));
}

ROLE(who)
{
    uid_t r, e, s;
    CHECK(getresuid(&r, &e, &s) == 0 && capget_() == 0);
    say("saved_is_effective=%s caps=%s", yes(s == e), yes(data[0].effective != 0));
}

BEHAVIOUR(exec_keeps_ids)
{
    pid_t pid = start();
    if (pid == 0) {
        drop_root();
        execl(guest_self, "x", "@who", NULL);
        _exit(90);
    }
    SHOW("user", reap(pid));
    if (geteuid() != 0)
        return;
    pid = start();
    if (pid == 0) {
        CHECK(setresuid(0, 1000, 0) == 0);
        execl(guest_self, "x", "@who", NULL);
        _exit(90);
    }
    SHOW("effective_user", reap(pid));
}

BEHAVIOUR(new_files_belong_to_fsuid)
{
    struct stat st;
    make_file("a", "");
    CHECK(stat("a", &st) == 0);
    say("uid=%s gid=%s", yes(st.st_uid == geteuid()), yes(st.st_gid == getegid()));
    if (geteuid() != 0)
        return;
    CHECK(chmod(".", 0777) == 0);
    setfsuid(1234);
    make_file("b", "");
    setfsuid(0);
    CHECK(stat("b", &st) == 0);
    say("fsuid=%d", (int)st.st_uid);
}
