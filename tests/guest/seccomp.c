/* seccomp(2): strict mode, filters, and what each verdict does. */
#include "guest.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <ucontext.h>

#ifdef __x86_64__
#define THIS_ARCH AUDIT_ARCH_X86_64
#else
#define THIS_ARCH AUDIT_ARCH_I386
#endif
#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

static long seccomp(unsigned op, unsigned flags, void *args)
{
    return syscall(SYS_seccomp, op, flags, args);
}

static long install(struct sock_filter *code, int n, unsigned flags)
{
    struct sock_fprog program = {n, code};
    return seccomp(SECCOMP_SET_MODE_FILTER, flags, &program);
}

/* Let *action* be the verdict on call *nr*; all others are allowed. */
static long rule(unsigned nr, unsigned action, unsigned flags)
{
    struct sock_filter code[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        RETURN(action),
        RETURN(SECCOMP_RET_ALLOW),
    };
    return install(code, COUNT(code), flags);
}

static void no_new_privs(void)
{
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
}

static const char *in_child(void (*body)(void))
{
    int status;
    pid_t pid = MUST(fork());
    if (pid == 0) {
        body();
        _exit(7);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    return status_text(status);
}

BEHAVIOUR(needs_no_new_privs)
{
    if (getuid() == 0)
        CHECK(setresuid(65534, 65534, 65534) == 0);
    SHOW("without", ok(rule(SYS_getppid, SECCOMP_RET_ERRNO | EBUSY, 0)));
    no_new_privs();
    SHOW("with", ok(rule(SYS_getppid, SECCOMP_RET_ERRNO | EBUSY, 0)));
    SHOW("call", ok(syscall(SYS_getppid)));
}

BEHAVIOUR(errno_values)
{
    no_new_privs();
    CHECK(rule(SYS_getppid, SECCOMP_RET_ERRNO | 0, 0) == 0);
    say("zero=%ld", syscall(SYS_getppid));
    CHECK(rule(SYS_getppid, SECCOMP_RET_ERRNO | EBUSY, 0) == 0);
    SHOW("newer", ok(syscall(SYS_getppid)));
    CHECK(rule(SYS_getppid, SECCOMP_RET_LOG, 0) == 0);
    SHOW("milder", ok(syscall(SYS_getppid)));
    CHECK(rule(SYS_getpgrp, SECCOMP_RET_ERRNO | 0xffff, 0) == 0);
    say("most=%d", syscall(SYS_getpgrp) == -1 ? errno : 0);
}

BEHAVIOUR(arguments)
{
    struct sock_filter code[] = {
        LOAD(arch),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0),
        RETURN(SECCOMP_RET_KILL_PROCESS),
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpriority, 0, 3),
        LOAD(args[1]),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 12345, 0, 1),
        RETURN(SECCOMP_RET_ERRNO | EXDEV),
        RETURN(SECCOMP_RET_ALLOW),
    };
    no_new_privs();
    SHOW("install", ok(install(code, COUNT(code), 0)));
    SHOW("other", ok(syscall(SYS_getpriority, 0, 0)));
    SHOW("this", ok(syscall(SYS_getpriority, 0, 12345)));
}

static volatile int caught, code_seen, data_seen, nr_seen, arch_seen;

static void on_sigsys(int signo UNUSED, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    caught++;
    code_seen = info->si_code;
    data_seen = info->si_errno;
    nr_seen = info->si_syscall;
    arch_seen = info->si_arch;
#ifdef __x86_64__
    uc->uc_mcontext.gregs[REG_RAX] = 4321;
#else
    uc->uc_mcontext.gregs[REG_EAX] = 4321;
#endif
}

BEHAVIOUR(trap)
{
    struct sigaction act = {.sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSYS, &act, NULL) == 0);
    no_new_privs();
    CHECK(rule(SYS_getppid, SECCOMP_RET_TRAP | 77, 0) == 0);
    long result = syscall(SYS_getppid);
    say("result=%ld caught=%d code=%d data=%d", result, caught, code_seen, data_seen);
    SHOW("nr", yes(nr_seen == SYS_getppid));
    SHOW("arch", yes((unsigned)arch_seen == THIS_ARCH));
}

static void trapped(void)
{
    CHECK(rule(SYS_getppid, SECCOMP_RET_TRAP, 0) == 0);
    syscall(SYS_getppid);
}

static void killed(void)
{
    CHECK(rule(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0) == 0);
    syscall(SYS_getppid);
}

static void thread_killed(void)
{
    CHECK(rule(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0) == 0);
    syscall(SYS_getppid);
}

static void traced(void)
{
    CHECK(rule(SYS_getppid, SECCOMP_RET_TRACE, 0) == 0);
    _exit(syscall(SYS_getppid) == -1 && errno == ENOSYS ? 0 : 1);
}

static void unknown_action(void)
{
    CHECK(rule(SYS_getppid, 0x12340000, 0) == 0);
    syscall(SYS_getppid);
}

BEHAVIOUR(death)
{
    no_new_privs();
    SHOW("trap", in_child(trapped));
    SHOW("process", in_child(killed));
    SHOW("thread", in_child(thread_killed));
    SHOW("trace", in_child(traced));
    SHOW("unknown", in_child(unknown_action));
}

static void *victim(void *unused UNUSED)
{
    syscall(SYS_getppid);
    return NULL;
}

static void one_thread_dies(void)
{
    pthread_t thread;
    CHECK(rule(SYS_getppid, SECCOMP_RET_KILL_THREAD, 0) == 0);
    CHECK(pthread_create(&thread, NULL, victim, NULL) == 0);
    pthread_join(thread, NULL);     /* woken through the cleared tid */
    _exit(5);
}

BEHAVIOUR(one_of_several_threads)
{
    no_new_privs();
    SHOW("survivors", in_child(one_thread_dies));
}

static void strict_write(void)
{
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    if (write(1, "", 0) == 0)
        syscall(SYS_exit, 3);
    syscall(SYS_exit, 4);
}

static void strict_other(void)
{
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
    syscall(SYS_getpid);
    syscall(SYS_exit, 3);
}

BEHAVIOUR(strict)
{
    SHOW("allowed", in_child(strict_write));
    SHOW("forbidden", in_child(strict_other));
}

BEHAVIOUR(modes)
{
    no_new_privs();
    say("before=%d", prctl(PR_GET_SECCOMP));
    CHECK(rule(SYS_getppid, SECCOMP_RET_ERRNO | EBUSY, 0) == 0);
    say("after=%d", prctl(PR_GET_SECCOMP));
    SHOW("strict", ok(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)));
    SHOW("odd_mode", ok(prctl(PR_SET_SECCOMP, 9)));
    SHOW("odd_op", ok(seccomp(9, 0, NULL)));
    SHOW("odd_flag", ok(rule(SYS_getppid, SECCOMP_RET_ALLOW, 1 << 20)));
    SHOW("fault", ok(seccomp(SECCOMP_SET_MODE_FILTER, 0, (void *)16)));
    SHOW("strict_args", ok(seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL)));
}

BEHAVIOUR(bad_programs)
{
    struct sock_filter empty[1], odd_offset[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RETURN(0)
    }, no_return[] = {LOAD(nr)}, far_jump[] = {
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 9, 0), RETURN(0)
    }, modulo[] = {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RETURN(0)};
    no_new_privs();
    SHOW("empty", ok(install(empty, 0, 0)));
    SHOW("long", ok(install(empty, BPF_MAXINSNS + 1, 0)));
    SHOW("offset", ok(install(odd_offset, 2, 0)));
    SHOW("end", ok(install(no_return, 1, 0)));
    SHOW("jump", ok(install(far_jump, 2, 0)));
    SHOW("modulo", ok(install(modulo, 2, 0)));
    SHOW("null", ok(install(NULL, 1, 0)));
}

BEHAVIOUR(inherited)
{
    int status;
    no_new_privs();
    CHECK(rule(SYS_getppid, SECCOMP_RET_ERRNO | EBUSY, 0) == 0);
    pid_t pid = MUST(fork());
    if (pid == 0) {
        char *args[] = {(char *)guest_self, "@filtered", NULL};
        execv(guest_self, args);
        _exit(1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    SHOW("after_exec", status_text(status));
}

ROLE(filtered)
{
    _exit(syscall(SYS_getppid) == -1 && errno == EBUSY ? 0 : 2);
}

static volatile int go;

static void *waits_for_rule(void *result)
{
    EVENTUALLY(go);
    *(int *)result = syscall(SYS_getppid) == -1 ? errno : 0;
    return NULL;
}

BEHAVIOUR(all_threads_at_once)
{
    pthread_t thread;
    int seen = -1;
    no_new_privs();
    CHECK(pthread_create(&thread, NULL, waits_for_rule, &seen) == 0);
    SHOW("tsync", ok(rule(SYS_getppid, SECCOMP_RET_ERRNO | EBUSY, SECCOMP_FILTER_FLAG_TSYNC)));
    go = 1;
    pthread_join(thread, NULL);
    SHOW("other_thread", errname(seen));
}

BEHAVIOUR(only_the_caller)
{
    pthread_t thread;
    int seen = -1;
    no_new_privs();
    CHECK(pthread_create(&thread, NULL, waits_for_rule, &seen) == 0);
    CHECK(rule(SYS_getppid, SECCOMP_RET_ERRNO | EBUSY, 0) == 0);
    go = 1;
    pthread_join(thread, NULL);
    say("other_thread=%d", seen);
}

BEHAVIOUR(data_calls_are_filtered_too)
{
    char byte = 0;
    int ends[2];
    no_new_privs();
    CHECK(pipe(ends) == 0);
    CHECK(write(ends[1], "x", 1) == 1);
    CHECK(rule(SYS_read, SECCOMP_RET_ERRNO | EXDEV, 0) == 0);
    SHOW("read", ok(read(ends[0], &byte, 1)));
    CHECK(rule(SYS_madvise, SECCOMP_RET_ERRNO | EXDEV, 0) == 0);
    SHOW("madvise", ok(madvise(NULL, 0, 0)));
}

BEHAVIOUR(what_there_is)
{
    unsigned actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP,
                          SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG,
                          SECCOMP_RET_ALLOW, 0x12340000};
    for (int i = 0; i < COUNT(actions); i++)
        say("%s", ok(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &actions[i])));
    SHOW("flags", ok(seccomp(SECCOMP_GET_ACTION_AVAIL, 1, &actions[0])));
    SHOW("fault", ok(seccomp(SECCOMP_GET_ACTION_AVAIL, 0, (void *)16)));
}
