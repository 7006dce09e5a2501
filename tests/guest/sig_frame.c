/* Signal frames: alternate stack, registers, FP state, editing the context. */
#include "guest.h"
#include <setjmp.h>
#include <sys/resource.h>
#include <ucontext.h>

#define ROOM 65536
static char alternate[ROOM] __attribute__((aligned(16)));
static volatile int on_alternate, calls;

static int inside(void *p)
{
    return (char *)p >= alternate && (char *)p < alternate + ROOM;
}

static void where(int signo UNUSED)
{
    int local;
    on_alternate = inside(&local);
    calls++;
}

static void use_alternate(int flags)
{
    stack_t s = {.ss_sp = alternate, .ss_size = ROOM, .ss_flags = flags};
    CHECK(sigaltstack(&s, NULL) == 0);
}

static void install(int signo, void (*handler)(int), int flags)
{
    struct sigaction act = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(signo, &act, NULL) == 0);
}

BEHAVIOUR(onstack)
{
    use_alternate(0);
    install(SIGUSR1, where, 0);
    raise(SIGUSR1);
    say("without_flag=%s", yes(on_alternate));
    install(SIGUSR1, where, SA_ONSTACK);
    raise(SIGUSR1);
    say("with_flag=%s", yes(on_alternate));
    stack_t off = {.ss_flags = SS_DISABLE};
    CHECK(sigaltstack(&off, NULL) == 0);
    raise(SIGUSR1);
    say("disabled=%s", yes(on_alternate));
}

static void in_handler(int signo UNUSED)
{
    stack_t now, off = {.ss_flags = SS_DISABLE};
    sigaltstack(NULL, &now);
    say("flags_inside=%s", now.ss_flags == SS_ONSTACK ? "ONSTACK" : "?");
    SHOW("change_inside", ok(sigaltstack(&off, NULL)));
}

BEHAVIOUR(altstack_rules)
{
    stack_t now, s = {.ss_sp = alternate, .ss_size = 1024};
    CHECK(sigaltstack(NULL, &now) == 0);
    say("initial=%s", now.ss_flags == SS_DISABLE ? "DISABLE" : "?");
    SHOW("too_small", ok(sigaltstack(&s, NULL)));
    s.ss_size = ROOM;
    s.ss_flags = 0x40;
    SHOW("flags", ok(sigaltstack(&s, NULL)));
    SHOW("fault", ok(sigaltstack(bad(), NULL)));
    use_alternate(0);
    CHECK(sigaltstack(NULL, &now) == 0);
    say("same=%s flags=%d", yes(now.ss_sp == alternate && now.ss_size == ROOM), now.ss_flags);
    install(SIGUSR1, in_handler, SA_ONSTACK);
    raise(SIGUSR1);
}

static void nests(int signo)
{
    where(signo);
    if (signo == SIGUSR1)
        raise(SIGUSR2);
}

BEHAVIOUR(nested_on_one_stack)
{
    use_alternate(0);
    install(SIGUSR1, nests, SA_ONSTACK);
    install(SIGUSR2, nests, SA_ONSTACK);
    raise(SIGUSR1);
    say("calls=%d both_on=%s", calls, yes(on_alternate));
}

#define SS_AUTODISARM_BIT (1u << 31)

static void checks_disarmed(int signo UNUSED)
{
    stack_t now;
    sigaltstack(NULL, &now);
    say("inside=%s", now.ss_flags & SS_DISABLE ? "DISABLE" : "armed");
}

BEHAVIOUR(autodisarm)
{
    stack_t now;
    use_alternate(SS_AUTODISARM_BIT);
    install(SIGUSR1, checks_disarmed, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK(sigaltstack(NULL, &now) == 0);
    say("rearmed=%s", yes(now.ss_sp == alternate));
}

static sigjmp_buf back;

static void leaves(int signo UNUSED)
{
    where(0);
    siglongjmp(back, 1);
}

static int endless(volatile int n)
{
    volatile char block[4096];
    block[0] = n;
    return n < 0 ? 0 : endless(n + 1) + block[0];
}

BEHAVIOUR(stack_overflow_is_handled)
{
    struct rlimit small;
    CHECK(getrlimit(RLIMIT_STACK, &small) == 0);
    small.rlim_cur = 4 << 20;       /* a host may have no limit */
    CHECK(setrlimit(RLIMIT_STACK, &small) == 0);
    use_alternate(0);
    install(SIGSEGV, leaves, SA_ONSTACK);
    if (sigsetjmp(back, 1) == 0)
        endless(0);
    say("on_alternate=%s", yes(on_alternate));
    if (sigsetjmp(back, 1) == 0)
        endless(0);
    say("calls=%d", calls);
}

BEHAVIOUR(altstack_not_inherited_by_thread_but_by_fork)
{
    use_alternate(0);
    pid_t pid = start();
    if (pid == 0) {
        stack_t now;
        sigaltstack(NULL, &now);
        _exit(now.ss_sp == alternate ? 0 : 1);
    }
    SHOW("fork", reap(pid));
}

static void spoils_fp(int signo UNUSED)
{
    volatile double x = 3.25;
    volatile float y = 1.5f;
    for (int i = 0; i < 10; i++)
        x = x * 1.01 + y;
    __asm__ volatile("fninit; fldpi; fldpi; fldpi" ::: "memory");
#ifdef __x86_64__
    __asm__ volatile("pcmpeqd %%xmm3, %%xmm3; pcmpeqd %%xmm9, %%xmm9" ::: "xmm3", "xmm9");
    unsigned csr = 0x1f80 | 0x6000;
    __asm__ volatile("ldmxcsr %0" ::"m"(csr));
#endif
    calls++;
}

BEHAVIOUR(x87_survives)
{
    install(SIGUSR1, spoils_fp, 0);
    double out = 0;
    int pid = getpid(), tid = syscall(SYS_gettid);
    double in = 7.5;
    __asm__ volatile("fninit; fldl %0" ::"m"(in));
    syscall(SYS_tgkill, pid, tid, SIGUSR1);
    __asm__ volatile("fstpl %0" : "=m"(out));
    say("calls=%d value=%.1f", calls, out);
}

BEHAVIOUR(sse_survives)
{
    install(SIGUSR1, spoils_fp, 0);
#ifdef __x86_64__
    uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[2] = {0}, out9[2] = {0};
    unsigned csr = 0x1f80 | 0x2000, csr_out = 0;
    long pid = getpid(), tid = syscall(SYS_gettid), result;
    __asm__ volatile("ldmxcsr %[csr]\n movdqu %[in], %%xmm3\n movdqu %[in], %%xmm9\n"
                     "syscall\n movdqu %%xmm3, %[out]\n movdqu %%xmm9, %[out9]\n"
                     "stmxcsr %[csr_out]"
                     : "=a"(result), [out] "=m"(out), [out9] "=m"(out9), [csr_out] "=m"(csr_out)
                     : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1),
                       [in] "m"(in), [csr] "m"(csr)
                     : "rcx", "r11", "memory", "xmm3", "xmm9");
    say("calls=%d xmm3=%s xmm9=%s mxcsr=%s", calls, yes(!memcmp(in, out, 16)),
        yes(!memcmp(in, out9, 16)), yes(csr_out == csr));
#else
    say("x86-64 only");
#endif
}

#ifdef __x86_64__
__attribute__((target("avx"))) static int avx_round(void)
{
    uint64_t in[4] = {1, 2, 0x3333333333333333, 0x4444444444444444}, out[4] = {0};
    long pid = getpid(), tid = syscall(SYS_gettid), result;
    __asm__ volatile("vmovdqu %[in], %%ymm5\n syscall\n vmovdqu %%ymm5, %[out]\n vzeroupper"
                     : "=a"(result), [out] "=m"(out)
                     : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1), [in] "m"(in)
                     : "rcx", "r11", "memory", "xmm5");
    return !memcmp(in, out, 32);
}

__attribute__((target("avx"))) static void spoils_avx(int signo UNUSED)
{
    __asm__ volatile("vpcmpeqd %%xmm5, %%xmm5, %%xmm5\n vinsertf128 $1, %%xmm5, %%ymm5, %%ymm5"
                     ::: "xmm5");
    calls++;
}
#endif

BEHAVIOUR(avx_survives)
{
#ifdef __x86_64__
    if (!__builtin_cpu_supports("avx")) {
        say("no AVX here");
        return;
    }
    install(SIGUSR1, spoils_avx, 0);
    int same = avx_round();
    say("calls=%d ymm5=%s", calls, yes(same));
#else
    say("x86-64 only");
#endif
}

#ifdef __x86_64__
#define PUSHF "pushfq; pop %0"
#else
#define PUSHF "pushfl; pop %0"
#endif

static void looks_at_flags(int signo UNUSED)
{
    unsigned long flags;
    __asm__ volatile(PUSHF : "=r"(flags));
    on_alternate = (flags & 0x400) != 0;
    calls++;
}

BEHAVIOUR(flags_survive)
{
    /* The direction flag must be clear in a handler and set again after it. */
    install(SIGUSR1, looks_at_flags, 0);
#ifdef __x86_64__
    long pid = getpid(), tid = syscall(SYS_gettid), result;
    unsigned long flags = 0;
    __asm__ volatile("std; stc; syscall; pushfq; popq %[flags]; cld"
                     : "=a"(result), [flags] "=&r"(flags)
                     : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1)
                     : "rcx", "r11", "memory", "cc");
    say("calls=%d df_in_handler=%d df_after=%s cf_after=%s", calls, on_alternate,
        yes(flags & 0x400), yes(flags & 1));
#else
    say("x86-64 only");
#endif
}

static void edits(int signo UNUSED, siginfo_t *info UNUSED, void *context)
{
    ucontext_t *u = context;
#ifdef __x86_64__
    u->uc_mcontext.gregs[REG_RIP] += 2;     /* over the ud2 */
    u->uc_mcontext.gregs[REG_RBX] = 4242;
#else
    u->uc_mcontext.gregs[REG_EIP] += 2;
    u->uc_mcontext.gregs[REG_EBX] = 4242;
#endif
    sigaddset(&u->uc_sigmask, SIGUSR2);
}

BEHAVIOUR(edited_context)
{
    struct sigaction act = {.sa_sigaction = edits, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGILL, &act, NULL) == 0);
    long value = 1;
#ifdef __x86_64__
    __asm__ volatile("mov $1, %%rbx; ud2; mov %%rbx, %0" : "=r"(value) :: "rbx", "memory");
#else
    __asm__ volatile("push %%ebx; mov $1, %%ebx; ud2; mov %%ebx, %0; pop %%ebx"
                     : "=a"(value) :: "memory");
#endif
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("register=%ld mask=%s", value, yes(sigismember(&now, SIGUSR2)));
}

static sigset_t in_context;

static void copies_mask(int signo UNUSED, siginfo_t *info UNUSED, void *context)
{
    in_context = ((ucontext_t *)context)->uc_sigmask;
}

BEHAVIOUR(mask_in_context)
{
    struct sigaction act = {.sa_sigaction = copies_mask, .sa_flags = SA_SIGINFO};
    sigset_t set;
    CHECK(sigaction(SIGUSR1, &act, NULL) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGUSR1);
    say("usr2=%s usr1=%s", yes(sigismember(&in_context, SIGUSR2)),
        yes(sigismember(&in_context, SIGUSR1)));
}

BEHAVIOUR(longjmp_restores_mask)
{
    sigset_t now;
    install(SIGUSR1, leaves, 0);
    if (sigsetjmp(back, 1) == 0)
        raise(SIGUSR1);
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("saved=%s", yes(sigismember(&now, SIGUSR1)));
    if (sigsetjmp(back, 0) == 0)
        raise(SIGUSR1);
    sigprocmask(SIG_SETMASK, NULL, &now);
    say("not_saved=%s", yes(sigismember(&now, SIGUSR1)));
}

static void again(int signo)
{
    if (++calls < 50)
        raise(signo);
}

BEHAVIOUR(deep_nesting)
{
    install(SIGUSR1, again, SA_NODEFER);
    raise(SIGUSR1);
    say("depth=%d", calls);
}

BEHAVIOUR(red_zone)
{
    /* 128 bytes below the stack pointer belong to the interrupted function. */
    install(SIGUSR1, where, 0);
#ifdef __x86_64__
    long pid = getpid(), tid = syscall(SYS_gettid), result, after = 0;
    __asm__ volatile("movq $0x5aa5, -120(%%rsp)\n syscall\n movq -120(%%rsp), %[after]"
                     : "=a"(result), [after] "=&r"(after)
                     : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1)
                     : "rcx", "r11", "memory");
    say("calls=%d kept=%s", calls, yes(after == 0x5aa5));
#else
    say("x86-64 only");
#endif
}
