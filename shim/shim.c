/* The native machine's shim: freestanding code in every vehicle. Mechanism, no policy.
 *
 * It turns SIGSYS, faults and kicks into doorbells (one notified call that carries the address of
 * the saved context), runs the list of host calls the kernel left in its slot, and returns into
 * whatever context the kernel rewrote. No libc, no thread data, no stack protector: it runs on a
 * guest's threads whatever state they are in. Everything here can be overwritten by a hostile
 * guest; nothing the kernel promises depends on it.
 */
#include "shim.h"

typedef unsigned long u64;
typedef long s64;
typedef unsigned int u32;
typedef unsigned short u16;

#define INLINE static inline __attribute__((always_inline))

enum {
    NR_read = 0, NR_write = 1, NR_close = 3, NR_mmap = 9, NR_sigaction = 13, NR_sigreturn = 15,
    NR_sendmsg = 46, NR_clone = 56, NR_exit = 60, NR_capset = 126, NR_sigaltstack = 131, NR_prctl = 157,
    NR_exit_group = 231, NR_seccomp = 317, NR_close_range = 436,
    NR_landlock_create_ruleset = 444, NR_landlock_restrict_self = 446,
};

/* ucontext: flags, link, stack[3], then the general registers in this order */
enum { R8, R9, R10, R11, R12, R13, R14, R15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP };
#define GREGS 5

INLINE s64 call(s64 n, s64 a, s64 b, s64 c, s64 d, s64 e, s64 f)
{
    s64 r;
    register s64 r10 asm("r10") = d, r8 asm("r8") = e, r9 asm("r9") = f;
    asm volatile("syscall"
                 : "=a"(r)
                 : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return r;
}

INLINE struct slot *my_slot(void)
{
    u64 sp;
    asm("mov %%rsp,%0" : "=r"(sp));
    return (struct slot *)(sp & ~(SLOT_SIZE - 1));
}

/* clone whose child may start on a prepared signal frame (its stack pointer): a thread */
INLINE s64 call_clone(struct cmd *c)
{
    s64 r;
    register s64 r10 asm("r10") = c->a[3], r8 asm("r8") = c->a[4], r9 asm("r9") = c->flags;
    asm volatile("syscall\n"
                 "test %%rax,%%rax\n jnz 1f\n"
                 "test %%r9,%%r9\n jz 1f\n"
                 /* a process of its own in our memory (vfork): it, too, dies with the kernel */
                 "test $0x10000,%%edi\n jnz 2f\n"
                 "mov $157,%%eax\n mov $1,%%edi\n mov $9,%%esi\n syscall\n"
                 "2: jmp restorer\n"
                 "1:"
                 : "=a"(r)
                 : "a"(NR_clone), "D"(c->a[0]), "S"(c->a[1]), "d"(c->a[2]), "r"(r10), "r"(r8),
                   "r"(r9)
                 : "rcx", "r11", "memory");
    return r;
}

/* A host call that may sleep. The kick handler moves rip to wait_abort if it finds it between
 * wait_check and the syscall instruction: a kick is never lost, nothing is done twice. */
s64 call_waiting(struct cmd *c, struct slot *s);
asm(".text\n"
    ".globl call_waiting, wait_check, wait_syscall, wait_abort\n"
    "call_waiting:\n"
    "  push %rbx\n"
    "  mov %rsi,%rbx\n"
    "  mov %rdi,%r11\n"
    "  mov 0(%r11),%rax\n  mov 8(%r11),%rdi\n  mov 16(%r11),%rsi\n  mov 24(%r11),%rdx\n"
    "  mov 32(%r11),%r10\n mov 40(%r11),%r8\n  mov 48(%r11),%r9\n"
    "wait_check:\n"
    "  cmpq $0,16(%rbx)\n"
    "  jne wait_abort\n"
    "wait_syscall:\n"
    "  syscall\n"
    "  pop %rbx\n"
    "  ret\n"
    "wait_abort:\n"
    "  movq $0,16(%rbx)\n"
    "  mov $-512,%rax\n"
    "  pop %rbx\n"
    "  ret\n");
extern char wait_check[], wait_syscall[], wait_abort[];
extern char return_check[], return_syscall[], return_again[];
void restorer(void);

INLINE s64 ring(u64 kind, s64 a, s64 b, s64 c, s64 d, s64 e)
{
    s64 r = call(DOORBELL, MAGIC | kind, a, b, c, d, e);
    if (r == -38) { /* the kernel is gone */
        call(NR_exit_group, 1, 0, 0, 0, 0, 0);
        __builtin_trap();
    }
    return r;
}

/* Run command lists until the kernel says something else. */
static s64 obey(s64 r)
{
    struct slot *s = my_slot();
    while (r == REPLY_RUN) {
        u64 n = s->count, i;
        s64 last = 0;
        if (n > MAX_CMDS)
            __builtin_trap();
        for (i = 0; i < n; i++) {
            struct cmd *c = &s->cmds[i];
            if (c->nr == NR_clone) {
                last = call_clone(c);
                if (last == 0) { /* a new process: die with the kernel, and tell it who we are */
                    call(NR_prctl, 1, 9, 0, 0, 0, 0);
                    r = ring(K_CHILD, c->a[5], 0, 0, 0, 0);
                    goto again;
                }
            } else if (c->flags & CMD_WAITS) {
                last = call_waiting(c, s);
            } else {
                last = call(c->nr, c->a[0], c->a[1], c->a[2], c->a[3], c->a[4], c->a[5]);
            }
            if (last < 0 && last > -4096)
                break;
        }
        r = ring(K_DONE, i, last, 0, 0, 0);
    again:;
    }
    return r;
}

void on_signal(int sig, u64 *info, u64 *uc)
{
    u64 *g = uc + GREGS;
    s64 r;
    if (sig == KICK && g[RIP] - SHIM_TEXT < 0x10000) {
        /* We interrupted ourselves: the kernel is or will be told anyway. */
        if (g[RIP] >= (u64)wait_check && g[RIP] <= (u64)wait_syscall)
            g[RIP] = (u64)wait_abort;
        else if (g[RIP] >= (u64)return_check && g[RIP] <= (u64)return_syscall)
            g[RIP] = (u64)return_again;
        else
            my_slot()->kicked = 1;
        /* Not by way of restorer, which would ring for the very code we interrupted. */
        asm volatile("mov %0,%%rsp\n mov $15,%%eax\n syscall\n hlt" ::"r"(uc));
        __builtin_unreachable();
    }
    if (sig == 31)
        r = ring(K_SIGNAL | 31 << 8, (s64)uc, info[3], g[RDI], g[RSI], g[RDX]); /* number, ABI << 32 */
    else
        r = ring(K_SIGNAL | sig << 8, (s64)uc, info[2], ((u32 *)info)[2], 0, 0);
    r = obey(r);
    if (r != REPLY_RESUME)
        g[RAX] = (u64)r >> 32 == REPLY_ERROR ? (u64) - (s64)(r & 0xffff) : (u64)r;
}

/* Return to the guest, unless a kick came while we were in here: then ring once more. As with
 * call_waiting, the kick handler closes the gap between the check and the system call. */
void kicked_in_shim(u64 *uc)
{
    s64 r = obey(ring(K_SIGNAL | KICK << 8, (s64)uc, 0, 0, 0, 0));
    if (r != REPLY_RESUME)
        uc[GREGS + RAX] = r;
}
asm(".text\n"
    ".globl restorer, return_check, return_syscall, return_again\n"
    "restorer:\n"
    "  mov %rsp,%rbx\n"
    "  mov %rsp,%rcx\n"
    "  and $-0x10000,%rcx\n"
    "return_check:\n"
    "  cmpq $0,16(%rcx)\n"
    "  jne return_again\n"
    "  mov $15,%eax\n"
    "return_syscall:\n"
    "  syscall\n"
    "  hlt\n"
    "return_again:\n"
    "  mov %rsp,%rbx\n"
    "  mov %rsp,%rcx\n"
    "  and $-0x10000,%rcx\n"
    "  movq $0,16(%rcx)\n"
    "  mov %rsp,%rdi\n"
    "  call kicked_in_shim\n"
    "  mov %rbx,%rsp\n"
    "  jmp restorer\n");

struct host_action { void *handler; u64 flags; void *restorer; u64 mask; };

static void take_signals(u64 slot)
{
    static const unsigned char caught[] = {31, 11, 7, 8, 4, 5, KICK, 13, 25, 24, 21, 22};
    /* SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_RESTART; a kick stays possible in handlers */
    struct host_action act = {on_signal, 0x4 | 0x04000000 | 0x08000000 | 0x10000000, restorer,
                              ~(1UL << (KICK - 1))};
    u64 stack[3] = {slot + SLOT_STACK, 0, SLOT_SIZE - SLOT_STACK};
    for (u64 i = 0; i < sizeof caught; i++)
        call(NR_sigaction, caught[i], (s64)&act, 0, 8, 0, 0);
    call(NR_sigaltstack, (s64)stack, 0, 0, 0, 0, 0);
}

/* Where the host has Landlock: no file of the host can be reached by name from here on. What a
 * guest holds it was granted as a descriptor; our own exec goes by /proc/self/exe, a memfd. */
static void lock_files_out(void)
{
    /* rights known to Landlock's versions 1 (13 of them), 2, 3, 4 and 5 */
    static const unsigned char rights[] = {0, 13, 14, 15, 15, 16};
    s64 version = call(NR_landlock_create_ruleset, 0, 0, 1, 0, 0, 0), ruleset;
    u64 handled;
    if (version < 1)
        return;
    handled = (1UL << rights[version < 5 ? version : 5]) - 1;
    ruleset = call(NR_landlock_create_ruleset, (s64)&handled, sizeof handled, 0, 0, 0, 0);
    if (ruleset >= 0)
        call(NR_landlock_restrict_self, ruleset, 0, 0, 0, 0, 0);
}

/* First boot of all: descriptor 3 is a pipe with the filter, descriptor 4 is a socket to the kernel. An
 * unfiltered helper that shares our descriptors sends the listener: Docker refuses pidfd_getfd,
 * and sending it ourselves, filtered, would wait for an answer nobody can give yet. */
static void install_filter(void)
{
    /* version 3 and ourselves; then three empty sets. Root's vehicles are no more than anyone's. */
    static const u32 no_capabilities[8] = {0x20080522};
    char *text = (char *)SLOTS + SLOT_STACK;
    struct host_action ignore = {(void *)1, 0x04000000, restorer, 0};
    struct { u16 count; char *code; } program;
    u64 have = 0, head[2]; /* flags of seccomp(2), bytes of the program */
    s64 n, listener = -1;
    call(NR_read, 3, (s64)head, sizeof head, 0, 0, 0);
    while (have < head[1] && (n = call(NR_read, 3, (s64)text + have, head[1] - have, 0, 0, 0)) > 0)
        have += n;
    program.count = have / 8;
    program.code = text;
    call(NR_prctl, 38, 1, 0, 0, 0, 0);
    call(NR_capset, (s64)no_capabilities, (s64)(no_capabilities + 2), 0, 0, 0, 0);
    lock_files_out();
    call(NR_sigaction, 17, (s64)&ignore, 0, 8, 0, 0); /* the host reaps the helper */
    if (call(NR_clone, 0x400 | 17, 0, 0, 0, 0, 0) == 0) {
        struct { u64 len; u32 level, type; u32 fd, pad; } control = {20, 1, 1, 0, 0};
        u64 iov[2] = {(u64)&listener, 8};
        u64 header[7] = {0, 0, (u64)iov, 1, (u64)&control, 24, 0};
        call(NR_read, 3, (s64)&listener, 8, 0, 0, 0);
        control.fd = listener;
        call(NR_sendmsg, 4, (s64)header, 0, 0, 0, 0);
        call(NR_exit, 0, 0, 0, 0, 0, 0);
    }
    listener = call(NR_seccomp, 1, head[0], (s64)&program, 0, 0, 0);
    call(NR_write, 4, (s64)&listener, 8, 0, 0, 0);
    call(NR_read, 4, (s64)head, 1, 0, 0, 0); /* the kernel has its copy */
    if (listener >= 0)
        call(NR_close, listener, 0, 0, 0, 0, 0);
    /* Nothing of the host's stays open: what a guest holds, the kernel grants. */
    call(NR_close_range, 0, ~0U, 0, 0, 0, 0);
}

void start(u64 sp, u64 vdso)
{
    struct slot *s = my_slot();
    s64 r;
    do /* RESUME: we are a process that the zygote made, and ask for work as after a boot */
        r = obey(ring(K_BOOT, vdso, sp, 0, 0, 0));
    while (r == REPLY_RESUME);
    if (r == REPLY_ENTER)
        asm volatile("mov %0,%%rsp\n jmp restorer" ::"r"(s->frame));
    call(NR_exit_group, 1, 0, 0, 0, 0, 0);
    __builtin_trap();
}

void boot(u64 *sp)
{
    u64 argc = sp[0], *p = sp + argc + 2, vdso = 0;
    while (*p)
        p++;
    for (p++; *p; p += 2)
        if (*p == 33)
            vdso = p[1];
    /* MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_NORESERVE */
    if (call(NR_mmap, SLOTS, SLOT_SIZE, 3, 0x4032, -1, 0) != (s64)SLOTS)
        __builtin_trap();
    if (argc > 1)
        install_filter();
    call(NR_prctl, 1, 9, 0, 0, 0, 0);
    take_signals(SLOTS);
    asm volatile("mov %0,%%rsp\n xor %%ebp,%%ebp\n mov %1,%%rdi\n mov %2,%%rsi\n call start" ::"r"(
                     SLOTS + SLOT_SIZE - 0x100),
                 "r"(sp), "r"(vdso)
                 : "memory", "rdi", "rsi");
    __builtin_unreachable();
}

__attribute__((naked)) void _start(void)
{
    asm volatile("mov %rsp,%rdi\n and $-16,%rsp\n call boot\n hlt");
}
