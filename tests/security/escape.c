/* Escape attempts on the native machine. Each runs in a child of its own and prints one line:
 * the case's name, then what came of it. What is safe is written in test_escape.py.
 *
 *   escape HOSTPID HOSTFILE    a process and a file of the host, outside every grant
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WINDOW 0x6e0000000000UL
#define SLOTS 0x6d0000000000UL
#define MAGIC 0x5233000000000000UL

static pid_t host_pid;
static const char *host_file;
static char answer[4096];

static void say(long r) { snprintf(answer, sizeof answer, r < 0 ? "errno %d" : "ok %ld", r < 0 ? errno : 0, r); if (r >= 0) snprintf(answer, sizeof answer, "ok %ld", r); }
static void tell(const char *text) { snprintf(answer, sizeof answer, "%s", text); }

/* --- paths ------------------------------------------------------------------------------------ */
static void try_open(const char *path) { say(open(path, O_RDONLY)); }
static void dotdot(void)
{
    char path[5000] = "";
    for (int i = 0; i < 40; i++)
        strcat(path, "../");
    strcat(path, host_file + 1);
    try_open(path);
}
static void by_symlink(void)
{
    unlink("ln");
    symlink(host_file, "ln");
    try_open("ln");
}
static void by_proc_root(void)
{
    char path[5000];
    snprintf(path, sizeof path, "/proc/self/root%s", host_file);
    try_open(path);
}
static void by_proc_1_root(void)
{
    char path[5000];
    snprintf(path, sizeof path, "/proc/1/root%s", host_file);
    try_open(path);
}
static void by_proc_cwd(void)
{
    char path[5000];
    snprintf(path, sizeof path, "/proc/self/cwd/../../../../../../../..%s", host_file);
    try_open(path);
}
static void by_hard_link(void) { say(link(host_file, "hard")); }
static void by_chroot(void)
{
    char path[5000] = "";
    int here = open("/", O_RDONLY);
    mkdir("jail", 0755);
    chroot("jail");
    fchdir(here);
    for (int i = 0; i < 40; i++)
        strcat(path, "../");
    strcat(path, host_file + 1);
    try_open(path);
}
static void by_handle(void)
{
    struct { unsigned bytes; int type; unsigned char data[128]; } h = {8, 1, {2}};
    long fd = syscall(SYS_open_by_handle_at, AT_FDCWD, &h, O_RDONLY);
    say(fd);
}
static void by_exec(void) { say(execl(host_file, host_file, (char *)0)); }
static void host_mem(void)
{
    char path[100];
    snprintf(path, sizeof path, "/proc/%d/mem", host_pid);
    try_open(path);
}
static void descriptors(void)
{
    /* only 0, 1 and 2 were given */
    int extra = 0;
    for (int fd = 3; fd < 4096; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            extra++;
    char c;
    for (int fd = 3; fd < 4096; fd++)
        if (read(fd, &c, 1) >= 0 || errno != EBADF)
            extra++;
    say(extra);
}

/* --- races ------------------------------------------------------------------------------------ */
static char shared[256];
static volatile int stop;
static void *flip(void *arg)
{
    (void)arg;
    while (!stop) {
        memcpy(shared, "mine\0", 5);
        strcpy(shared, host_file);
    }
    return 0;
}
static void race_path(void)
{
    pthread_t t;
    char c[8];
    close(open("mine", O_CREAT | O_RDWR, 0644));
    pthread_create(&t, 0, flip, 0);
    for (int i = 0; i < 3000; i++) {
        int fd = open(shared, O_RDONLY);
        if (fd >= 0) {
            if (read(fd, c, 8) > 0)
                return tell("READ IT");
            close(fd);
        }
    }
    stop = 1;
    tell("safe");
}
static void *swap(void *arg)
{
    (void)arg;
    while (!stop) {
        rename("dir", "dir2"), rename("lnk", "dir");
        rename("dir", "lnk"), rename("dir2", "dir");
    }
    return 0;
}
static void race_rename(void)
{
    pthread_t t;
    char path[1000], c[8], parent[1000];
    strcpy(parent, host_file);
    *strrchr(parent, '/') = 0;
    mkdir("dir", 0755), unlink("lnk"), symlink(parent, "lnk");
    snprintf(path, sizeof path, "dir/%s", strrchr(host_file, '/') + 1);
    pthread_create(&t, 0, swap, 0);
    for (int i = 0; i < 2000; i++) {
        int fd = open(path, O_RDONLY);
        if (fd >= 0 && read(fd, c, 8) > 0)
            return tell("READ IT");
        if (fd >= 0)
            close(fd);
        fd = open(path, O_WRONLY | O_TRUNC);
        if (fd >= 0)
            close(fd);
    }
    stop = 1;
    tell("safe");
}

/* --- other processes -------------------------------------------------------------------------- */
static void kill_host(void) { say(kill(host_pid, SIGTERM)); }
static void kill_parent(void)
{
    /* the kernel itself is the host parent of every vehicle; here it is whoever forked us */
    say(syscall(SYS_tgkill, host_pid, host_pid, SIGTERM));
}
static void ptrace_host(void) { say(ptrace(PTRACE_ATTACH, host_pid, 0, 0)); }
static void write_host(void)
{
    char c = 1;
    struct iovec mine = {&c, 1}, theirs = {(void *)0x400000, 1};
    say(process_vm_writev(host_pid, &mine, 1, &theirs, 1, 0));
}
static void pidfd_host(void) { say(syscall(SYS_pidfd_open, host_pid, 0)); }
static void limit_host(void) { say(syscall(SYS_prlimit64, host_pid, 7, 0, answer)); }
static void clock_host(void)
{
    /* a CPU clock names a process by number: that of the host must not be reachable */
    struct timespec t;
    say(clock_gettime((~(clockid_t)host_pid << 3) | 2, &t));
}

/* --- the machine's own addresses -------------------------------------------------------------- */
static long window(long nr, long a, long b, long c, long d, long e, long f)
{
    /* code of our own at an address that the filter trusts more */
    static const unsigned char code[] = {
        0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x4d, 0x89, 0xc2,
        0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x0f, 0x05, 0xc3};
    static long (*enter)(long, long, long, long, long, long, long);
    for (unsigned long at = WINDOW + 0xf000; !enter && at >= WINDOW; at -= 0x1000) {
        /* free pages of the window first, by the one mapping call that names no fixed address */
        void *p = mmap((void *)at, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == (void *)at) {
            memcpy(p, code, sizeof code);
            enter = p;
        } else if (p != MAP_FAILED) {
            munmap(p, 4096);
        }
    }
    if (!enter) {
        /* else over the shim's own text */
        mprotect((void *)(WINDOW + 0), 0x1000, 7);
        mprotect((void *)(WINDOW + 0x1000), 0x1000, 7);
        unsigned char *at = (unsigned char *)WINDOW + 0x1f00;
        memcpy(at, code, sizeof code);
        enter = (void *)at;
    }
    long r = enter(nr, a, b, c, d, e, f);
    if (r < 0 && r > -4096) {
        errno = -r;
        return -1;
    }
    return r;
}
static void window_open(void) { say(window(SYS_open, (long)host_file, O_RDONLY, 0, 0, 0, 0)); }
static void window_openat(void) { say(window(SYS_openat, AT_FDCWD, (long)host_file, 0, 0, 0, 0)); }
static void window_exec(void)
{
    char *argv[] = {(char *)"sh", 0};
    say(window(SYS_execve, (long)host_file, (long)argv, (long)argv, 0, 0, 0));
}
static void window_kill(void) { say(window(SYS_kill, host_pid, SIGTERM, 0, 0, 0, 0)); }
static void window_socket(void)
{
    /* it may succeed, as the kernel's socket, which is not the host's */
    long fd = window(SYS_socket, 2, 1, 0, 0, 0, 0);
    char path[64], target[100] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%ld", fd);
    say(fd >= 0 && readlink(path, target, 99) > 0 ? 0 : fd);
}
static void window_ptrace(void) { say(window(SYS_ptrace, PTRACE_ATTACH, host_pid, 0, 0, 0, 0)); }
static void window_clone(void)
{
    /* a process nobody expects: the call must reach the kernel, or nothing may come of it */
    long r = window(SYS_clone, 0x8000 | SIGCHLD, 0, 0, 0, 0, 0);
    if (r == 0)
        _exit(0);
    int status;
    say(r > 0 && (waitpid(r, &status, 0) == r || errno == ECHILD) ? 0 : r);
}
static void window_pdeathsig(void)
{
    /* must not take effect: the kernel's own is what ends us with it; seen from outside */
    window(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0, 0);
    tell("called");
    puts("window_pdeathsig armed");
    fflush(stdout);
}
static void window_seccomp(void)
{
    struct { unsigned short n; void *code; } none = {0, 0};
    say(window(SYS_seccomp, 1, 8, (long)&none, 0, 0, 0));
}
static void fixed_over_shim(void)
{
    void *p = mmap((void *)WINDOW, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    say(p == MAP_FAILED ? -1 : 0);
}
static void fixed_over_slots(void)
{
    void *p = mmap((void *)SLOTS, 65536, 7, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    say(p == MAP_FAILED ? -1 : 0);
}
static void unmap_shim(void) { munmap((void *)WINDOW, 0x10000), say(getppid()); fork(); }
static void unmap_slots(void) { munmap((void *)SLOTS, 0x100000), say(getppid()); fork(); }
static void scribble_slots(void)
{
    memset((void *)SLOTS, 0xa5, 0x3000);
    fork();
    say(getppid() > 0 ? 0 : -1);
}
static void scribble_frames(void)
{
    memset((void *)(SLOTS + 0x4000), 0xff, 0xc000 - 16);
    fork();
    say(getppid() > 0 ? 0 : -1);
}
static void forged(int kind, long a, long b)
{
    long r = syscall(SYS_getppid + 0, 0);
    (void)r;
    say(syscall(SYS_getppid, MAGIC | kind, a, b, 0, 0, 0));
}
static void forged_boot(void) { forged(1, 0, SLOTS + 0x8000); }
static void forged_done(void) { forged(2, 1, 5); }
static void forged_child(void) { forged(3, 0x1234, 0); }
static void forged_signal(void) { forged(4 | 31 << 8, SLOTS + 0x8000, SYS_open | 0xc000003eL << 32); }
static void forged_fault(void) { forged(4 | 11 << 8, SLOTS + 0x8000, 0); }
static void forged_kick(void) { forged(4 | 62 << 8, SLOTS + 0x8000, 0); }
static void forged_wild(void) { forged(0xff, -1, -1); }
static void forged_outside(void) { forged(4 | 31 << 8, (long)answer, SYS_open); }

/* a second thread rewrites the slot of one that is about to fork or exec */
static void *scribbler(void *arg)
{
    volatile uint64_t *slot = (uint64_t *)SLOTS;
    (void)arg;
    while (!stop)
        for (int i = 0; i < 4; i++) { /* cmds: nr, six arguments, flags */
            slot[4 + 8 * i + 1] = (uint64_t)host_file;
            slot[4 + 8 * i] = i & 1 ? SYS_getpid : SYS_openat;
        }
    return 0;
}
static void race_slot(void)
{
    pthread_t t;
    pthread_create(&t, 0, scribbler, 0);
    for (int i = 0; i < 200; i++) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid > 0)
            waitpid(pid, 0, 0);
    }
    stop = 1;
    tell("safe");
}
static void *forger(void *arg)
{
    /* the results of commands, as if the host's clone had made HOSTPID */
    volatile uint64_t *slot = (uint64_t *)SLOTS;
    (void)arg;
    while (!stop) {
        slot[4 + 0] = SYS_sched_yield;
        slot[4 + 7] = 0;
        slot[0] = 1;
    }
    return 0;
}
static void race_vfork(void)
{
    pthread_t t;
    pthread_create(&t, 0, forger, 0);
    for (int i = 0; i < 100; i++) {
        pid_t pid = vfork();
        if (pid == 0)
            _exit(0);
        if (pid > 0)
            kill(pid, SIGKILL), waitpid(pid, 0, WNOHANG);
    }
    stop = 1;
    tell("safe");
}

/* --- other doors ------------------------------------------------------------------------------ */
static void int80(void)
{
    long r;
    /* i386's number of open(2); the path's address does not fit, getpid(2) does */
    asm volatile("int $0x80" : "=a"(r) : "a"(20) : "memory", "r8", "r9", "r10", "r11");
    errno = -r;
    say(r < 0 ? -1 : r == getpid() ? 0 : 1);
}
static void x32(void) { say(syscall(0x40000000 | SYS_open, host_file, O_RDONLY)); }
static void x32_getpid(void) { say(syscall(0x40000000 | SYS_getpid)); }
static void io_uring(void) { say(syscall(SYS_io_uring_setup, 8, answer)); }
static void userfault(void) { say(syscall(SYS_userfaultfd, 0)); }
static void dispatch_off(void)
{
    prctl(59, 0, 0, 0, 0); /* PR_SET_SYSCALL_USER_DISPATCH, off */
    say(open(host_file, O_RDONLY));
}
static void undumpable(void)
{
    /* the kernel must still reach this process's memory */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    char c[10];
    int fd = open("/proc/self/comm", O_RDONLY);
    say(read(fd, c, 6) == 6 ? 0 : -1);
}

/* --- the caller's files as standard streams --------------------------------------------------- */
static struct stat before;
static void stdio_chown(void) { say(fchown(0, 12, 34)); }
static void stdio_chmod(void) { say(fchmod(0, 0600)); }
static void stdio_times(void) { struct timespec t[2] = {{1, 0}, {1, 0}}; say(futimens(0, t)); }
static void stdio_truncate(void) { say(ftruncate(0, 0)); }
static void stdio_xattr(void) { say(fsetxattr(0, "user.k", "v", 1, 0)); }
static void stdio_proc_chmod(void) { say(chmod("/proc/self/fd/0", 0600)); }
static void stdio_proc_chown(void) { say(chown("/proc/self/fd/0", 12, 34)); }
static void stdio_dev_chown(void) { say(chown("/dev/stdin", 12, 34)); }
static void stdio_reopen(void) { say(open("/proc/self/fd/0", O_RDWR)); }
static void stdio_reopen_trunc(void) { say(open("/dev/stdin", O_WRONLY | O_TRUNC)); }
static void stdio_link(void) { say(linkat(0, "", AT_FDCWD, "given", AT_EMPTY_PATH)); }
static void stdio_map(void)
{
    char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0, 0);
    if (p == MAP_FAILED)
        return say(-1);
    p[0] = 'X';
    say(0);
}
static void stdio_fallocate(void) { say(fallocate(0, 0, 0, 100000)); }

#define CASE(name) {#name, name}
static const struct { const char *name; void (*run)(void); } cases[] = {
    CASE(dotdot), CASE(by_symlink), CASE(by_proc_root), CASE(by_proc_1_root), CASE(by_proc_cwd),
    CASE(by_hard_link), CASE(by_chroot), CASE(by_handle), CASE(by_exec), CASE(host_mem),
    CASE(descriptors), CASE(race_path), CASE(race_rename), CASE(kill_host), CASE(kill_parent),
    CASE(ptrace_host), CASE(write_host), CASE(pidfd_host), CASE(limit_host), CASE(clock_host),
    CASE(window_open), CASE(window_openat), CASE(window_exec), CASE(window_kill),
    CASE(window_socket), CASE(window_ptrace), CASE(window_clone), CASE(window_pdeathsig),
    CASE(window_seccomp), CASE(fixed_over_shim), CASE(fixed_over_slots), CASE(unmap_shim),
    CASE(unmap_slots), CASE(scribble_slots), CASE(scribble_frames), CASE(forged_boot),
    CASE(forged_done), CASE(forged_child), CASE(forged_signal), CASE(forged_fault),
    CASE(forged_kick), CASE(forged_wild), CASE(forged_outside), CASE(race_slot), CASE(race_vfork),
    CASE(int80), CASE(x32), CASE(x32_getpid), CASE(io_uring), CASE(userfault), CASE(dispatch_off),
    CASE(undumpable), CASE(stdio_chown), CASE(stdio_chmod), CASE(stdio_times),
    CASE(stdio_truncate), CASE(stdio_xattr), CASE(stdio_proc_chmod), CASE(stdio_proc_chown),
    CASE(stdio_dev_chown), CASE(stdio_reopen), CASE(stdio_reopen_trunc), CASE(stdio_link),
    CASE(stdio_map), CASE(stdio_fallocate),
};

int main(int argc, char **argv)
{
    host_pid = atoi(argv[1]);
    host_file = argv[2];
    (void)before;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc > 3 && strcmp(argv[3], cases[i].name))
            continue;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) {
            alarm(20);
            pid_t me = getpid();
            cases[i].run();
            if (getpid() == me)
                printf("%s %s\n", cases[i].name, answer), fflush(stdout);
            _exit(0);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        if (WIFSIGNALED(status))
            printf("%s killed %d\n", cases[i].name, WTERMSIG(status));
    }
    puts("done");
    return 0;
}
