/* mprotect, madvise, mincore, mlock; memory across fork. */
#include "guest.h"
#include <setjmp.h>

static sigjmp_buf back;

static void leaves(int signo UNUSED)
{
    siglongjmp(back, 1);
}

static const char *can(volatile char *at, int write)
{
    signal(SIGSEGV, leaves);
    signal(SIGBUS, leaves);
    if (sigsetjmp(back, 1))
        return "no";
    if (write)
        *at = *at;
    else
        (void)*at;
    return "yes";
}

static size_t page;
__attribute__((constructor)) static void pages(void)
{
    page = page_size();
}

static char *map(size_t n, int prot)
{
    char *m = mmap(NULL, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED);
    return m;
}

BEHAVIOUR(mprotect_changes)
{
    char *m = map(3 * page, PROT_READ | PROT_WRITE);
    m[page] = 'k';
    SHOW("middle_ro", ok(mprotect(m + page, page, PROT_READ)));
    say("w0=%s w1=%s w2=%s r1=%s", can(m, 1), can(m + page, 1), can(m + 2 * page, 1),
        can(m + page, 0));
    SHOW("none", ok(mprotect(m + page, page, PROT_NONE)));
    say("r1=%s", can(m + page, 0));
    SHOW("again", ok(mprotect(m, 3 * page, PROT_READ | PROT_WRITE)));
    say("w1=%s kept=%c", can(m + page, 1), m[page]);
}

BEHAVIOUR(mprotect_errors)
{
    char *m = map(3 * page, PROT_READ | PROT_WRITE);
    make_file("f", "x");
    char *file = mmap(NULL, page, PROT_READ, MAP_SHARED, MUST(open("f", O_RDONLY)), 0);
    SHOW("misaligned", ok(mprotect(m + 1, page, PROT_READ)));
    SHOW("prot", ok(mprotect(m, page, 0x4000)));
    SHOW("zero_length", ok(mprotect(m, 0, PROT_READ)));
    SHOW("rdonly_file", ok(mprotect(file, page, PROT_READ | PROT_WRITE)));
    CHECK(munmap(m + page, page) == 0);
    SHOW("hole", ok(mprotect(m, 3 * page, PROT_READ)));
    say("first_changed=%s third=%s", can(m, 1), can(m + 2 * page, 1));
    SHOW("both_grows", ok(mprotect(m, page, PROT_GROWSDOWN | PROT_GROWSUP)));
}

BEHAVIOUR(calls_obey_protection)
{
    char *m = map(2 * page, PROT_READ | PROT_WRITE);
    int zero = MUST(open("/dev/zero", O_RDONLY)), p[2];
    CHECK(pipe(p) == 0);
    CHECK(mprotect(m, page, PROT_READ) == 0);
    SHOW("read_into_ro", ret(read(zero, m, 8)));
    SHOW("write_from_ro", ret(write(p[1], m, 8)));
    CHECK(mprotect(m, page, PROT_NONE) == 0);
    SHOW("write_from_none", ret(write(p[1], m, 8)));
    CHECK(mprotect(m, page, PROT_WRITE) == 0);
    SHOW("read_into_w", ret(read(zero, m, 8)));
    CHECK(mprotect(m, page, PROT_EXEC | PROT_READ) == 0);
    SHOW("read_into_rx", ret(read(zero, m, 8)));
}

BEHAVIOUR(dontneed)
{
    char *m = map(2 * page, PROT_READ | PROT_WRITE);
    memset(m, 'd', 2 * page);
    SHOW("dontneed", ok(madvise(m, page, MADV_DONTNEED)));
    say("first=%d second=%c", m[0], m[page]);
    make_file("f", "file");
    char *file = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, MUST(open("f", O_RDONLY)), 0);
    file[0] = 'X';
    SHOW("file", ok(madvise(file, page, MADV_DONTNEED)));
    say("from_file_again=%.4s", file);
}

BEHAVIOUR(madvise_rules)
{
    char *m = map(3 * page, PROT_READ | PROT_WRITE);
    SHOW("normal", ok(madvise(m, page, MADV_NORMAL)));
    SHOW("willneed", ok(madvise(m, page, MADV_WILLNEED)));
    SHOW("free", ok(madvise(m, page, MADV_FREE)));
    SHOW("unknown", ok(madvise(m, page, 77777)));
    SHOW("misaligned", ok(madvise(m + 1, page, MADV_NORMAL)));
    SHOW("zero", ok(madvise(m, 0, MADV_NORMAL)));
    CHECK(munmap(m + page, page) == 0);
    SHOW("hole", ok(madvise(m, 3 * page, MADV_DONTNEED)));
    SHOW("dontfork", ok(madvise(m, page, MADV_DONTFORK)));
    pid_t pid = start();
    if (pid == 0)
        _exit(*can(m, 0) == 'n' ? 0 : 1);
    SHOW("child_lacks_it", reap(pid));
}

BEHAVIOUR(wipeonfork)
{
    char *m = map(page, PROT_READ | PROT_WRITE);
    m[0] = 'w';
    SHOW("advise", ok(madvise(m, page, MADV_WIPEONFORK)));
    pid_t pid = start();
    if (pid == 0)
        _exit(m[0]);
    SHOW("child_sees", reap(pid));
    say("parent=%c", m[0]);
}

BEHAVIOUR(mincore_rules)
{
    char *m = map(3 * page, PROT_READ | PROT_WRITE);
    unsigned char state[3] = {9, 9, 9};
    m[0] = 1;
    SHOW("call", ok(mincore(m, 3 * page, state)));
    say("touched=%d untouched=%d", state[0] & 1, state[1] & 1);
    SHOW("misaligned", ok(mincore(m + 1, page, state)));
    SHOW("fault", ok(mincore(m, page, bad())));
    CHECK(munmap(m + page, page) == 0);
    SHOW("hole", ok(mincore(m, 3 * page, state)));
}

BEHAVIOUR(locking)
{
    char *m = map(2 * page, PROT_READ | PROT_WRITE);
    SHOW("mlock", ok(mlock(m, page)));
    SHOW("munlock", ok(munlock(m, page)));
    SHOW("mlock2_flags", ok(syscall(SYS_mlock2, m, page, 0x80)));
    SHOW("mlockall_flags", ok(mlockall(0)));
    SHOW("munlockall", ok(munlockall()));
    CHECK(munmap(m + page, page) == 0);
    SHOW("hole", ok(mlock(m, 2 * page)));
}

BEHAVIOUR(private_across_fork)
{
    char *m = map(page, PROT_READ | PROT_WRITE);
    strcpy(m, "before");
    pid_t pid = start();
    if (pid == 0) {
        int saw = !strcmp(m, "before");
        strcpy(m, "child");
        _exit(saw && !strcmp(m, "child") ? 0 : 1);
    }
    SHOW("child", reap(pid));
    say("parent=%s", m);
}

BEHAVIOUR(shared_across_fork)
{
    volatile int *m = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    m[0] = 1;
    pid_t pid = start();
    if (pid == 0) {
        m[1] = m[0] + 1;
        pid_t inner = fork();
        if (inner == 0) {
            m[2] = m[1] + 1;
            _exit(0);
        }
        reap(inner);
        _exit(0);
    }
    SHOW("child", reap(pid));
    say("values=%d,%d,%d", m[0], m[1], m[2]);
}

BEHAVIOUR(shared_file_across_processes)
{
    int fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
    CHECK(ftruncate(fd, page) == 0);
    volatile char *m = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pid_t pid = start();
    if (pid == 0) {
        int own = MUST(open("f", O_RDWR));
        char *n = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
        strcpy(n, "hello");
        _exit(0);
    }
    SHOW("child", reap(pid));
    say("text=%s", (char *)m);
}

BEHAVIOUR(copy_on_write_survives_parent)
{
    int p[2];
    char c = '?';
    char *m = map(page, PROT_READ | PROT_WRITE);
    m[0] = 'o';
    CHECK(pipe(p) == 0);
    pid_t pid = start();
    if (pid == 0) {
        CHECK(read(p[0], &c, 1) == 1);
        _exit(m[0]);
    }
    m[0] = 'n';
    CHECK(write(p[1], "g", 1) == 1);
    SHOW("child_sees", reap(pid));
}

BEHAVIOUR(stack_grows)
{
    volatile char block[512 * 1024];
    block[0] = 'b';
    block[sizeof block - 1] = 'e';
    say("bytes=%c%c", block[0], block[sizeof block - 1]);
}

BEHAVIOUR(code_made_at_run_time)
{
    static const unsigned char body[] = {0xb8, 42, 0, 0, 0, 0xc3};   /* mov $42,%eax; ret */
    unsigned char *m = (unsigned char *)map(page, PROT_READ | PROT_WRITE);
    memcpy(m, body, sizeof body);
    CHECK(mprotect(m, page, PROT_READ | PROT_EXEC) == 0);
    int (*call)(void) = (int (*)(void))m;
    say("first=%d", call());
    CHECK(mprotect(m, page, PROT_READ | PROT_WRITE) == 0);
    m[1] = 43;
    CHECK(mprotect(m, page, PROT_READ | PROT_EXEC) == 0);
    say("second=%d", call());
}

/* mov $n,%eax; ret */
static void answer(unsigned char *at, int n)
{
    unsigned char code[] = {0xb8, n, 0, 0, 0, 0xc3};
    memcpy(at, code, sizeof code);
}

static int run(unsigned char *at)
{
    return ((int (*)(void))at)();
}

BEHAVIOUR(code_through_two_mappings)
{
    int fd = MUST(memfd_create("code", 0));
    CHECK(ftruncate(fd, page) == 0);
    unsigned char *w = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *x = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    unsigned char *own = mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    for (int i = 1; i < 4; i++) {
        answer(w, i);
        say("%d: shared=%d private=%d", i, run(x), run(own));
    }
    pid_t pid = start();
    if (pid == 0) {
        answer(w, 9);
        _exit(run(x));
    }
    SHOW("child", reap(pid));
    say("after_child=%d", run(x));
    CHECK(pwrite(fd, "\xb8\x0a\0\0\0\xc3", 6, 0) == 6);
    say("after_write=%d", run(x));
}

BEHAVIOUR(code_that_arrives)
{
    int p[2];
    unsigned char *m = mmap(NULL, page, PROT_READ | PROT_WRITE | PROT_EXEC,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(m != MAP_FAILED && pipe(p) == 0);
    for (int i = 1; i < 4; i++) {
        char code[] = {(char)0xb8, (char)(10 * i), 0, 0, 0, (char)0xc3};
        CHECK(write(p[1], code, 6) == 6 && read(p[0], m, 6) == 6);
        int arrived = run(m);
        m[1]++;
        say("%d: arrived=%d changed=%d", i, arrived, run(m));
    }
    pid_t pid = start();
    if (pid == 0) {
        m[1] = 77;
        _exit(run(m));
    }
    SHOW("child", reap(pid));
    say("parent=%d", run(m));
}
