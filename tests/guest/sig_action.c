/* sigaction: flags, masks, defaults, kill and its errors. */
#include "guest.h"

static volatile sig_atomic_t count, depth, deepest, code_seen, pid_matches;

static void counts(int signo UNUSED)
{
    count++;
}

static void install(int signo, void (*handler)(int), int flags)
{
    struct sigaction act = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(signo, &act, NULL) == 0);
}

BEHAVIOUR(handler_runs)
{
    install(SIGUSR1, counts, 0);
    SHOW("kill", ok(kill(getpid(), SIGUSR1)));
    say("count=%d", count);         /* before kill() returned */
    SHOW("raise", ok(raise(SIGUSR1)));
    say("count=%d", count);
}

BEHAVIOUR(old_action_comes_back)
{
    struct sigaction old, act = {.sa_handler = counts, .sa_flags = SA_RESTART | SA_NODEFER};
    sigaddset(&act.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGUSR1, NULL, &old) == 0);
    say("default=%s", yes(old.sa_handler == SIG_DFL));
    CHECK(sigaction(SIGUSR1, &act, NULL) == 0 && sigaction(SIGUSR1, NULL, &old) == 0);
    say("handler=%s restart=%s nodefer=%s mask=%s", yes(old.sa_handler == counts),
        yes(old.sa_flags & SA_RESTART), yes(old.sa_flags & SA_NODEFER),
        yes(sigismember(&old.sa_mask, SIGUSR2)));
}

BEHAVIOUR(errors)
{
    struct sigaction act = {.sa_handler = counts};
    SHOW("kill", ok(sigaction(SIGKILL, &act, NULL)));
    SHOW("stop", ok(sigaction(SIGSTOP, &act, NULL)));
    SHOW("read_kill", ok(sigaction(SIGKILL, NULL, &act)));
    SHOW("zero", ok(sigaction(0, NULL, &act)));
    SHOW("65", ok(sigaction(65, NULL, &act)));
    SHOW("setsize", ok(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4)));
    SHOW("fault", ok(syscall(SYS_rt_sigaction, SIGUSR1, bad(), NULL, 8)));
    SHOW("fault_old", ok(syscall(SYS_rt_sigaction, SIGUSR1, NULL, bad(), 8)));
    SHOW("mask_how", ok(syscall(SYS_rt_sigprocmask, 9, &(uint64_t){0}, NULL, 8)));
    SHOW("mask_size", ok(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &(uint64_t){0}, NULL, 4)));
    SHOW("mask_fault", ok(syscall(SYS_rt_sigprocmask, SIG_BLOCK, bad(), NULL, 8)));
}

static void dives(int signo)
{
    if (++depth > deepest)
        deepest = depth;
    if (++count < 3)
        raise(signo);
    depth--;
}

BEHAVIOUR(nodefer)
{
    install(SIGUSR1, dives, 0);
    raise(SIGUSR1);
    say("deferred_depth=%d count=%d", deepest, count);
    count = depth = deepest = 0;
    install(SIGUSR1, dives, SA_NODEFER);
    raise(SIGUSR1);
    say("nodefer_depth=%d count=%d", deepest, count);
}

BEHAVIOUR(resethand)
{
    struct sigaction now;
    install(SIGUSR1, counts, SA_RESETHAND);
    raise(SIGUSR1);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0);
    say("count=%d default=%s", count, yes(now.sa_handler == SIG_DFL));
    pid_t pid = start();
    if (pid == 0) {
        raise(SIGUSR1);
        _exit(1);
    }
    SHOW("second", reap(pid));
}

static void looks_at_mask(int signo UNUSED)
{
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("in_handler=%s,%s,%s", yes(sigismember(&now, SIGUSR1)),
        yes(sigismember(&now, SIGUSR2)), yes(sigismember(&now, SIGTERM)));
}

BEHAVIOUR(mask_in_handler)
{
    struct sigaction act = {.sa_handler = looks_at_mask};
    sigaddset(&act.sa_mask, SIGUSR2);
    CHECK(sigaction(SIGUSR1, &act, NULL) == 0);
    raise(SIGUSR1);
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("after=%s,%s", yes(sigismember(&now, SIGUSR1)), yes(sigismember(&now, SIGUSR2)));
}

static void with_info(int signo UNUSED, siginfo_t *info, void *context)
{
    code_seen = info->si_code;
    pid_matches = info->si_pid == getpid() && info->si_uid == getuid() && context;
}

BEHAVIOUR(siginfo_of_senders)
{
    struct sigaction act = {.sa_sigaction = with_info, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGUSR1, &act, NULL) == 0);
    kill(getpid(), SIGUSR1);
    say("kill=%s,%s", code_seen == SI_USER ? "USER" : "?", yes(pid_matches));
    raise(SIGUSR1);
    say("tgkill=%s,%s", code_seen == SI_TKILL ? "TKILL" : "?", yes(pid_matches));
    sigqueue(getpid(), SIGUSR1, (union sigval){0});
    say("sigqueue=%s,%s", code_seen == SI_QUEUE ? "QUEUE" : "?", yes(pid_matches));
}

static const char *fate(int signo)
{
    pid_t pid = start();
    if (pid == 0) {
        signal(SIGALRM, SIG_DFL);
        kill(getpid(), signo);
        _exit(0);
    }
    int status;
    if (waitpid(pid, &status, WUNTRACED) != pid)
        return "?";
    if (WIFSTOPPED(status)) {
        kill(pid, SIGKILL);
        reap(pid);
        return "stops";
    }
    return WIFSIGNALED(status) ? "kills" : "ignored";
}

BEHAVIOUR(default_actions)
{
    static const int all[] = {SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE,
                              SIGUSR1, SIGSEGV, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGCONT,
                              SIGSTOP, SIGURG, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH,
                              SIGIO, SIGPWR, SIGSYS};
    for (int i = 0; i < COUNT(all); i++)
        say("%s=%s", signame(all[i]), fate(all[i]));
    say("RT=%s", fate(SIGRTMIN));
}

BEHAVIOUR(blocked_and_pending)
{
    sigset_t set, pending;
    install(SIGUSR1, counts, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    raise(SIGUSR1);
    sigpending(&pending);
    say("count=%d pending=%s", count, yes(sigismember(&pending, SIGUSR1)));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    say("count=%d", count);         /* merged into one */
    sigpending(&pending);
    say("pending=%s", yes(sigismember(&pending, SIGUSR1)));
    SHOW("size", ok(syscall(SYS_rt_sigpending, &pending, 16)));
    SHOW("fault", ok(syscall(SYS_rt_sigpending, bad(), 8)));
}

BEHAVIOUR(ignoring_discards)
{
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    install(SIGUSR1, counts, 0);
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_IGN);       /* drops what is pending */
    sigpending(&pending);
    say("pending=%s", yes(sigismember(&pending, SIGUSR1)));
    install(SIGUSR1, counts, 0);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    say("count=%d", count);
}

BEHAVIOUR(unblockable)
{
    sigset_t all, now;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("kill=%s stop=%s term=%s", yes(sigismember(&now, SIGKILL)),
        yes(sigismember(&now, SIGSTOP)), yes(sigismember(&now, SIGTERM)));
    pid_t pid = start();
    if (pid == 0) {
        kill(getpid(), SIGKILL);
        _exit(1);
    }
    SHOW("child", reap(pid));
}

BEHAVIOUR(kill_errors)
{
    SHOW("nobody", ok(kill(INT_MAX, SIGTERM)));
    SHOW("signal_65", ok(kill(getpid(), 65)));
    SHOW("negative_signal", ok(kill(getpid(), -1)));
    SHOW("zero", ok(kill(getpid(), 0)));
    SHOW("tgkill", ok(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0)));
    SHOW("wrong_group", ok(syscall(SYS_tgkill, getppid(), syscall(SYS_gettid), 0)));
    SHOW("tgkill_0", ok(syscall(SYS_tgkill, 0, syscall(SYS_gettid), 0)));
    SHOW("tkill_nobody", ok(syscall(SYS_tkill, INT_MAX, 0)));
    SHOW("tkill_negative", ok(syscall(SYS_tkill, -1, 0)));
    drop_root();
    SHOW("init", ok(kill(1, 0)));
}

static char order[8];

static void appends(int signo)
{
    order[count++ % 7] = signo == SIGUSR1 ? '1' : '2';
}

BEHAVIOUR(two_signals_order)
{
    /* The lower number's frame is pushed first, the other one's on top of it
     * before the first handler ran an instruction: so the higher runs first. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    install(SIGUSR1, appends, 0);
    install(SIGUSR2, appends, 0);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR2);
    raise(SIGUSR1);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    SHOW("ran", order);
}

BEHAVIOUR(nocldstop)
{
    install(SIGCHLD, counts, SA_NOCLDSTOP | SA_RESTART);
    pid_t pid = start();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, WUNTRACED);
    say("after_stop=%d", count);
    kill(pid, SIGCONT);
    SHOW("child", reap(pid));
    say("after_exit=%d", count);
}

static volatile sig_atomic_t codes[8];

static void notes_code(int signo UNUSED, siginfo_t *info, void *context UNUSED)
{
    codes[count++ % 8] = info->si_code;
}

BEHAVIOUR(child_tells_each_change)
{
    struct sigaction act = {.sa_sigaction = notes_code, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK(sigaction(SIGCHLD, &act, NULL) == 0);
    int p[2];
    char c;
    CHECK(pipe(p) == 0);
    pid_t pid = start();
    if (pid == 0) {
        raise(SIGSTOP);
        CHECK(read(p[0], &c, 1) == 1);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, WUNTRACED);
    EVENTUALLY(count == 1);
    kill(pid, SIGCONT);
    EVENTUALLY(count == 2);         /* SIGCHLD does not queue: one by one */
    CHECK(write(p[1], "x", 1) == 1);
    reap(pid);
    EVENTUALLY(count == 3);
    say("stop=%s cont=%s exit=%s", yes(codes[0] == CLD_STOPPED),
        yes(codes[1] == CLD_CONTINUED), yes(codes[2] == CLD_EXITED));
}

BEHAVIOUR(permission)
{
    if (geteuid() != 0) {
        SHOW("user_to_init", ok(kill(1, 0)));
        return;
    }
    pid_t pid = start();
    if (pid == 0) {
        alarm(guest_limit);
        pause();
        _exit(0);
    }
    drop_root();
    SHOW("to_root", ok(kill(pid, SIGTERM)));
    SHOW("signal_0", ok(kill(pid, 0)));
    /* What ends it is the group kill after each behaviour. */
}
