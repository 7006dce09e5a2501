/* Faults of the processor as signals: si_code, si_addr, and going on. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf back;
static siginfo_t seen;

static void catches(int signo UNUSED, siginfo_t *info, void *context UNUSED)
{
    seen = *info;
    siglongjmp(back, 1);
}

static void install(int flags)
{
    static const int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    struct sigaction act = {.sa_sigaction = catches, .sa_flags = SA_SIGINFO | flags};
    for (int i = 0; i < COUNT(all); i++)
        CHECK(sigaction(all[i], &act, NULL) == 0);
}

static const char *code_name(void)
{
    switch (seen.si_signo) {
    case SIGSEGV: return seen.si_code == SEGV_MAPERR ? "MAPERR" :
                         seen.si_code == SEGV_ACCERR ? "ACCERR" :
                         seen.si_code == SI_KERNEL ? "KERNEL" : "?";
    case SIGBUS: return seen.si_code == BUS_ADRERR ? "ADRERR" :
                        seen.si_code == BUS_ADRALN ? "ADRALN" : "?";
    case SIGFPE: return seen.si_code == FPE_INTDIV ? "INTDIV" :
                        seen.si_code == FPE_FLTDIV ? "FLTDIV" : "?";
    case SIGILL: return seen.si_code == ILL_ILLOPN ? "ILLOPN" : "?";
    case SIGTRAP: return seen.si_code == SI_KERNEL ? "KERNEL" :
                         seen.si_code == TRAP_BRKPT ? "BRKPT" :
                         seen.si_code == TRAP_TRACE ? "TRACE" : "?";
    }
    return "?";
}

/* Run a statement; say which signal came, its code and whether the address fits. */
#define FAULTS(label, address, ...)                                                 \
    do {                                                                            \
        if (sigsetjmp(back, 1) == 0) {                                              \
            __VA_ARGS__;                                                            \
            SHOW(label, "none");                                                    \
        } else                                                                      \
            say(label "=%s,%s,%s", signame(seen.si_signo), code_name(),             \
                (address) == NULL ? "-" : yes(seen.si_addr == (void *)(address)));  \
    } while (0)

static volatile char *readonly(void)
{
    return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

BEHAVIOUR(segv_codes)
{
    install(0);
    volatile char *none = bad(), *ro = readonly(), *gone = readonly();
    munmap((void *)gone, 4096);     /* last: the next mmap would fill the gap */
    FAULTS("unmapped_read", gone + 5, (void)gone[5]);
    FAULTS("unmapped_write", gone + 6, gone[6] = 1);
    FAULTS("none_read", none + 7, (void)none[7]);
    FAULTS("readonly_write", ro + 8, ro[8] = 1);
    volatile char *null = (void *)(uintptr_t)(getpid() < 0);
    FAULTS("null", NULL, null[0] = 1);
    say("null_address=%s", yes(seen.si_addr == NULL));
}

BEHAVIOUR(non_canonical)
{
    install(0);
#ifdef __x86_64__
    volatile char *odd = (void *)(0x8000000000000000ul + (getpid() < 0));
    FAULTS("read", NULL, (void)odd[0]);
    say("address_zero=%s", yes(seen.si_addr == NULL));
    volatile char *kernel = (void *)(0xffff800000000000ul + (getpid() < 0));
    FAULTS("kernel_half", kernel, (void)kernel[0]);
#else
    volatile char *kernel = (void *)(0xfffff000ul + (getpid() < 0));
    FAULTS("top_page", kernel, (void)kernel[0]);
#endif
}

BEHAVIOUR(execute_data)
{
    install(0);
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 0xc3;
    void (*call)(void) = (void (*)(void))page;
    FAULTS("no_exec", page, call());
    CHECK(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
    FAULTS("exec", page, call());
    munmap(page, 4096);
    FAULTS("unmapped", page, call());
}

BEHAVIOUR(bus_past_end_of_file)
{
    install(0);
    make_file("f", "x");
    int fd = MUST(open("f", O_RDWR));
    volatile char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    FAULTS("in_last_page", map, (void)map[4095]);
    FAULTS("past", map + 4096, (void)map[4096]);
    FAULTS("past_write", map + 4097, map[4097] = 1);
    CHECK(ftruncate(fd, 0) == 0);
    FAULTS("after_truncate", map, (void)map[0]);
    CHECK(ftruncate(fd, 8192) == 0);
    FAULTS("grown", map, (void)map[4096]);
}

BEHAVIOUR(integer_division)
{
    install(0);
    volatile int one = 1, zero = 0, lowest = INT_MIN, minus = -1, result;
    FAULTS("by_zero", NULL, result = one / zero);
    say("address_set=%s", yes(seen.si_addr != NULL));
    FAULTS("overflow", NULL, result = lowest / minus);
    (void)result;
}

BEHAVIOUR(illegal_instruction)
{
    install(0);
    FAULTS("ud2", NULL, __asm__ volatile("ud2"));
    say("address_set=%s", yes(seen.si_addr != NULL));
}

BEHAVIOUR(privileged_instruction)
{
    install(0);
    FAULTS("hlt", NULL, __asm__ volatile("hlt"));
    FAULTS("cli", NULL, __asm__ volatile("cli"));
    FAULTS("in", NULL, __asm__ volatile("inb $0x80, %%al" ::: "eax"));
}

BEHAVIOUR(breakpoint)
{
    install(0);
    FAULTS("int3", NULL, __asm__ volatile("int3"));
}

#ifdef __x86_64__
#define SET_TF "pushfq; orq $0x100, (%%rsp); popfq; nop; nop"
#else
#define SET_TF "pushfl; orl $0x100, (%%esp); popfl; nop; nop"
#endif

BEHAVIOUR(single_step)
{
    install(0);
    FAULTS("trap_flag", NULL, __asm__ volatile(SET_TF ::: "memory", "cc"));
}

static volatile int rounds;
static char *page;

static void repairs(int signo UNUSED, siginfo_t *info, void *context UNUSED)
{
    rounds++;
    seen = *info;
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

BEHAVIOUR(repaired_and_retried)
{
    page = (char *)readonly();
    struct sigaction act = {.sa_sigaction = repairs, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &act, NULL) == 0);
    *(volatile char *)(page + 3) = 'w';
    say("rounds=%d value=%c", rounds, page[3]);
}

BEHAVIOUR(blocked_fault_kills)
{
    pid_t pid = start();
    if (pid == 0) {
        install(0);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGSEGV);
        sigprocmask(SIG_BLOCK, &set, NULL);
        *(volatile char *)bad() = 1;
        _exit(0);
    }
    SHOW("blocked", reap(pid));
    pid = start();
    if (pid == 0) {
        signal(SIGSEGV, SIG_IGN);
        *(volatile char *)bad() = 1;
        _exit(0);
    }
    SHOW("ignored", reap(pid));
    pid = start();
    if (pid == 0) {
        *(volatile char *)bad() = 1;
        _exit(0);
    }
    SHOW("default", reap(pid));
}

static void faults_again(int signo UNUSED)
{
    *(volatile char *)bad() = 1;
}

BEHAVIOUR(fault_in_handler_kills)
{
    pid_t pid = start();
    if (pid == 0) {
        signal(SIGSEGV, faults_again);
        bad();
        *(volatile char *)bad() = 1;
        _exit(0);
    }
    SHOW("child", reap(pid));
}

BEHAVIOUR(sent_by_hand)
{
    install(0);
    FAULTS("kill", NULL, kill(getpid(), SIGSEGV));
    say("code_user=%s", yes(seen.si_code == SI_USER));
}

BEHAVIOUR(unusable_stack_kills)
{
    pid_t pid = start();
    if (pid == 0) {
        install(0);
        /* No room for a frame: the handler cannot run. */
#ifdef __x86_64__
        __asm__ volatile("mov $8, %%rsp; push %%rax" ::: "memory");
#else
        __asm__ volatile("mov $8, %%esp; push %%eax" ::: "memory");
#endif
        _exit(0);
    }
    SHOW("child", reap(pid));
}
