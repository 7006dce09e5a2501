/* wait4, waitid: statuses, options, who may be waited for. */
#include "guest.h"
#include <sys/resource.h>

static pid_t exits(int status)
{
    pid_t pid = start();
    if (pid == 0)
        _exit(status);
    return pid;
}

static pid_t pauses(void)
{
    pid_t pid = start();
    while (pid == 0)
        pause();
    return pid;
}

static const char *code_name(int value)
{
    static const char *const names[] = {"0", "EXITED", "KILLED", "DUMPED",
                                        "TRAPPED", "STOPPED", "CONTINUED"};
    return value >= 0 && value < COUNT(names) ? names[value] : "?";
}

BEHAVIOUR(statuses)
{
    SHOW("0", reap(exits(0)));
    SHOW("255", reap(exits(255)));
    SHOW("256", reap(exits(256)));
    SHOW("-1", reap(exits(-1)));
    static const int signals[] = {SIGTERM, SIGKILL, SIGUSR1};
    for (int i = 0; i < COUNT(signals); i++) {
        pid_t pid = pauses();
        kill(pid, signals[i]);
        SHOW("killed", reap(pid));
    }
}

BEHAVIOUR(any_child)
{
    pid_t a = exits(1), b = exits(1);
    int status;
    pid_t first = wait(&status), second = wait(&status);
    say("both=%s", yes((first == a && second == b) || (first == b && second == a)));
    SHOW("none_left", ret(wait(&status)));
}

BEHAVIOUR(nohang)
{
    int status;
    SHOW("no_child", ret(waitpid(-1, &status, WNOHANG)));
    pid_t pid = pauses();
    SHOW("running", ret(waitpid(pid, &status, WNOHANG)));
    kill(pid, SIGKILL);
    int got = EVENTUALLY(waitpid(pid, &status, WNOHANG) == pid);
    say("reaped=%s %s", yes(got), status_text(status));
    SHOW("again", ret(waitpid(pid, &status, WNOHANG)));
}

BEHAVIOUR(errors)
{
    int status;
    siginfo_t info;
    pid_t pid = pauses();
    SHOW("not_mine", ret(waitpid(getppid(), &status, 0)));
    SHOW("nobody", ret(waitpid(INT_MAX, &status, WNOHANG)));
    SHOW("int_min", ret(waitpid(INT_MIN, &status, WNOHANG)));
    SHOW("options", ret(waitpid(-1, &status, 0x100)));
    SHOW("waitid_no_event", ok(waitid(P_ALL, 0, &info, WNOHANG)));
    SHOW("waitid_options", ok(waitid(P_ALL, 0, &info, WEXITED | 0x100)));
    SHOW("waitid_type", ok(waitid(77, 0, &info, WEXITED)));
    SHOW("waitid_pid_0", ok(waitid(P_PID, 0, &info, WEXITED)));
    SHOW("waitid_bad_fd", ok(waitid(P_PIDFD, 999, &info, WEXITED)));
    kill(pid, SIGKILL);
    SHOW("fault_loses_child", ret(waitpid(pid, bad(), 0)));
    SHOW("gone", ret(waitpid(pid, &status, 0)));
}

BEHAVIOUR(waitid_fields)
{
    siginfo_t info;
    memset(&info, 0x55, sizeof info);
    pid_t pid = exits(9);
    SHOW("call", ok(waitid(P_PID, pid, &info, WEXITED)));
    say("signo=%s code=%s status=%d pid=%s uid=%s errno=%d", signame(info.si_signo),
        code_name(info.si_code), info.si_status, yes(info.si_pid == pid),
        yes(info.si_uid == getuid()), info.si_errno);
    pid = pauses();
    kill(pid, SIGTERM);
    SHOW("call", ok(waitid(P_PID, pid, &info, WEXITED)));
    say("code=%s status=%s", code_name(info.si_code), signame(info.si_status));
    SHOW("null_info", (pid = exits(1), ok(waitid(P_PID, pid, NULL, WEXITED))));
}

BEHAVIOUR(waitid_nohang_clears)
{
    siginfo_t info;
    pid_t pid = pauses();
    memset(&info, 0x55, sizeof info);
    SHOW("call", ok(waitid(P_PID, pid, &info, WEXITED | WNOHANG)));
    say("pid=%d signo=%d", (int)info.si_pid, info.si_signo);
    kill(pid, SIGKILL);
    reap(pid);
}

BEHAVIOUR(nowait_leaves_it)
{
    siginfo_t info = {0};
    pid_t pid = exits(4);
    SHOW("look", ok(waitid(P_PID, pid, &info, WEXITED | WNOWAIT)));
    say("status=%d", info.si_status);
    SHOW("look_again", ok(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT)));
    SHOW("zombie_exists", ok(kill(pid, 0)));
    SHOW("take", reap(pid));
    SHOW("now", ok(kill(pid, 0)));
}

BEHAVIOUR(stopped_and_continued)
{
    int status;
    pid_t pid = pauses();
    kill(pid, SIGSTOP);
    SHOW("stopped", (waitpid(pid, &status, WUNTRACED), status_text(status)));
    SHOW("once", ret(waitpid(pid, &status, WUNTRACED | WNOHANG)));
    kill(pid, SIGCONT);
    SHOW("continued", (waitpid(pid, &status, WCONTINUED), status_text(status)));
    SHOW("once", ret(waitpid(pid, &status, WCONTINUED | WNOHANG)));
    kill(pid, SIGSTOP);
    siginfo_t info = {0};
    SHOW("waitid", ok(waitid(P_PID, pid, &info, WSTOPPED)));
    say("code=%s status=%s", code_name(info.si_code), signame(info.si_status));
    kill(pid, SIGCONT);
    SHOW("waitid", ok(waitid(P_PID, pid, &info, WCONTINUED)));
    say("code=%s status=%s", code_name(info.si_code), signame(info.si_status));
    kill(pid, SIGKILL);
    SHOW("end", reap(pid));
}

BEHAVIOUR(stop_is_not_told_without_option)
{
    int status;
    pid_t pid = pauses();
    kill(pid, SIGSTOP);
    siginfo_t info;
    CHECK(waitid(P_PID, pid, &info, WSTOPPED | WNOWAIT) == 0);
    SHOW("plain", ret(waitpid(pid, &status, WNOHANG)));
    kill(pid, SIGKILL);     /* works on a stopped process */
    SHOW("end", reap(pid));
}

BEHAVIOUR(by_group)
{
    pid_t a = pauses(), b = pauses();
    CHECK(setpgid(a, a) == 0 && setpgid(b, a) == 0);
    pid_t c = exits(3);
    int status;
    siginfo_t info;
    CHECK(waitid(P_PID, c, &info, WEXITED | WNOWAIT) == 0);
    SHOW("other_group", ret(waitpid(-a, &status, WNOHANG)));
    kill(-a, SIGTERM);
    pid_t first = waitpid(-a, &status, 0), second = waitpid(-a, &status, 0);
    say("both=%s", yes(first + second == a + b));
    SHOW("empty", ret(waitpid(-a, &status, 0)));
    say("own_group=%s", yes(waitpid(0, &status, 0) == c));
    SHOW("waitid_group", ok(waitid(P_PGID, getpgrp(), &info, WEXITED)));
}

BEHAVIOUR(ignored_sigchld_reaps)
{
    signal(SIGCHLD, SIG_IGN);
    pid_t pid = exits(1);
    int status;
    SHOW("wait", ret(waitpid(pid, &status, 0)));
    SHOW("gone", ok(kill(pid, 0)));
}

BEHAVIOUR(nocldwait_reaps)
{
    static volatile sig_atomic_t count;
    struct sigaction act = {.sa_handler = guest_ignore, .sa_flags = SA_NOCLDWAIT};
    count = 0;
    CHECK(sigaction(SIGCHLD, &act, NULL) == 0);
    pid_t pid = exits(1);
    int status;
    pid_t got;
    while ((got = waitpid(pid, &status, 0)) == -1 && errno == EINTR)
        ;
    SHOW("wait", ret(got));
}

BEHAVIOUR(interrupted)
{
    int status;
    pid_t pid = pauses();
    interrupt_every(10, guest_ignore, 0);
    SHOW("wait", ret(waitpid(pid, &status, 0)));
    interrupt_every(0, NULL, 0);
    kill(pid, SIGKILL);
    SHOW("end", reap(pid));
}

BEHAVIOUR(usage)
{
    struct rusage usage;
    memset(&usage, 0x55, sizeof usage);
    int status;
    pid_t pid = start();
    if (pid == 0) {
        volatile unsigned n = 0;
        long long until = now_us(CLOCK_PROCESS_CPUTIME_ID) + 30000;
        while (now_us(CLOCK_PROCESS_CPUTIME_ID) < until)
            n++;
        _exit(0);
    }
    CHECK(wait4(pid, &status, 0, &usage) == pid);
    long long used = usage.ru_utime.tv_sec * 1000000ll + usage.ru_utime.tv_usec +
                     usage.ru_stime.tv_sec * 1000000ll + usage.ru_stime.tv_usec;
    say("used=%s sane=%s", yes(used >= 20000), yes(used < 10000000));
    say("maxrss=%s", yes(usage.ru_maxrss > 0));
    struct rusage children;
    CHECK(getrusage(RUSAGE_CHILDREN, &children) == 0);
    say("children=%s", yes(children.ru_utime.tv_sec * 1000000ll + children.ru_utime.tv_usec +
                           children.ru_stime.tv_usec >= 20000));
}

BEHAVIOUR(threads_share_children)
{
    int status;
    pid_t pid = exits(5);
    SHOW("nothread", (waitpid(pid, &status, __WNOTHREAD), status_text(status)));
    pid = exits(6);
    SHOW("wall", (waitpid(pid, &status, __WALL), status_text(status)));
}

BEHAVIOUR(exit_ways)
{
    pid_t pid = start();
    if (pid == 0)
        abort();
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    SHOW("abort", signame(WTERMSIG(status)));
    pid = start();
    if (pid == 0)
        syscall(SYS_exit_group, 77);
    SHOW("exit_group", reap(pid));
    pid = start();
    if (pid == 0)
        syscall(SYS_exit, 78);
    SHOW("exit", reap(pid));
}
