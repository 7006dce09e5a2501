/* Process groups, sessions, orphans. */
#include "guest.h"
#include <termios.h>

BEHAVIOUR(setpgid_rules)
{
    pid_t pid = start();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    SHOW("negative", ok(setpgid(pid, -1)));
    SHOW("nobody", ok(setpgid(INT_MAX, 0)));
    SHOW("parent", ok(setpgid(getppid(), 0)));
    SHOW("no_such_group", ok(setpgid(pid, INT_MAX)));
    SHOW("own_group", ok(setpgid(pid, 0)));
    say("leads=%s", yes(getpgid(pid) == pid));
    SHOW("back", ok(setpgid(pid, getpgrp())));
    say("joined=%s", yes(getpgid(pid) == getpgrp()));
    kill(pid, SIGKILL);
    reap(pid);
    SHOW("getpgid_nobody", ret(getpgid(INT_MAX)));
    SHOW("getsid_nobody", ret(getsid(INT_MAX)));
    SHOW("getpgid_negative", ret(getpgid(-1)));
}

ROLE(waiter)
{
    char c;
    guest_write("", 0);
    CHECK(write(atoi(guest_argv[2]), "r", 1) == 1);
    CHECK(read(atoi(guest_argv[3]), &c, 1) >= 0);
}

BEHAVIOUR(setpgid_after_exec)
{
    int up[2], down[2];
    char a[12], b[12], c;
    CHECK(pipe(up) == 0 && pipe(down) == 0);
    pid_t pid = start();
    if (pid == 0) {
        snprintf(a, sizeof a, "%d", up[1]);
        snprintf(b, sizeof b, "%d", down[0]);
        execl(guest_self, "x", "@waiter", a, b, NULL);
        _exit(90);
    }
    CHECK(read(up[0], &c, 1) == 1);
    SHOW("child_has_execed", ok(setpgid(pid, pid)));
    CHECK(write(down[1], "x", 1) == 1);
    SHOW("child", reap(pid));
}

BEHAVIOUR(setsid_rules)
{
    pid_t pid = start();
    if (pid == 0) {
        pid_t me = getpid();
        say("new=%s", yes(setsid() == me));
        say("sid=%s pgrp=%s", yes(getsid(0) == me), yes(getpgrp() == me));
        SHOW("again", ret(setsid()));
        SHOW("leader_moves", ok(setpgid(0, 0)));
        SHOW("tty", try_open("/dev/tty", O_RDWR));
        pid_t child = start();
        if (child == 0)
            _exit(getsid(0) == me && getpgrp() == me ? 0 : 1);
        SHOW("inherited", reap(child));
        _exit(0);
    }
    SHOW("child", reap(pid));
    setpgid(0, 0);
    SHOW("group_leader", ret(setsid()));
}

BEHAVIOUR(other_session)
{
    int p[2];
    char c;
    CHECK(pipe(p) == 0);
    pid_t pid = start();
    if (pid == 0) {
        setsid();
        CHECK(write(p[1], "x", 1) == 1);
        pause();
    }
    CHECK(read(p[0], &c, 1) == 1);
    SHOW("setpgid", ok(setpgid(pid, getpgrp())));
    say("getsid=%s", yes(getsid(pid) == pid));
    SHOW("kill", ok(kill(pid, SIGTERM)));
    SHOW("child", reap(pid));
}

BEHAVIOUR(kill_group)
{
    setpgid(0, 0);
    signal(SIGUSR1, SIG_IGN);
    pid_t pids[3];
    for (int i = 0; i < 3; i++) {
        pids[i] = start();
        if (pids[i] == 0) {
            signal(SIGUSR1, SIG_DFL);
            raise(SIGSTOP);
            pause();
        }
        int status;
        CHECK(waitpid(pids[i], &status, WUNTRACED) == pids[i]);
    }
    SHOW("zero", ok(kill(0, SIGUSR1)));
    for (int i = 0; i < 3; i++) {
        kill(pids[i], SIGCONT);
        SHOW("child", reap(pids[i]));
    }
    SHOW("empty_group", ok(kill(-INT_MAX, SIGTERM)));
    SHOW("own_group", ok(kill(-getpgrp(), 0)));
}

BEHAVIOUR(orphans_are_reparented)
{
    int p[2];
    CHECK(pipe(p) == 0);
    pid_t middle = start();
    if (middle == 0) {
        pid_t me = getpid();
        if (start() == 0) {
            int moved = EVENTUALLY(getppid() != me);
            char answer = moved ? 'm' : 's';
            _exit(write(p[1], &answer, 1) != 1);
        }
        _exit(0);
    }
    SHOW("middle", reap(middle));
    char c = '?';
    CHECK(read(p[0], &c, 1) == 1);
    say("orphan=%c", c);
    SHOW("not_ours", reap(-1));
}

BEHAVIOUR(subreaper)
{
    int on = 0;
    SHOW("set", ok(prctl(PR_SET_CHILD_SUBREAPER, 1)));
    CHECK(prctl(PR_GET_CHILD_SUBREAPER, &on) == 0);
    say("get=%d", on);
    pid_t me = getpid(), middle = start();
    if (middle == 0) {
        pid_t parent = getpid();
        if (start() == 0) {
            EVENTUALLY(getppid() != parent);
            _exit(getppid() == me ? 21 : 22);
        }
        _exit(0);
    }
    SHOW("middle", reap(middle));
    SHOW("grandchild", reap(-1));
    SHOW("none", reap(-1));
}

BEHAVIOUR(orphaned_stopped_group_is_woken)
{
    /* A leader dies; its stopped group becomes orphaned: SIGHUP, SIGCONT. */
    int p[2];
    char c = '?';
    CHECK(pipe(p) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    pid_t middle = start();
    if (middle == 0) {
        setsid();
        pid_t child = start();
        if (child == 0) {
            setpgid(0, 0);
            raise(SIGSTOP);
            _exit(33);      /* SIGHUP comes with SIGCONT and ends us first */
        }
        int status;
        waitpid(child, &status, WUNTRACED);
        _exit(write(p[1], "s", 1) != 1);
    }
    CHECK(read(p[0], &c, 1) == 1);
    SHOW("middle", reap(middle));
    SHOW("stopped_child", reap(-1));
}

BEHAVIOUR(terminal_groups_need_terminal)
{
    int p[2];
    CHECK(pipe(p) == 0);
    SHOW("tcgetpgrp", ret(tcgetpgrp(p[0])));
    SHOW("tcsetpgrp", ok(tcsetpgrp(p[0], getpgrp())));
    SHOW("tcgetsid", ret(tcgetsid(p[0])));
    SHOW("null", ret(tcgetpgrp(MUST(open("/dev/null", O_RDWR)))));
    SHOW("isatty", ret(isatty(p[0])));
    SHOW("isatty_bad", (isatty(999), errname(errno)));
}

BEHAVIOUR(parent_death_signal)
{
    int p[2], signo = -1;
    CHECK(pipe(p) == 0);
    pid_t middle = start();
    if (middle == 0) {
        int ready[2];
        char c;
        CHECK(pipe(ready) == 0);
        if (start() == 0) {
            sigset_t set;
            siginfo_t info;
            struct timespec patience = {5, 0};
            sigemptyset(&set);
            sigaddset(&set, SIGUSR1);
            sigprocmask(SIG_BLOCK, &set, NULL);
            CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1) == 0);
            CHECK(write(ready[1], "r", 1) == 1);
            char answer = sigtimedwait(&set, &info, &patience) == SIGUSR1 ? 'y' : 'n';
            _exit(write(p[1], &answer, 1) != 1);
        }
        CHECK(read(ready[0], &c, 1) == 1);
        _exit(0);
    }
    SHOW("middle", reap(middle));
    char c = '?';
    CHECK(read(p[0], &c, 1) == 1);
    say("got=%c", c);
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    CHECK(prctl(PR_GET_PDEATHSIG, &signo) == 0);
    SHOW("get", signame(signo));
    SHOW("invalid", ok(prctl(PR_SET_PDEATHSIG, 99)));
    pid_t pid = start();
    if (pid == 0)
        _exit(prctl(PR_GET_PDEATHSIG, &signo) == 0 && signo == 0 ? 0 : 1);
    SHOW("cleared_in_child", reap(pid));
}
