/* fork, vfork, clone, clone3: what is shared, what is copied, what is refused. */
#include "guest.h"
#include <linux/sched.h>
#include <linux/futex.h>

/* A clone that continues here, on the same stack: only without CLONE_VM. */
static pid_t clone_here(unsigned long flags, int *parent_tid, int *child_tid)
{
#ifdef __x86_64__
    return syscall(SYS_clone, flags, 0, parent_tid, child_tid, 0);
#else
    return syscall(SYS_clone, flags, 0, parent_tid, 0, child_tid);
#endif
}

static pid_t clone3_here(struct clone_args *args, size_t size)
{
    return syscall(SYS_clone3, args, size);
}

static volatile int global = 1;

BEHAVIOUR(fork_copies)
{
    volatile int local = 1;
    pid_t parent = getpid(), pid = start();
    if (pid == 0) {
        global = local = 2;
        _exit(getppid() == parent && getpid() != parent ? 7 : 1);
    }
    SHOW("child", reap(pid));
    say("global=%d local=%d", global, local);
    say("positive=%s", yes(pid > 0));
}

BEHAVIOUR(fork_inherits)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGUSR2, SIG_IGN);
    CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0);
    umask(0123);
    raise(SIGUSR1);     /* pending in the parent only */
    pid_t pid = start();
    if (pid == 0) {
        sigset_t now, pending;
        struct sigaction act;
        sigprocmask(SIG_SETMASK, NULL, &now);
        sigpending(&pending);
        sigaction(SIGUSR2, NULL, &act);
        say("mask=%s pending=%s ignored=%s umask=%o", yes(sigismember(&now, SIGUSR1)),
            yes(sigismember(&pending, SIGUSR1)), yes(act.sa_handler == SIG_IGN),
            umask(0));
        say("cwd=%s", yes(access("../d", F_OK) == 0));
        say("alarm=%d", (int)alarm(0));
        _exit(0);
    }
    SHOW("child", reap(pid));
}

BEHAVIOUR(fork_keeps_group_and_session)
{
    pid_t group = getpgrp(), session = getsid(0), pid = start();
    if (pid == 0)
        _exit(getpgrp() == group && getsid(0) == session ? 0 : 1);
    SHOW("child", reap(pid));
}

BEHAVIOUR(vfork_waits_for_child)
{
    static volatile int seen;
    pid_t pid = vfork();
    if (pid == 0) {
        sleep_ms(20);
        seen = 5;           /* the memory is shared until exit or exec */
        _exit(3);
    }
    say("seen=%d child=%s", seen, reap(pid));
}

ROLE(exit4)
{
    exit(4);
}

BEHAVIOUR(vfork_and_exec)
{
    pid_t pid = vfork();
    if (pid == 0) {
        execl(guest_self, guest_self, "@exit4", NULL);
        _exit(1);
    }
    SHOW("child", reap(pid));
    pid = vfork();
    if (pid == 0) {
        execl("/nonexistent", "x", NULL);
        _exit(errno == ENOENT ? 5 : 1);
    }
    SHOW("failed_exec", reap(pid));
}

BEHAVIOUR(tid_pointers)
{
    int parent_tid = 0;
    static int child_tid;
    int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(shared != MAP_FAILED);
    pid_t pid = clone_here(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD,
                           &parent_tid, &child_tid);
    CHECK(pid != -1);
    if (pid == 0) {
        shared[0] = child_tid == (int)syscall(SYS_gettid);
        _exit(0);
    }
    say("parent=%s child=%s", yes(parent_tid == pid),
        (reap(pid), yes(shared[0])));
    say("not_in_parent=%s", yes(child_tid == 0));
}

BEHAVIOUR(child_cleartid_wakes)
{
    int *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(word != MAP_FAILED);
    *word = 77;
    pid_t pid = clone_here(CLONE_CHILD_CLEARTID | SIGCHLD, NULL, word);
    if (pid == 0) {
        sleep_ms(20);
        _exit(0);
    }
    /* Linux clears the word only if the memory has another user: MAP_SHARED
     * pages of a separate mm do not count, so only the wait is sure. */
    SHOW("child", reap(pid));
    say("word=%d", *word);
}

BEHAVIOUR(exit_signal)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    pid_t pid = clone_here(SIGUSR1, NULL, NULL);
    if (pid == 0)
        _exit(6);
    siginfo_t info;
    struct timespec patience = {5, 0};
    SHOW("signal", signame(sigtimedwait(&set, &info, &patience)));
    say("pid=%s status=%d code=%s", yes(info.si_pid == pid), info.si_status,
        info.si_code == CLD_EXITED ? "EXITED" : "?");
    int status;
    SHOW("plain_wait", ret(waitpid(pid, &status, WNOHANG)));
    say("wall=%s", yes(waitpid(pid, &status, __WALL) == pid));
}

BEHAVIOUR(no_exit_signal)
{
    pid_t pid = clone_here(0, NULL, NULL);
    if (pid == 0)
        _exit(6);
    int status = 0;
    SHOW("plain_wait", ret(waitpid(pid, &status, 0)));
    say("clone_wait=%s", yes(waitpid(pid, &status, __WCLONE) == pid));
    SHOW("status", status_text(status));
}

BEHAVIOUR(clone_parent)
{
    pid_t middle = start();
    if (middle == 0) {
        pid_t sibling = clone_here(CLONE_PARENT | SIGCHLD, NULL, NULL);
        if (sibling == 0)
            _exit(9);
        int status;
        _exit(waitpid(sibling, &status, 0) == -1 && errno == ECHILD ? 0 : 1);
    }
    SHOW("middle", reap(middle));
    SHOW("sibling", reap(-1));
    SHOW("no_more", reap(-1));
}

BEHAVIOUR(clone_fs)
{
    CHECK(mkdir("d", 0755) == 0);
    pid_t pid = clone_here(CLONE_FS | SIGCHLD, NULL, NULL);
    if (pid == 0) {
        umask(0111);
        _exit(chdir("d"));
    }
    SHOW("child", reap(pid));
    say("cwd_moved=%s umask=%o", yes(access("../d", F_OK) == 0), umask(0));
}

static char stack[65536] __attribute__((aligned(16)));

static int vm_child(void *value)
{
    *(int *)value = 42;
    return 11;
}

BEHAVIOUR(clone_vm)
{
    int value = 0;
    pid_t pid = clone(vm_child, stack + sizeof stack, CLONE_VM | SIGCHLD, &value);
    CHECK(pid != -1);
    SHOW("child", reap(pid));
    say("value=%d", value);
    value = 0;
    pid = clone(vm_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD,
                &value);
    say("vfork_value=%d", value);
    SHOW("child", reap(pid));
}

BEHAVIOUR(invalid_combinations)
{
    SHOW("sighand_without_vm", ok(clone_here(CLONE_SIGHAND | SIGCHLD, NULL, NULL)));
    SHOW("thread_without_sighand", ok(clone_here(CLONE_THREAD | CLONE_VM, NULL, NULL)));
    SHOW("fs_and_newns", ok(clone_here(CLONE_FS | CLONE_NEWNS | SIGCHLD, NULL, NULL)));
    SHOW("pidfd_and_settid", ok(clone_here(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, NULL)));
    SHOW("detached_pidfd", ok(clone_here(CLONE_PIDFD | CLONE_DETACHED | SIGCHLD, NULL, NULL)));
}

BEHAVIOUR(clone3_rules)
{
    struct { struct clone_args args; uint64_t more; } big = {{0}, 0};
    struct clone_args *args = &big.args;
    SHOW("small", ok(clone3_here(args, 63)));
    SHOW("huge", ok(clone3_here(args, 1 << 20)));
    big.more = 1;
    SHOW("unknown_tail", ok(clone3_here(args, sizeof big)));
    args->flags = 1ull << 40;
    SHOW("flags", ok(clone3_here(args, sizeof *args)));
    args->flags = CLONE_DETACHED;
    SHOW("detached", ok(clone3_here(args, sizeof *args)));
    args->flags = 0;
    args->exit_signal = 0x100;
    SHOW("signal", ok(clone3_here(args, sizeof *args)));
    args->exit_signal = SIGCHLD;
    args->stack_size = 4096;
    SHOW("size_without_stack", ok(clone3_here(args, sizeof *args)));
    args->stack_size = 0;
    args->flags = SIGCHLD;
    args->exit_signal = SIGCHLD;
    SHOW("csignal_in_flags", ok(clone3_here(args, sizeof *args)));
    SHOW("fault", ok(clone3_here(bad(), sizeof *args)));
}

BEHAVIOUR(clone3_forks)
{
    int pidfd = -1;
    struct clone_args args = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD,
                              .pidfd = (uintptr_t)&pidfd};
    pid_t pid = clone3_here(&args, sizeof args);
    CHECK(pid != -1);
    if (pid == 0)
        _exit(8);
    say("pidfd=%s cloexec=%d", yes(pidfd >= 0), fcntl(pidfd, F_GETFD));
    siginfo_t info = {0};
    SHOW("waitid", ok(waitid(P_PIDFD, pidfd, &info, WEXITED)));
    say("status=%d pid=%s", info.si_status, yes(info.si_pid == pid));
}

BEHAVIOUR(clear_sighand)
{
    signal(SIGUSR1, guest_ignore);
    signal(SIGUSR2, SIG_IGN);
    struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
    pid_t pid = clone3_here(&args, sizeof args);
    CHECK(pid != -1);
    if (pid == 0) {
        struct sigaction a, b;
        sigaction(SIGUSR1, NULL, &a);
        sigaction(SIGUSR2, NULL, &b);
        _exit((a.sa_handler == SIG_DFL) + 2 * (b.sa_handler == SIG_IGN));
    }
    SHOW("child", reap(pid));
}

BEHAVIOUR(unshare_files)
{
    int p[2];
    CHECK(pipe(p) == 0);
    pid_t pid = clone_here(CLONE_FILES | SIGCHLD, NULL, NULL);
    if (pid == 0)
        _exit(unshare(CLONE_FILES) == 0 && close(p[0]) == 0 ? 0 : 1);
    SHOW("child", reap(pid));
    SHOW("still_open", ret(fcntl(p[0], F_GETFD)));
    SHOW("unknown", ok(unshare(0x1)));
    drop_root();
    SHOW("uts", ok(unshare(CLONE_NEWUTS)));
}

BEHAVIOUR(many_children)
{
    int good = 0;
    pid_t pids[50];
    for (int i = 0; i < 50; i++) {
        pids[i] = start();
        if (pids[i] == 0)
            _exit(i);
    }
    for (int i = 0; i < 50; i++) {
        int status;
        good += waitpid(pids[i], &status, 0) == pids[i] && WEXITSTATUS(status) == i;
    }
    say("good=%d", good);
}
