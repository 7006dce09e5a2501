/* A seeded, bounded fuzzer: random system calls with random arguments, in children and threads.
 *
 *   fuzz SEED MILLISECONDS CHILDREN
 *
 * Half of the arguments fit the call (a descriptor, a path, a buffer that ends at a page border),
 * the rest is wild. The parent ends a child that no longer makes calls, and prints how many calls
 * were made. Left out are only the calls that would end the fuzzing itself.
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
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct call { const char *name; int nr; const char *args; };
#define C(name, args) {#name, SYS_##name, args}
#ifdef __i386__ /* what only x86-64 has by these names; the i386 ways in are at the end of the list */
#define SYS_accept SYS_accept4
#define SYS_semop SYS_semget
#define SYS_semtimedop SYS_semtimedop_time64
#define SYS_newfstatat SYS_fstatat64
#endif

/* d directory descriptor, f descriptor, p path, b buffer, n size, i small number, g flags,
 * t timespec, a socket address, v iovec, s signal, P process id, x anything, z zero, m memory
 * address, o offset, h pointer to a small number, M msghdr */
static const struct call calls[] = {
    C(read, "fbn"), C(write, "fbn"), C(open, "pgi"), C(close, "f"), C(stat, "pb"), C(fstat, "fb"),
    C(lstat, "pb"), C(poll, "bii"), C(lseek, "foi"), C(mmap, "mnggfo"), C(mprotect, "mng"),
    C(munmap, "mn"), C(brk, "m"), C(rt_sigaction, "sbbi"), C(rt_sigprocmask, "ibbi"),
    C(ioctl, "fxb"), C(pread64, "fbno"), C(pwrite64, "fbno"), C(readv, "fvi"), C(writev, "fvi"),
    C(access, "pg"), C(pipe, "b"), C(select, "ibbbt"), C(sched_yield, ""), C(mremap, "mnngm"),
    C(msync, "mng"), C(mincore, "mnb"), C(madvise, "mni"), C(shmget, "ing"), C(shmat, "img"),
    C(shmctl, "iib"), C(dup, "f"), C(dup2, "ff"), C(nanosleep, "tb"), C(getitimer, "ib"),
    C(alarm, "i"), C(setitimer, "ibb"), C(getpid, ""), C(sendfile, "ffhn"), C(socket, "iii"),
    C(connect, "fai"), C(accept, "fbh"), C(sendto, "fbngai"), C(recvfrom, "fbngbh"),
    C(sendmsg, "fMg"), C(recvmsg, "fMg"), C(shutdown, "fi"), C(bind, "fai"), C(listen, "fi"),
    C(getsockname, "fbh"), C(getpeername, "fbh"), C(socketpair, "iiib"), C(setsockopt, "fiibi"),
    C(getsockopt, "fiibh"), C(wait4, "Pbgb"), C(uname, "b"), C(semget, "iig"), C(semop, "ibi"),
    C(semctl, "iiib"), C(shmdt, "m"), C(msgget, "ig"), C(msgsnd, "ibng"), C(msgrcv, "ibnig"),
    C(msgctl, "iib"), C(fcntl, "fix"), C(flock, "fi"), C(fsync, "f"), C(fdatasync, "f"),
    C(truncate, "po"), C(ftruncate, "fo"), C(getdents, "fbn"), C(getcwd, "bn"), C(chdir, "p"),
    C(fchdir, "f"), C(rename, "pp"), C(mkdir, "pi"), C(rmdir, "p"), C(creat, "pi"), C(link, "pp"),
    C(unlink, "p"), C(symlink, "pp"), C(readlink, "pbn"), C(chmod, "pi"), C(fchmod, "fi"),
    C(chown, "pii"), C(fchown, "fii"), C(lchown, "pii"), C(umask, "i"), C(gettimeofday, "bb"),
    C(getrlimit, "ib"), C(getrusage, "ib"), C(sysinfo, "b"), C(times, "b"), C(getuid, ""),
    C(syslog, "ibi"), C(setuid, "i"), C(setpgid, "Pi"), C(getppid, ""), C(setsid, ""),
    C(setreuid, "ii"), C(getgroups, "ib"), C(setgroups, "ib"), C(setresuid, "iii"),
    C(getresuid, "bbb"), C(getpgid, "P"), C(setfsuid, "i"), C(getsid, "P"), C(capget, "bb"),
    C(capset, "bb"), C(rt_sigpending, "bi"), C(rt_sigtimedwait, "bbti"),
    C(rt_sigqueueinfo, "Psb"), C(rt_sigsuspend, "bi"), C(sigaltstack, "bb"), C(utime, "pb"),
    C(mknod, "pii"), C(personality, "i"), C(ustat, "ib"), C(statfs, "pb"), C(fstatfs, "fb"),
    C(sysfs, "ibb"), C(getpriority, "iP"), C(setpriority, "iPi"), C(sched_setparam, "Pb"),
    C(sched_getparam, "Pb"), C(sched_setscheduler, "Pib"), C(sched_getscheduler, "P"),
    C(sched_get_priority_max, "i"), C(sched_rr_get_interval, "Pb"), C(mlock, "mn"),
    C(munlock, "mn"), C(pivot_root, "pp"), C(prctl, "ixxxx"), C(arch_prctl, "xb"),
    C(adjtimex, "b"), C(setrlimit, "ib"), C(chroot, "p"), C(sync, ""), C(acct, "p"),
    C(settimeofday, "bb"), C(mount, "pppgb"), C(umount2, "pg"), C(swapon, "pi"),
    C(sethostname, "bi"), C(setdomainname, "bi"), C(quotactl, "ipib"), C(gettid, ""),
    C(readahead, "fon"), C(setxattr, "ppbng"), C(lsetxattr, "ppbng"), C(fsetxattr, "fpbng"),
    C(getxattr, "ppbn"), C(lgetxattr, "ppbn"), C(fgetxattr, "fpbn"), C(listxattr, "pbn"),
    C(llistxattr, "pbn"), C(flistxattr, "fbn"), C(removexattr, "pp"), C(fremovexattr, "fp"),
    C(time, "b"), C(futex, "higtbi"), C(sched_setaffinity, "Pib"), C(sched_getaffinity, "Pib"),
    C(epoll_create, "i"), C(remap_file_pages, "mniig"), C(getdents64, "fbn"),
    C(set_tid_address, "b"), C(semtimedop, "ibit"), C(fadvise64, "foni"),
    C(timer_create, "ibb"), C(timer_settime, "igbb"), C(timer_gettime, "ib"),
    C(timer_getoverrun, "i"), C(timer_delete, "i"), C(clock_settime, "it"),
    C(clock_gettime, "ib"), C(clock_getres, "ib"), C(clock_nanosleep, "igtb"),
    C(epoll_wait, "fbii"), C(epoll_ctl, "fifb"), C(utimes, "pb"), C(mbind, "mnibig"),
    C(mq_open, "pgib"), C(mq_unlink, "p"), C(mq_timedsend, "fbnit"),
    C(mq_timedreceive, "fbnbt"), C(mq_notify, "fb"), C(mq_getsetattr, "fbb"),
    C(waitid, "iPbgb"), C(add_key, "ppbni"), C(ioprio_set, "iPi"), C(inotify_init, ""),
    C(inotify_add_watch, "fpg"), C(inotify_rm_watch, "fi"), C(openat, "dpgi"),
    C(mkdirat, "dpi"), C(mknodat, "dpii"), C(fchownat, "dpiig"), C(futimesat, "dpb"),
    C(newfstatat, "dpbg"), C(unlinkat, "dpg"), C(renameat, "dpdp"), C(linkat, "dpdpg"),
    C(symlinkat, "pdp"), C(readlinkat, "dpbn"), C(fchmodat, "dpi"), C(faccessat, "dpi"),
    C(pselect6, "ibbbtb"), C(ppoll, "bitbn"), C(unshare, "g"), C(set_robust_list, "bn"),
    C(get_robust_list, "Pbb"), C(splice, "fhfhng"), C(tee, "ffng"), C(sync_file_range, "foog"),
    C(vmsplice, "fvig"), C(move_pages, "Pibbbg"), C(utimensat, "dpbg"),
    C(epoll_pwait, "fbiibi"), C(signalfd, "fbi"), C(timerfd_create, "ig"), C(eventfd, "i"),
    C(fallocate, "fioo"), C(timerfd_settime, "fgbb"), C(timerfd_gettime, "fb"),
    C(accept4, "fbhg"), C(signalfd4, "fbig"), C(eventfd2, "ig"), C(epoll_create1, "g"),
    C(dup3, "ffg"), C(pipe2, "bg"), C(inotify_init1, "g"), C(preadv, "fvioz"),
    C(pwritev, "fvioz"), C(perf_event_open, "bPiig"), C(recvmmsg, "fbigt"),
    C(fanotify_init, "gg"), C(prlimit64, "Pibb"), C(name_to_handle_at, "dpbbg"),
    C(open_by_handle_at, "fbg"), C(syncfs, "f"), C(sendmmsg, "fbig"), C(setns, "fi"),
    C(getcpu, "bbb"), C(process_vm_readv, "Pvivig"), C(process_vm_writev, "Pvivig"),
    C(kcmp, "PPiff"), C(sched_setattr, "Pbg"), C(sched_getattr, "Pbig"),
    C(renameat2, "dpdpg"), C(seccomp, "igb"), C(getrandom, "bng"), C(memfd_create, "pg"),
    C(bpf, "ibi"), C(userfaultfd, "g"), C(membarrier, "igi"), C(mlock2, "mng"),
    C(copy_file_range, "fhfhng"), C(preadv2, "fviozg"), C(pwritev2, "fviozg"),
    C(pkey_mprotect, "mngi"), C(statx, "dpggb"), C(rseq, "bigx"), C(io_uring_setup, "ib"),
    C(pidfd_open, "Pg"), C(pidfd_send_signal, "fsbg"), C(open_tree, "dpg"),
    C(move_mount, "dpdpg"), C(fsopen, "pg"), C(fsconfig, "fippi"), C(fsmount, "fgg"),
    C(fspick, "dpg"), C(close_range, "iig"), C(openat2, "dpbn"), C(pidfd_getfd, "ffg"),
    C(faccessat2, "dpig"), C(epoll_pwait2, "fbitbi"), C(mount_setattr, "dpgbn"),
    C(landlock_create_ruleset, "bng"), C(tkill, "Ps"), C(tgkill, "PPs"), C(kill, "Ps"),
    C(ptrace, "iPmb"), C(io_setup, "ib"), C(clone3, "bn"), C(execve, "pbb"), C(execveat, "dpbbg"),
    C(kexec_load, "iibg"), C(reboot, "iiib"), C(init_module, "bnp"), C(iopl, "i"), C(vhangup, ""),
    C(modify_ldt, "ibn"), C(pause, ""), C(fork, ""), C(getegid, ""),
#ifdef __i386__
    C(socketcall, "ib"), C(ipc, "giihbn"), C(mmap2, "mnggfo"), C(stat64, "pb"), C(fstat64, "fb"),
    C(fcntl64, "fix"), C(_llseek, "foobi"), C(truncate64, "poo"), C(ftruncate64, "foo"),
    C(sendfile64, "ffhn"), C(statfs64, "pnb"), C(clock_gettime64, "ib"), C(futex_time64, "higtbi"),
    C(set_thread_area, "b"), C(get_thread_area, "b"), C(olduname, "b"), C(_newselect, "ibbbt"),
    C(waitpid, "Pbg"), C(sigaction, "sbb"), C(sigprocmask, "ibb"), C(oldstat, "pb"),
    C(readdir, "fb"), C(lchown32, "pii"), C(getgroups32, "ib"), C(ugetrlimit, "ib"),
    C(sgetmask, ""), C(ssetmask, "x"), C(stime, "b"), C(nice, "i"), C(uselib, "p"),
#endif
};
#define CALLS (sizeof calls / sizeof *calls)

static __thread uint64_t state;
static uint64_t rnd(void)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state * 0x2545f4914f6cdd1dULL >> 8;
}
static unsigned below(unsigned n) { return rnd() % n; }

static volatile uint64_t *counters; /* shared: calls made by each child */
static char *fence; /* 64 pages, readable and writable, then nothing */
#define ROOM 0x40000

static const char *const paths[] = {
    "/", ".", "..", "a", "b", "a/c", "a/../b", "/tmp/x", "/dev/null", "/dev/zero", "/dev/full",
    "/dev/ptmx", "/dev/tty", "/proc/self/mem", "/proc/self/fd/3", "/proc/self/fd", "/proc/self",
    "/proc/1/environ", "/proc/self/maps", "/proc/sys/kernel/hostname", "/proc/self/exe",
    "/proc/self/comm", "/proc/self/oom_score_adj", "/proc/self/root/etc/passwd", "/etc/passwd",
    "/proc/self/task", "/proc/self/ns/mnt", "/proc/mounts", "/sys", "/bin/true", "/bin/sh", "",
    "/dev/shm/s", "/q", "a/", "fifo", "sock", "link", "tmpfs", "overlay", "proc", "user.k",
    "trusted.k", "security.capability", "/dev/stdin", "/dev/fd/1", "/proc/self/cwd/a", "\xff\xfe",
};

static uint64_t wild(void)
{
    static const uint64_t some[] = {
        0, 1, 8, 0xfff, 0x1000, 0x7fffffffffffULL, 0x800000000000ULL, 0xffff800000000000ULL,
        ~0ULL, ~0ULL - 4095, 0x7fffffffULL, 0x80000000ULL, 0xffffffffULL, 0x100000000ULL,
        0x8000000000000000ULL, 0x7fffffffffffffffULL, 0x6e0000000000ULL, 0x6e0000001000ULL,
        0x6d0000000000ULL, 0x6d0000008000ULL, 0xffffffffff600000ULL, 0x5233000000000001ULL,
    };
    switch (below(4)) {
    case 0: return some[below(sizeof some / sizeof *some)];
    case 1: return rnd();
    case 2: return 1ULL << below(64);
    default: return some[below(sizeof some / sizeof *some)] + below(64) - 32;
    }
}

/* a buffer with something in it; often so near the end of the page that it is too short */
static char *buffer(unsigned want)
{
    unsigned room = below(4) ? want + below(64) : below(want + 1);
    char *at = fence + ROOM - room;
    unsigned fill = room < 256 ? room : 256;
    unsigned style = below(4);
    for (unsigned i = 0; i + 8 <= fill; i += 8) {
        uint64_t x = style == 0 ? 0 : style == 1 ? below(8) : style == 2 ? rnd() : wild();
        memcpy(at + i, &x, 8);
    }
    return at;
}

static uint64_t path(void)
{
    char *at;
    if (below(24) == 0) { /* too long, or no end at all */
        unsigned n = 200 + below(6000);
        at = fence + ROOM - n;
        memset(at, 'x', n);
        if (below(2))
            at[n - 1] = 0;
        return (uint64_t)at;
    }
    const char *p = paths[below(sizeof paths / sizeof *paths)];
    at = fence + ROOM - strlen(p) - 1;
    strcpy(at, p);
    return (uint64_t)at;
}

static uint64_t vector(void)
{
    struct { void *base; uint64_t n; } *v = (void *)(fence + ROOM / 2);
    unsigned n = 1 + below(5);
    char *b = buffer(100);
    for (unsigned i = 0; i < n; i++) {
        v[i].base = below(8) ? b : (void *)wild();
        v[i].n = below(6) ? below(100) : wild();
    }
    return (uint64_t)v;
}

static uint64_t message(void)
{
    uint64_t *m = (uint64_t *)(fence + ROOM / 2 + 4096);
    m[0] = below(2) ? 0 : (uint64_t)buffer(110);
    m[1] = below(130);
    m[2] = vector();
    m[3] = below(8) ? below(4) : wild();
    uint64_t *c = (uint64_t *)(fence + ROOM / 2 + 8192);
    c[0] = below(4) ? 16 + below(24) : wild();
    c[1] = below(2) ? 1 | (uint64_t)(1 + below(3)) << 32 : wild();
    c[2] = below(40);
    m[4] = below(2) ? 0 : (uint64_t)c;
    m[5] = below(4) ? below(64) : wild();
    m[6] = 0;
    return (uint64_t)m;
}

static uint64_t argument(char kind)
{
    if (below(8) == 0)
        return wild();
    switch (kind) {
    case 'd': return below(3) ? (uint64_t)AT_FDCWD : below(30);
    case 'f': return below(16) ? 3 + below(30) : below(16) ? (uint64_t)-1 : below(70000);
    case 'p': return path();
    case 'b': return (uint64_t)buffer(1 + below(300));
    case 'n': return below(6) ? below(300) : below(3) ? below(ROOM) : wild();
    case 'i': return below(4) ? below(20) : below(3) ? below(70000) : -(uint64_t)below(300);
    case 'g': {
        uint64_t flags = 0;
        for (unsigned n = below(5); n; n--)
            flags |= 1ULL << below(32);
        return below(3) ? flags : below(4);
    }
    case 't': {
        int64_t *t = (int64_t *)(fence + ROOM / 2 + 12288);
        t[0] = below(12) ? 0 : (int64_t)wild();
        t[1] = below(12) ? below(3000000) : wild();
        return (uint64_t)t;
    }
    case 'a': {
        struct sockaddr_un *a = (void *)(fence + ROOM / 2 + 16384);
        a->sun_family = below(8) ? (below(2) ? AF_UNIX : AF_INET) : below(50);
        if (a->sun_family == AF_INET)
            memcpy(a->sun_path, "\x30\x39\x7f\0\0\1\0\0\0\0\0\0\0\0", 14);
        else
            strcpy(a->sun_path, below(2) ? "sock" : "");
        return (uint64_t)a;
    }
    case 'v': return vector();
    case 'M': return message();
    case 's': return below(4) ? (below(2) ? SIGUSR1 : 0) : below(70);
    case 'P': return below(2) ? 0 : below(2) ? (uint64_t)getpid() : 1000000 + below(1000);
    case 'm': return below(2) ? (uintptr_t)fence + (below(ROOM) & ~4095) + 0x100000 : wild();
    case 'o': return below(4) ? below(10000) : wild();
    case 'h': {
        uint64_t *h = (uint64_t *)(fence + ROOM / 2 + 20480 + 8 * below(8));
        *h = below(4) ? below(200) : wild();
        return (uint64_t)h;
    }
    case 'z': return 0;
    default: return wild();
    }
}

/* Would it end the fuzzing itself, or only wait? */
static int harmful(int nr, uint64_t *a)
{
    switch (nr) {
    case SYS_kill: case SYS_tkill: case SYS_rt_sigqueueinfo: case SYS_tgkill:
        if ((int)a[0] <= 1 || (int)a[0] == getppid()) /* groups: the fuzzer's own */
            a[0] = getpid();
        break;
    case SYS_munmap: case SYS_mprotect: case SYS_mremap: case SYS_mmap: case SYS_madvise:
    case SYS_pkey_mprotect: case SYS_shmat:
#ifdef SYS_mmap2
    case SYS_mmap2:
#endif
        /* not our own text and stack, or there is nobody left to make calls */
        if (below(20))
            a[nr == SYS_shmat] = (uintptr_t)fence + 0x100000 + (below(64) << 12);
        if (nr == SYS_mmap && (int64_t)a[1] > 1 << 24)
            a[1] &= 0xffffff;
        if (a[0] < (uintptr_t)fence + 0x100000 + (64 << 12) && (int64_t)a[1] > 1 << 24)
            a[1] &= 0xffffff;
        break;
    case SYS_fallocate: case SYS_ftruncate: case SYS_truncate:
        if ((int64_t)a[nr == SYS_fallocate ? 3 : 1] > 1 << 24 && below(16))
            a[nr == SYS_fallocate ? 3 : 1] &= 0xffffff;
        break;
    case SYS_execve: case SYS_execveat: case SYS_pause: case SYS_reboot:
        return below(50);
    case SYS_setrlimit: case SYS_prlimit64: case SYS_seccomp:
        return below(30);
    case SYS_clone3: case SYS_fork:
        return below(40);
    }
    return 0;
}

static void one(volatile uint64_t *count)
{
    const struct call *c = &calls[below(CALLS)];
    uint64_t a[6] = {0};
    int nr = c->nr;
    unsigned n = 0;
    for (const char *kind = c->args; *kind; kind++)
        a[n++] = argument(*kind);
    if (below(40) == 0) { /* no such call, or any call with anything */
        nr = below(2) ? (int)wild() : (int)below(470);
        for (n = 0; n < 6; n++)
            a[n] = wild();
        if (nr == SYS_exit || nr == SYS_exit_group || nr == SYS_rt_sigreturn || nr == SYS_vfork ||
            nr == SYS_clone || nr == SYS_munmap || nr == SYS_mremap || nr == SYS_mprotect ||
            nr == SYS_execve || nr == SYS_execveat || nr == SYS_pause)
            return;
    }
    if (harmful(nr, a))
        return;
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
    long r = syscall(nr, (long)a[0], (long)a[1], (long)a[2], (long)a[3], (long)a[4], (long)a[5]);
    if ((nr == SYS_fork || nr == SYS_clone3) && r == 0)
        _exit(0);
}

static void nothing(int sig) { (void)sig; }

struct job { uint64_t seed; volatile uint64_t *count; };

static void *work(void *arg)
{
    struct job *job = arg;
    state = job->seed | 1;
    for (int i = 0; i < 10; i++)
        rnd();
    for (;;)
        one(job->count);
    return 0;
}

static void child(uint64_t seed, volatile uint64_t *count)
{
    struct sigaction act = {.sa_handler = nothing};
    struct job jobs[3];
    pthread_t t;
    for (int s = 1; s < 65; s++)
        if (s != SIGSEGV && s != SIGBUS && s != SIGILL && s != SIGSYS)
            sigaction(s, &act, 0);
    fence = mmap(0, 0x200000, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(fence + ROOM, 4096);
    close(1); /* the parent reports there */
    open("/dev/null", O_RDWR), open("/dev/null", O_RDWR), open("/dev/null", O_RDWR);
    open("a", O_RDWR | O_CREAT, 0644), open("/dev/zero", O_RDWR), open(".", O_RDONLY);
    int p[2];
    pipe(p), syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, p), syscall(SYS_eventfd2, 5, 0);
    syscall(SYS_epoll_create1, 0), syscall(SYS_memfd_create, "m", 0), open("/proc/self/status", 0);
    syscall(SYS_timerfd_create, 1, 0), open("/dev/ptmx", O_RDWR | O_NOCTTY);
    syscall(SYS_socket, AF_INET, SOCK_STREAM, 0), syscall(SYS_socket, AF_INET, SOCK_DGRAM, 0);
    syscall(SYS_inotify_init1, 0), syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
    for (int i = 0; i < 3; i++)
        jobs[i] = (struct job){seed * 977 + i * 0x9e3779b97f4a7c15ULL, count};
    for (int i = 1; i < 1 + (int)(seed % 3); i++)
        pthread_create(&t, 0, work, &jobs[i]);
    work(&jobs[0]);
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

#define MOST 8
int main(int argc, char **argv)
{
    uint64_t seed = strtoull(argv[1], 0, 0), end = now_ms() + atoi(argv[2]);
    int n = argc > 3 ? atoi(argv[3]) : 4, births = 0, killed = 0;
    pid_t pids[MOST] = {0};
    uint64_t last[MOST] = {0}, since[MOST] = {0}, born[MOST] = {0}, total = 0;
    counters = mmap(0, 4096 * MOST, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    while (now_ms() < end) {
        for (int i = 0; i < n; i++) {
            volatile uint64_t *count = counters + 512 * i;
            if (!pids[i]) {
                total += *count;
                *count = last[i] = 0;
                born[i] = since[i] = now_ms();
                pid_t pid = fork();
                if (pid == 0) {
                    child(seed + births, count);
                    _exit(0);
                }
                births++;
                pids[i] = pid > 0 ? pid : 0;
                continue;
            }
            if (*count != last[i]) {
                last[i] = *count;
                since[i] = now_ms();
            }
            uint64_t idle = now_ms() - since[i];
            if (idle > 300 || now_ms() - born[i] > 2500) {
                kill(pids[i], SIGKILL);
                killed++;
            } else if (idle > 60) {
                kill(pids[i], SIGALRM); /* a wait: break it off */
            }
            int status;
            if (waitpid(pids[i], &status, WNOHANG) == pids[i])
                pids[i] = 0;
        }
        struct timespec t = {0, 15000000};
        nanosleep(&t, 0);
    }
    for (int i = 0; i < n; i++) {
        if (pids[i] > 0)
            kill(pids[i], SIGKILL), waitpid(pids[i], 0, 0);
        total += counters[512 * i];
    }
    printf("%llu %d %d\n", (unsigned long long)total, births, killed);
    return 0;
}
