/* Code that no program should have, each piece in a child of its own: what signal comes of it?
 *
 *   contain instructions     a list of instructions; the lines are the same as on Linux
 *   contain selectors        segment loads and far transfers with every selector
 *   contain stacks           signals where the stack cannot take them, or not well
 *   contain changes          code that changes while it runs, in six ways
 *   contain gates            ways into the kernel that Linux has not, or that differ between hosts
 *   contain garbage SEED N   N children with random code, until it traps or its time is over
 *
 * A line: what it was, then signal, si_code, trap number, error code, where it happened (counted
 * from the code's start), or how the child ended. Nothing here may use the C library's TLS.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

#define CODE 0x10000000UL
#define DATA 0x20000000UL /* readable and writable; rsp is in its middle, rdi and rsi at its start */
#define SIZE 0x10000UL
static int report;

static long call3(long nr, long a, long b, long c)
{
    long r;
    asm volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return r;
}

struct told { int signo, code; long trapno, error, rip, rsp, address; };

__attribute__((optimize("no-stack-protector")))
static void caught(int signo, siginfo_t *info, void *ctx)
{
    greg_t *g = ((ucontext_t *)ctx)->uc_mcontext.gregs;
    struct told t = {signo, info->si_code, g[REG_TRAPNO], g[REG_ERR],
                     g[REG_RIP] - (long)CODE, g[REG_RSP] - (long)(DATA + SIZE / 2),
                     (long)info->si_addr};
    call3(SYS_write, report, (long)&t, sizeof t);
    call3(SYS_exit_group, 0, 0, 0);
}

static void child(const uint8_t *code, size_t size, int tail)
{
    static char stack[16384];
    stack_t s = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&s, 0);
    struct sigaction act = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (int n = 1; n < 32; n++)
        if (n != SIGKILL && n != SIGSTOP && n != SIGALRM)
            sigaction(n, &act, 0);
    uint8_t *at = (uint8_t *)CODE;
    memset(at, 0xf4, SIZE);
    memcpy(at, code, size);
    if (tail) /* mov $1,%edi; mov $231,%eax; syscall: it did not trap */
        memcpy(at + size, "\xbf\x01\0\0\0\xb8\xe7\0\0\0\x0f\x05", 12);
    mprotect(at, SIZE, PROT_READ | PROT_EXEC);
    struct itimerval timer = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &timer, 0);
    asm volatile("mov %0,%%rsp; mov %1,%%rdi; mov %%rdi,%%rsi; xor %%ecx,%%ecx; xor %%edx,%%edx;"
                 "xor %%ebx,%%ebx; xor %%ebp,%%ebp; xor %%r8d,%%r8d; mov %2,%%r9; xor %%eax,%%eax;"
                 "jmp *%%r9" :: "r"(DATA + SIZE / 2), "r"(DATA), "r"(CODE)
                 : "rdi", "rsi", "rax", "rcx", "rdx", "r9", "memory");
}

static int quiet;
static void prepare(void)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    mmap((void *)CODE, SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, flags, -1, 0);
    mmap((void *)DATA, SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
    memset((void *)DATA, 0, SIZE);
}

static void try(const char *name, const uint8_t *code, size_t size, int tail)
{
    int p[2], status;
    struct told t;
    if (pipe(p))
        exit(2);
    report = p[1];
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        child(code, size, tail);
        _exit(3);
    }
    close(p[1]);
    int got = read(p[0], &t, sizeof t) == sizeof t;
    close(p[0]);
    waitpid(pid, &status, 0);
    if (quiet)
        return;
    if (!got)
        printf("%s: status %x\n", name, status);
    else if (t.trapno == 14 || t.signo == SIGTRAP)
        printf("%s: signal %d code %d trap %ld error %lx rip %lx rsp %lx address %lx\n", name,
               t.signo, t.code, t.trapno, t.error, t.rip, t.rsp, t.address);
    else
        printf("%s: signal %d code %d trap %ld error %lx rip %lx rsp %lx\n", name, t.signo, t.code,
               t.trapno, t.error, t.rip, t.rsp);
}

#define I(name, bytes) {name, bytes, sizeof bytes - 1}
static const struct { const char *name, *code; size_t size; } instructions[] = {
    I("hlt", "\xf4"), I("cli", "\xfa"), I("sti", "\xfb"), I("cli, loop", "\xfa\xeb\xfe"),
    I("loop", "\xeb\xfe"),
    I("mov cr0,rax", "\x0f\x20\xc0"), I("mov rax,cr0", "\x0f\x22\xc0"),
    I("mov cr2,rax", "\x0f\x20\xd0"), I("mov rax,cr3", "\x0f\x22\xd8"),
    I("mov cr3,rax", "\x0f\x20\xd8"), I("mov rax,cr4", "\x0f\x22\xe0"),
    I("mov rax,cr8", "\x44\x0f\x22\xc0"), I("mov cr8,rax", "\x44\x0f\x20\xc0"),
    I("mov dr0,rax", "\x0f\x21\xc0"), I("mov rax,dr7", "\x0f\x23\xf8"),
    I("lgdt", "\x0f\x01\x17"), I("lidt", "\x0f\x01\x1f"), I("lldt", "\x0f\x00\xd0"),
    I("ltr", "\x0f\x00\xd8"), I("lmsw", "\x0f\x01\xf0"), I("clts", "\x0f\x06"),
    I("wrmsr", "\x0f\x30"), I("wrmsr efer", "\xb9\x80\x00\x00\xc0\x0f\x30"),
    I("rdmsr", "\x0f\x32"), I("rdmsr lstar", "\xb9\x82\x00\x00\xc0\x0f\x32"),
    I("rdpmc", "\x0f\x33"), I("invd", "\x0f\x08"), I("wbinvd", "\x0f\x09"),
    I("invlpg", "\x0f\x01\x3f"), I("swapgs", "\x0f\x01\xf8"), I("sysretl", "\x0f\x07"),
    I("sysretq", "\x48\x0f\x07"), I("sysexit", "\x0f\x35"), I("sysexitq", "\x48\x0f\x35"),
    I("rsm", "\x0f\xaa"), I("stac", "\x0f\x01\xcb"), I("clac", "\x0f\x01\xca"),
    I("vmcall", "\x0f\x01\xc1"), I("vmlaunch", "\x0f\x01\xc2"), I("vmrun", "\x0f\x01\xd8"),
    I("ud0", "\x0f\xff\xc0"), I("ud1", "\x0f\xb9\xc0"), I("ud2", "\x0f\x0b"),
    I("int1", "\xf1"), I("int3", "\xcc"), I("into", "\xce"), I("bound", "\x62\x07"),
    I("aaa", "\x37"), I("daa", "\x27"), I("push es", "\x06"), I("pusha", "\x60"),
    I("salc", "\xd6"), I("lcall imm", "\x9a\0\0\0\0\x33\0"), I("ljmp imm", "\xea\0\0\0\0\x33\0"),
    I("in al,80", "\xe4\x80"), I("in al,dx", "\xec"), I("in eax,dx", "\xed"),
    I("in eax,80", "\xe5\x80"), I("out 80,al", "\xe6\x80"), I("out 10,al", "\xe6\x10"),
    I("out 18,al", "\xe6\x18"), I("out 1a,al", "\xe6\x1a"), I("out dx,al", "\xee"),
    I("out dx,eax", "\xef"), I("out dx,ax", "\x66\xef"), I("insb", "\x6c"), I("insd", "\x6d"),
    I("outsb", "\x6e"), I("outsd", "\x6f"), I("rep outsb", "\xb9\x05\0\0\0\xf3\x6e"),
    I("div 0", "\xf7\xf3"), I("idiv overflow", "\xba\x00\x00\x00\x80\xb3\xff\xf6\xfb"),
    I("idiv int_min", "\xb8\0\0\0\x80\x99\xbb\xff\xff\xff\xff\xf7\xfb"),
    I("lock nop", "\xf0\x90"), I("lock add reg", "\xf0\x01\xc0"),
    I("too long", "\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90"),
    I("syscall -1", "\x48\xc7\xc0\xff\xff\xff\xff\x0f\x05"),
    I("syscall, rsp 0", "\xb8\x27\0\0\0\x31\xe4\x0f\x05"),
    I("syscall, rsp noncanonical",
      "\xb8\x27\0\0\0\x48\xbc\0\0\0\0\0\0\0\x80\x0f\x05"),
    I("syscall, rsp kernel", "\xb8\x27\0\0\0\x48\xc7\xc4\0\0\0\xff\x0f\x05"),
    I("push, rsp 0", "\x31\xe4\x50"), I("push, rsp noncanonical",
      "\x48\xbc\0\0\0\0\0\0\0\x80\x50"), I("push, rsp kernel", "\x48\xc7\xc4\0\0\0\xff\x50"),
    I("call, rsp unmapped", "\xbc\0\x10\0\0\xe8\0\0\0\0"), I("enter unmapped",
      "\xbc\0\x10\0\0\xc8\x10\0\0"), I("leave noncanonical",
      "\x48\xbd\0\0\0\0\0\0\0\x80\xc9"),
    I("popf tf", "\x68\x02\x03\0\0\x9d\x90\x90"), I("popf nt", "\x68\x02\x42\0\0\x9d\x90"),
    I("popf nt, iret", "\x68\x02\x42\0\0\x9d\x48\xcf"), I("popf ac, mov",
      "\x68\x02\x02\x04\0\x9d\x8b\x07"), I("popf iopl", "\x68\x02\x32\0\0\x9d\xfa"),
    I("popf vm", "\x68\x02\x02\x02\0\x9d\x90"), I("popf if 0", "\x6a\x02\x9d\x90"),
    I("popf tf, syscall", "\xb8\x27\0\0\0\x68\x02\x03\0\0\x9d\x0f\x05\x90\x90"),
    I("popf tf, int 80", "\xb8\x14\0\0\0\x68\x02\x03\0\0\x9d\xcd\x80\x90\x90"),
    I("popf tf, int3", "\x68\x02\x03\0\0\x9d\xcc\x90"),
    I("popf tf, cpuid", "\x68\x02\x03\0\0\x9d\x0f\xa2\x90"),
    I("popf tf, ud2", "\x68\x02\x03\0\0\x9d\x0f\x0b"),
    I("popf tf, popf", "\x68\x02\x02\0\0\x68\x02\x03\0\0\x9d\x9d\x90"),
    I("mov ss, syscall", "\xb8\x2b\0\0\0\x8e\xd0\x0f\x05"),
    I("mov ss, int3", "\xb8\x2b\0\0\0\x8e\xd0\xcc"), I("mov ss, ud2", "\xb8\x2b\0\0\0\x8e\xd0\x0f\x0b"),
    I("mov ss, int 80", "\xb8\x2b\0\0\0\x8e\xd0\xcd\x80"),
    I("tf, mov ss, nop", "\xb8\x2b\0\0\0\x68\x02\x03\0\0\x9d\x8e\xd0\x90\x90"),
    I("read 0", "\x31\xff\x8b\x07"), I("read kernel", "\x48\xc7\xc7\0\0\0\xff\x8b\x07"),
    I("write kernel", "\x48\xc7\xc7\0\0\0\x81\x89\x07"),
    I("read noncanonical", "\x48\xbf\0\0\0\0\0\0\0\x80\x8b\x07"),
    I("write direct map", "\x48\xbf\0\0\x10\0\0\x88\xff\xff\x89\x07"),
    I("read last page", "\x48\xbf\0\xf0\xff\xff\xff\x7f\0\0\x8b\x07"),
    I("read across the end", "\x48\xbf\xfe\xff\xff\xff\xff\x7f\0\0\x8b\x07"),
    I("write code", "\xbf\0\0\0\x10\x89\x07"), I("jump data", "\xff\xe7"),
    I("jump 0", "\x31\xff\xff\xe7"), I("jump kernel", "\x48\xc7\xc7\0\0\0\x81\xff\xe7"),
    I("jump kernel stack", "\x48\xbf\0\x20\0\0\0\xc9\xff\xff\xff\xe7"),
    I("jump noncanonical", "\x48\xbf\0\0\0\0\0\0\0\x80\xff\xe7"),
    I("ret noncanonical", "\x48\xbf\0\0\0\0\0\0\0\x80\x57\xc3"),
    I("call noncanonical", "\x48\xbf\0\0\0\0\0\0\0\x80\xff\xd7"),
    I("jump vsyscall 0x800 off", "\x48\xc7\xc7\x10\0\x60\xff\xff\xe7"),
    I("read vsyscall", "\x48\xc7\xc7\0\0\x60\xff\x8b\x07"),
    I("jump last byte", "\x48\xbf\xff\xef\xff\xff\xff\x7f\0\0\xff\xe7"),
    I("movaps misaligned", "\x0f\x28\x47\x01\x90"), I("fxrstor bad mxcsr",
      "\xc7\x47\x18\xff\xff\xff\xff\x0f\xae\x0f"), I("fxsave misaligned", "\x0f\xae\x47\x01"),
    I("ldmxcsr bad", "\xc7\x07\xff\xff\xff\xff\x0f\xae\x17"),
    I("cmpxchg16b misaligned", "\x48\x0f\xc7\x4f\x01"), I("cmpxchg8b reg", "\x0f\xc7\xc8"),
    I("xsetbv", "\x0f\x01\xd1"), I("monitor", "\x0f\x01\xc8"), I("mwait", "\x0f\x01\xc9"),
    I("fdiv 0", "\xdb\xe3\x68\x7b\x03\0\0\xd9\x2c\x24\xd9\xe8\xd9\xee\xde\xf9\x9b"),
    I("divss 0", "\xc7\x07\x80\x1d\0\0\x0f\xae\x17\x0f\x57\xc0\xf3\x0f\x5e\xc0"),
    I("retf null", "\x6a\0\x6a\0\x48\xcb"), I("iretq zeros",
      "\x6a\0\x6a\0\x6a\0\x6a\0\x6a\0\x48\xcf"), I("iretl", "\xcf"), I("iretw", "\x66\xcf"),
    I("arpl/movsxd", "\x63\x07"), I("verr", "\x0f\x00\x27"), I("lar", "\x0f\x02\x07"),
    I("int 80 getpid", "\xb8\x14\0\0\0\xcd\x80"), I("int 80 -1", "\x83\xc8\xff\xcd\x80"),
};

/* lcall through a far pointer at DATA: movl $0,(rdi); movw $sel,4(rdi); the stack; lcall *(rdi) */
#define LCALL(sel) "\xc7\x07\0\0\0\0\x66\xc7\x47\x04" sel "\0"
#define TO_32 "\x68\x23\0\0\0\x68\x0c\0\0\x10\x48\xcb" /* 12 bytes; lret to 32-bit code behind them */
static const struct { const char *name, *code; size_t size; } gates[] = {
    I("sysenter", "\x0f\x34"), I("sysenter, rsp 0", "\x31\xe4\x0f\x34"),
    I("sysenter, rbp kernel", "\x48\xc7\xc5\0\0\0\x81\xb8\x14\0\0\0\x0f\x34"),
    I("sysenter, tf", "\x68\x02\x03\0\0\x9d\x0f\x34"),
    I("sysenter, nt", "\x68\x02\x42\0\0\x9d\x0f\x34"),
    I("gate", "\xb8\x27\0\0\0" LCALL("\x83") "\xff\x1f"),
    I("gate, rpl 0", LCALL("\x80") "\xff\x1f"), I("gate's second half", LCALL("\x8b") "\xff\x1f"),
    I("gate, rsp 0", LCALL("\x83") "\x31\xe4\xff\x1f"),
    I("gate, rsp noncanonical", LCALL("\x83") "\x48\xbc\0\0\0\0\0\0\0\x80\xff\x1f"),
    I("gate, rsp kernel", LCALL("\x83") "\x48\xc7\xc4\0\0\0\xff\xff\x1f"),
    I("gate, tf", LCALL("\x83") "\x68\x02\x03\0\0\x9d\xff\x1f\x90"),
    I("gate, nt", LCALL("\x83") "\x68\x02\x42\0\0\x9d\xff\x1f\x90"),
    I("gate, jump", LCALL("\x83") "\xff\x2f"), I("gate, exit", "\xb8\xe7\0\0\0\x6a\x05\x5f\x48"
      "\xbb\0\0\0\x20\0\0\0\0\xc7\x03\0\0\0\0\x66\xc7\x43\x04\x83\0\xff\x1b"),
    I("32-bit syscall", TO_32 "\x0f\x05"), I("32-bit sysenter", TO_32 "\x0f\x34"),
    I("32-bit int 80", TO_32 "\xb8\x14\0\0\0\xcd\x80\xf4"),
    I("32-bit lcall", TO_32 "\x9a\0\0\0\0\x83\0"),
    I("32-bit iret to vm86", TO_32 "\x6a\0\x6a\0\x6a\0\x6a\0\x6a\x2b\x6a\0\x68\x02\0\x02\0"
      "\x6a\x23\x6a\0\xcf"),
    I("32-bit push cs, pop ss", TO_32 "\x0e\x17\x90"), I("32-bit into", TO_32 "\xb0\x7f\x04\x01\xce"),
    I("32-bit bound", TO_32 "\x62\x07"), I("32-bit les", TO_32 "\xc4\x07"),
    I("32-bit vdso", TO_32 "\x65\xff\x15\x10\0\0\0"),
};

static void all_gates(void)
{
    for (size_t i = 0; i < sizeof gates / sizeof *gates; i++)
        try(gates[i].name, (const uint8_t *)gates[i].code, gates[i].size, 1);
}

static void all_instructions(void)
{
    for (size_t i = 0; i < sizeof instructions / sizeof *instructions; i++)
        try(instructions[i].name, (const uint8_t *)instructions[i].code, instructions[i].size, 1);
    for (int n = 0; n < 256; n++) {
        uint8_t code[] = {0xb8, 0x14, 0, 0, 0, 0xcd, (uint8_t)n};
        char name[20];
        sprintf(name, "int %x", n);
        try(name, code, sizeof code, 1);
    }
}

static void all_selectors(void)
{
    /* %x: the selector. The gate of ours (0x80-0x8f) is nothing that Linux has. */
    static const struct { const char *name; uint8_t code[24]; unsigned size, at; } ways[] = {
        {"mov ds", {0xb8, 0, 0, 0, 0, 0x8e, 0xd8}, 7, 1},
        {"mov es", {0xb8, 0, 0, 0, 0, 0x8e, 0xc0}, 7, 1},
        {"mov ss", {0xb8, 0, 0, 0, 0, 0x8e, 0xd0}, 7, 1},
        {"mov fs", {0xb8, 0, 0, 0, 0, 0x8e, 0xe0}, 7, 1},
        {"mov gs", {0xb8, 0, 0, 0, 0, 0x8e, 0xe8}, 7, 1},
        {"mov cs", {0xb8, 0, 0, 0, 0, 0x8e, 0xc8}, 7, 1},
        /* push $sel; push $CODE+9; lretq; 9: */
        {"lret", {0x68, 0, 0, 0, 0, 0x68, 12, 0, 0, 0x10, 0x48, 0xcb}, 12, 1},
        {"iret", {0x6a, 0x2b, 0x68, 0, 0, 0, 0x20, 0x68, 2, 2, 0, 0, 0x68, 0, 0, 0, 0, 0x6a, 0,
                  0x48, 0xcf}, 21, 13},
        {"iret ss", {0x68, 0, 0, 0, 0, 0x68, 0, 0, 0, 0x20, 0x68, 2, 2, 0, 0, 0x6a, 0x33, 0x6a, 0,
                     0x48, 0xcf}, 21, 1},
        /* movl $CODE,(rdi); movw $sel,4(rdi); lcall *(rdi) */
        {"lcall", {0xc7, 0x07, 0, 0, 0, 0, 0x66, 0xc7, 0x47, 4, 0, 0, 0xff, 0x1f}, 14, 10},
        {"ljmp", {0xc7, 0x07, 0, 0, 0, 0, 0x66, 0xc7, 0x47, 4, 0, 0, 0xff, 0x2f}, 14, 10},
        {"lss", {0x66, 0xc7, 0x47, 4, 0, 0, 0x0f, 0xb2, 0x27}, 9, 4},
        {"lfs", {0x66, 0xc7, 0x47, 4, 0, 0, 0x0f, 0xb4, 0x07}, 9, 4},
    };
    static const uint16_t others[] = {0x100, 0x1f8, 0xfff8, 0xffff, 0x7fff, 0x108};
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
        for (unsigned n = 0; n < 0x90 + 6; n++) {
            unsigned selector = n < 0x80 ? n : n < 0x90 ? n + 0x70 : others[n - 0x90];
            uint8_t code[24];
            char name[40];
            memcpy(code, ways[w].code, sizeof code);
            code[ways[w].at] = selector & 255, code[ways[w].at + 1] = selector >> 8;
            sprintf(name, "%s %x", ways[w].name, selector);
            try(name, code, ways[w].size, 1);
        }
}

/* --- signals on stacks of all sorts ------------------------------------------------------------- */
__attribute__((optimize("no-stack-protector")))
static void entered(int signo)
{
    long sp = (long)__builtin_frame_address(0);
    call3(SYS_exit_group, signo == SIGUSR1 ? 40 + (sp & 15) : 60, 0, 0);
}

static void all_stacks(void)
{
    static const uint64_t tops[] = {
        DATA + SIZE, DATA + SIZE - 1, DATA + SIZE - 7, DATA + SIZE - 8, DATA + 0x1003, DATA + 0x400,
        DATA + 0x80, DATA + 1, DATA, DATA - 1, CODE + SIZE, 0, 8, 0x80, 0x1000, 0x7ffffffff000,
        0x7fffffffe000, 0x800000000000, 0x8000000000000000, 0xffff800000000000,
        0xffff888000100000, 0xffffc90000003000, 0xffffffffff600800, 0xffffffffffffffff,
    };
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++)
        for (int alt = 0; alt < 4; alt++) {
            int status;
            pid_t pid = fork();
            if (pid == 0) {
                struct sigaction act = {.sa_handler = entered, .sa_flags = alt ? SA_ONSTACK : 0};
                static const uint64_t places[] = {0, DATA + 0x2000, 0x1000, 0x7ffffffff000};
                stack_t s = {.ss_sp = (void *)places[alt], .ss_size = 8192};
                if (alt)
                    sigaltstack(&s, 0);
                sigaction(SIGUSR1, &act, 0);
                mprotect((void *)CODE, SIZE, PROT_READ);
                long me = getpid();
                asm volatile("mov %0,%%rsp; syscall; ud2" :: "r"(tops[i]), "a"(SYS_kill), "D"(me),
                             "S"(SIGUSR1) : "rcx", "r11", "memory");
            }
            waitpid(pid, &status, 0);
            printf("stack %lx, alternate %d: status %x\n", (long)tops[i], alt, status);
        }
}

/* --- code that changes -------------------------------------------------------------------------- */
typedef int (*function)(void);

static void all_changes(void)
{
    /* mov $n,%eax; ret */
    static const uint8_t returns[] = {0xb8, 0, 0, 0, 0, 0xc3};
    volatile uint8_t *code = (uint8_t *)CODE;
    long sum = 0;
    memcpy((void *)code, returns, sizeof returns);
    for (int i = 0; i < 2000; i++) {
        code[1] = i, code[2] = i >> 8;
        sum += ((function)CODE)();
    }
    printf("stores: %ld\n", sum);
    /* movb $7,1f+1(%rip); 1: mov $1,%eax; ret: the very next instruction */
    memcpy((void *)(code + 64), "\xc6\x05\x01\0\0\0\x07\xb8\x01\0\0\0\xc3", 13);
    sum = 0;
    for (int i = 0; i < 3; i++) {
        sum = sum * 10 + ((function)(CODE + 64))();
        code[64 + 8] = 1;
    }
    printf("the next instruction: %ld\n", sum);
    /* a loop that counts in its own immediate: mov $500,%ecx; 1: incb 2f+1; 2: mov $0,%eax; loop */
    memcpy((void *)(code + 128), "\xb9\xc8\0\0\0\xfe\x05\x01\0\0\0\xb8\0\0\0\0\xff\xc9"
           "\x75\xf1\xc3", 21);
    printf("a loop: %d\n", ((function)(CODE + 128))());
    /* across a page border */
    uint8_t *border = (uint8_t *)CODE + 0x2000 - 3;
    sum = 0;
    for (int i = 0; i < 300; i++) {
        uint8_t now[] = {0xb8, i, i >> 8, 0, 0, 0xc3};
        memcpy(border, now, sizeof now);
        sum += ((function)border)();
    }
    printf("across a border: %ld\n", sum);
    /* two mappings of one page */
    int fd = syscall(SYS_memfd_create, "code", 0);
    ftruncate(fd, 8192);
    uint8_t *w = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    uint8_t *x = mmap(0, 8192, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    sum = 0;
    for (int i = 0; i < 300; i++) {
        memcpy(w, returns, sizeof returns);
        w[1] = i, w[2] = i >> 8;
        sum += ((function)x)();
    }
    printf("another mapping: %ld\n", sum);
    sum = 0;
    for (int i = 0; i < 300; i++) { /* by a call of the kernel */
        uint8_t now[] = {0xb8, i, i >> 8, 0, 0, 0xc3};
        pwrite(fd, now, sizeof now, 4096);
        sum += ((function)(x + 4096))();
    }
    printf("a write to the file: %ld\n", sum);
    sum = 0;
    for (int i = 0; i < 300; i++) {
        uint8_t now[] = {0xb8, i, i >> 8, 0, 0, 0xc3};
        mprotect((void *)(CODE + 0x4000), 4096, PROT_READ | PROT_WRITE);
        memcpy((void *)(CODE + 0x4000), now, sizeof now);
        mprotect((void *)(CODE + 0x4000), 4096, PROT_READ | PROT_EXEC);
        sum += ((function)(CODE + 0x4000))();
    }
    printf("mprotect: %ld\n", sum);
    sum = 0;
    for (int i = 0; i < 100; i++) { /* a child's changes are its own */
        int status;
        pid_t pid = fork();
        if (pid == 0) {
            code[1] = 100 + i, code[2] = 0;
            _exit(((function)CODE)());
        }
        waitpid(pid, &status, 0);
        sum += WEXITSTATUS(status);
    }
    printf("fork: %ld, %d here\n", sum, ((function)CODE)());
    sum = 0;
    for (int i = 0; i < 100; i++) { /* one place, another page each time */
        uint8_t now[] = {0xb8, i, 0, 0, 0, 0xc3};
        munmap((void *)(CODE + 0x6000), 4096);
        mmap((void *)(CODE + 0x6000), 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        memcpy((void *)(CODE + 0x6000), now, sizeof now);
        sum += ((function)(CODE + 0x6000))();
    }
    printf("mmap: %ld\n", sum);
}

static uint64_t state;
static unsigned below(unsigned n)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (state * 0x2545f4914f6cdd1dULL >> 33) % n;
}

static void garbage(uint64_t seed, int n)
{
    static uint8_t code[4000];
    quiet = 1;
    state = seed * 0x9e3779b97f4a7c15ULL | 1;
    for (int i = 0; i < n; i++) {
        unsigned size = 0, style = below(4);
        while (size < sizeof code - 64) {
            if (style == 0 || below(3) == 0) {
                code[size++] = below(256);
                continue;
            }
            unsigned pick = below(sizeof instructions / sizeof *instructions);
            if (style == 1 || below(8)) { /* something that seldom traps: moves, arithmetic, SSE */
                static const uint8_t usual[] = {0x01, 0x29, 0x31, 0x89, 0x8b, 0x87, 0xa4, 0xaa,
                    0x50, 0x58, 0x90, 0x8e, 0x8c, 0x9c, 0x9d, 0xc3, 0xcb, 0xcf, 0xe8, 0xeb, 0x75,
                    0xff, 0xc8, 0xc9, 0xd9, 0xdd, 0x0f, 0x66, 0xf2, 0xf3, 0x48, 0x64, 0x65, 0x67};
                code[size++] = usual[below(sizeof usual)];
                code[size++] = below(256);
                continue;
            }
            memcpy(code + size, instructions[pick].code, instructions[pick].size);
            size += instructions[pick].size;
        }
        try("garbage", code, size, 1);
    }
    printf("garbage over\n");
}

int main(int argc, char **argv)
{
    prepare();
    if (argc > 1 && !strcmp(argv[1], "instructions"))
        all_instructions();
    else if (argc > 1 && !strcmp(argv[1], "selectors"))
        all_selectors();
    else if (argc > 1 && !strcmp(argv[1], "gates"))
        all_gates();
    else if (argc > 1 && !strcmp(argv[1], "stacks"))
        all_stacks();
    else if (argc > 1 && !strcmp(argv[1], "changes"))
        all_changes();
    else if (argc > 3 && !strcmp(argv[1], "garbage"))
        garbage(strtoull(argv[2], 0, 0), atoi(argv[3]));
    else
        return 2;
    return 0;
}
