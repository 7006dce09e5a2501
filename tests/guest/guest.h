/* What every conformance guest shares: behaviours, one stable line each.
 *
 * A guest is one C file with several BEHAVIOUR(name) { ... } bodies.  A body
 * calls say() with what it saw; the line on stdout is `name: said said ...`.
 * Each body runs in a child of its own, in a directory of its own, under an
 * alarm, so that a missing feature spoils one line: a crash or a hang is
 * written into that line as [killed by SIGSEGV], [exit 99] or [hung].
 *
 *   guest             run all      guest --list     names only
 *   guest NAME        run one in this very process (short traces)
 *   guest @ROLE ...   run a ROLE(name) body: what behaviours exec
 *
 * Include this first: it sets the feature macros.  No addresses, pids, times
 * or paths in a line, only relations.  Bodies must hold on -m32 as well.
 */
#ifndef GUEST_H
#define GUEST_H
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <grp.h>
#include "names.h"

#define UNUSED __attribute__((unused))
#define KEEP static UNUSED
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* ---- registration ------------------------------------------------------ */

struct entry {
    const char *name;
    int line;               /* the compiler may reorder constructors: sort */
    void (*body)(void);
    struct entry *next;
};

KEEP struct entry *guest_list, *guest_roles;
KEEP int guest_argc;
KEEP char **guest_argv;
KEEP const char *guest_self;
KEEP const char *guest_name;    /* of the running behaviour: its directory */
KEEP int guest_limit = 10;  /* seconds for one behaviour */

KEEP void guest_add(struct entry **list, struct entry *e)
{
    while (*list && (*list)->line < e->line)
        list = &(*list)->next;
    e->next = *list;
    *list = e;
}

#define GUEST_ENTRY(kind, list, id)                                           \
    static void kind##_##id(void);                                            \
    static struct entry kind##_entry_##id = {#id, __LINE__, kind##_##id, 0};  \
    __attribute__((constructor)) static void kind##_add_##id(void)            \
    {                                                                         \
        guest_add(&list, &kind##_entry_##id);                                 \
    }                                                                         \
    static void kind##_##id(void)
#define BEHAVIOUR(id) GUEST_ENTRY(behave, guest_list, id)
#define ROLE(id) GUEST_ENTRY(role, guest_roles, id)

/* ---- saying ------------------------------------------------------------ */

KEEP void guest_write(const char *text, size_t n)
{
    while (n > 0) {
        ssize_t w = write(1, text, n);
        if (w < 0 && errno != EINTR && errno != EAGAIN)
            _exit(98);
        if (w > 0)
            text += w, n -= w;
    }
}

/* Add to this behaviour's line.  No buffering: what a crash leaves is seen. */
KEEP __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
    char text[1500];
    int saved = errno;
    va_list args;
    text[0] = ' ';
    va_start(args, format);
    int n = vsnprintf(text + 1, sizeof text - 1, format, args);
    va_end(args);
    if (n > (int)sizeof text - 2)
        n = sizeof text - 2;
    guest_write(text, n + 1);
    errno = saved;
}

#define SHOW(label, text) say("%s=%s", label, text)

KEEP __attribute__((noreturn)) void guest_fail(int line, const char *what)
{
    say("[line %d, %s: %s]", line, what, errname(errno));
    _exit(99);
}

/* A step that the behaviour only needs: failing ends this line, not others. */
#define CHECK(condition)                                                      \
    ((condition) ? (void)0 : guest_fail(__LINE__, #condition))
/* The same for a call whose value is wanted: fd = MUST(open(...)). */
#define MUST(call)                                                            \
    ({                                                                        \
        __typeof__(call) must_ = (call);                                      \
        CHECK((long)must_ != -1);                                             \
        must_;                                                                \
    })

KEEP char *guest_scrap(void)
{
    static char pool[16][64];
    static unsigned next;
    return pool[next++ % 16];
}

/* "ok" or the errno's name. */
KEEP const char *ok(long result)
{
    return result == -1 ? errname(errno) : "ok";
}

/* The value in decimal, or the errno's name. */
KEEP const char *ret(long long result)
{
    if (result == -1)
        return errname(errno);
    char *text = guest_scrap();
    snprintf(text, 64, "%lld", result);
    return text;
}

/* For functions that return the errno (pthreads, posix_fallocate). */
KEEP const char *code(int error)
{
    return error ? errname(error) : "ok";
}

KEEP const char *yes(int condition)
{
    return condition ? "yes" : "no";
}

/* Open, say nothing else: closes what it opened. */
KEEP const char *try_open(const char *path, int flags)
{
    int fd = open(path, flags, 0644);
    if (fd == -1)
        return errname(errno);
    close(fd);
    return "ok";
}

/* ---- processes --------------------------------------------------------- */

KEEP const char *status_text(int status)
{
    char *text = guest_scrap();
    if (WIFEXITED(status))
        snprintf(text, 64, "exit %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        snprintf(text, 64, "%s", signame(WTERMSIG(status)));
    else if (WIFSTOPPED(status))
        snprintf(text, 64, "stopped %s", signame(WSTOPSIG(status)));
    else if (WIFCONTINUED(status))
        snprintf(text, 64, "continued");
    else
        snprintf(text, 64, "status %#x", status);
    return text;
}

/* Wait for one child: "exit 3", "SIGKILL", or why waiting failed. */
KEEP const char *reap(pid_t pid)
{
    int status;
    pid_t got;
    do
        got = waitpid(pid, &status, 0);
    while (got == -1 && errno == EINTR);
    return got == -1 ? errname(errno) : status_text(status);
}

KEEP pid_t start(void)
{
    return MUST(fork());
}

KEEP void sleep_ms(int ms)
{
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};
    while (nanosleep(&left, &left) == -1 && errno == EINTR)
        ;
}

KEEP long long now_us(clockid_t clock)
{
    struct timespec t;
    CHECK(clock_gettime(clock, &t) == 0);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* Poll a condition for at most 5 s, so that nothing depends on speed. */
#define EVENTUALLY(condition)                                                 \
    ({                                                                        \
        int tries_ = 5000;                                                    \
        while (!(condition) && --tries_ > 0)                                  \
            sleep_ms(1);                                                      \
        tries_ > 0;                                                           \
    })

/* Re-arm the watchdog after a behaviour used alarm() itself. */
KEEP void guest_watch(void)
{
    signal(SIGALRM, SIG_DFL);
    alarm(guest_limit);
}

KEEP void guest_ignore(int signo UNUSED)
{
}

/* Have SIGALRM handled, with these flags, every few ms: whatever blocks is
 * interrupted for certain, however slow the machine.  0 ms: stop, re-arm. */
KEEP void interrupt_every(int ms, void (*handler)(int), int flags)
{
    struct sigaction act = {.sa_handler = handler, .sa_flags = flags};
    struct itimerval often = {{0, ms * 1000}, {0, ms * 1000}};
    if (ms == 0) {
        guest_watch();
        return;
    }
    CHECK(sigaction(SIGALRM, &act, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
}

#define NOBODY 54321
/* Become an ordinary user when run as root: one line for both.  The current
 * directory goes along, but only if it is the behaviour's own. */
KEEP void drop_root(void)
{
    char path[PATH_MAX];
    if (geteuid() != 0)
        return;
    CHECK(getcwd(path, sizeof path) && guest_name);
    if (!strcmp(strrchr(path, '/') + 1, guest_name))
        CHECK(chown(".", NOBODY, NOBODY) == 0);
    CHECK(setgroups(0, NULL) == 0);
    CHECK(setresgid(NOBODY, NOBODY, NOBODY) == 0);
    CHECK(setresuid(NOBODY, NOBODY, NOBODY) == 0);
    prctl(PR_SET_DUMPABLE, 1);      /* /proc/self as one's own again */
}

/* ---- memory ------------------------------------------------------------ */

KEEP size_t page_size(void)
{
    return sysconf(_SC_PAGESIZE);
}

/* n bytes that end where a PROT_NONE page begins: an over-run faults. */
KEEP void *fence(size_t n)
{
    size_t page = page_size(), room = (n + page - 1) / page * page;
    if (room == 0)
        room = page;
    char *base = mmap(NULL, room + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(base != MAP_FAILED);
    CHECK(mprotect(base + room, page, PROT_NONE) == 0);
    return base + room - n;
}

KEEP void *fence_copy(const void *from, size_t n)
{
    return memcpy(fence(n), from, n);
}

KEEP char *fence_string(const char *text)
{
    return fence_copy(text, strlen(text) + 1);
}

/* A pointer to memory that may not be touched. */
KEEP void *bad(void)
{
    static void *page;
    if (!page)
        page = mmap(NULL, page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                    -1, 0);
    CHECK(page != MAP_FAILED);
    return page;
}

/* Calls whose libc wrapper touches the structure itself on 32 bit, so that a
 * bad pointer would fault in the guest instead of giving EFAULT. */
KEEP long raw_stat(const char *path, void *result)
{
#ifdef SYS_fstatat64
    return syscall(SYS_fstatat64, AT_FDCWD, path, result, 0);
#else
    return syscall(SYS_newfstatat, AT_FDCWD, path, result, 0);
#endif
}

KEEP long raw_nanosleep(const void *wanted, void *left)
{
    return syscall(SYS_nanosleep, wanted, left);
}

/* ---- files ------------------------------------------------------------- */

KEEP void make_file(const char *path, const char *text)
{
    int fd = MUST(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* A file's first bytes as text; "" if empty, an errno's name if unreadable. */
KEEP const char *file_text(const char *path)
{
    char *text = guest_scrap();
    int fd = open(path, O_RDONLY);
    if (fd == -1)
        return errname(errno);
    ssize_t n = read(fd, text, 63);
    close(fd);
    if (n < 0)
        return errname(errno);
    text[n] = 0;
    return text;
}

KEEP long long file_size(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (long long)st.st_size : -1;
}

#include "main.h"
#endif
