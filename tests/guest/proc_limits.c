/* Resource limits: setting, inheriting, and each one enforced. */
#include "guest.h"
#include <sys/resource.h>

static void limit(int which, rlim_t soft)
{
    struct rlimit r;
    CHECK(getrlimit(which, &r) == 0);
    r.rlim_cur = soft;
    CHECK(setrlimit(which, &r) == 0);
}

BEHAVIOUR(get_and_set)
{
    struct rlimit r = {50, 100}, now;
    SHOW("lower", ok(setrlimit(RLIMIT_NOFILE, &r)));
    CHECK(getrlimit(RLIMIT_NOFILE, &now) == 0);
    say("soft=%d hard=%d", (int)now.rlim_cur, (int)now.rlim_max);
    r.rlim_cur = 101;
    SHOW("soft_over_hard", ok(setrlimit(RLIMIT_NOFILE, &r)));
    r.rlim_cur = 100;
    SHOW("soft_up", ok(setrlimit(RLIMIT_NOFILE, &r)));
    SHOW("which", ok(setrlimit(99, &r)));
    SHOW("get_which", ok(getrlimit(99, &r)));
    SHOW("fault", ok(getrlimit(RLIMIT_NOFILE, bad())));
    drop_root();
    r = (struct rlimit){50, 200};
    SHOW("hard_up", ok(setrlimit(RLIMIT_NOFILE, &r)));
}

BEHAVIOUR(prlimit_call)
{
    struct rlimit r = {40, 60}, old, now;
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    struct rlimit before;
    SHOW("swap", ok(prlimit(0, RLIMIT_NOFILE, &r, &before)));
    say("old=%s", yes(before.rlim_cur == old.rlim_cur && before.rlim_max == old.rlim_max));
    SHOW("own_pid", ok(prlimit(getpid(), RLIMIT_NOFILE, NULL, &now)));
    say("new=%d,%d", (int)now.rlim_cur, (int)now.rlim_max);
    SHOW("nobody", ok(prlimit(INT_MAX, RLIMIT_NOFILE, NULL, &now)));
    SHOW("which", ok(prlimit(0, 99, NULL, &now)));
    pid_t pid = start();
    if (pid == 0) {
        raise(SIGSTOP);
        CHECK(getrlimit(RLIMIT_NOFILE, &now) == 0);
        _exit(now.rlim_cur);
    }
    int status;
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    r.rlim_cur = 33;
    SHOW("child", ok(prlimit(pid, RLIMIT_NOFILE, &r, NULL)));
    kill(pid, SIGCONT);
    SHOW("child_sees", reap(pid));
}

ROLE(soft)
{
    struct rlimit r;
    CHECK(getrlimit(RLIMIT_NOFILE, &r) == 0);
    say("exec=%d", (int)r.rlim_cur);
}

BEHAVIOUR(inherited)
{
    limit(RLIMIT_NOFILE, 44);
    pid_t pid = start();
    if (pid == 0) {
        struct rlimit r;
        CHECK(getrlimit(RLIMIT_NOFILE, &r) == 0);
        say("fork=%d", (int)r.rlim_cur);
        execl(guest_self, "x", "@soft", NULL);
        _exit(90);
    }
    SHOW("child", reap(pid));
}

BEHAVIOUR(file_size)
{
    limit(RLIMIT_FSIZE, 100);
    int fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
    char data[200];
    memset(data, 'x', sizeof data);
    signal(SIGXFSZ, SIG_IGN);
    SHOW("cut", ret(write(fd, data, 200)));
    SHOW("at_limit", ret(write(fd, data, 1)));
    SHOW("truncate", ok(ftruncate(fd, 101)));
    SHOW("truncate_within", ok(ftruncate(fd, 50)));
    SHOW("pwrite_past", ret(pwrite(fd, data, 1, 100)));
    SHOW("fallocate", ok(fallocate(fd, 0, 0, 200)));
    SHOW("inside", ret(pwrite(fd, data, 10, 0)));
    int p[2];
    CHECK(pipe(p) == 0);
    SHOW("pipe_is_free", ret(write(p[1], data, 200)));
    limit(RLIMIT_FSIZE, RLIM_INFINITY);
}

BEHAVIOUR(file_size_signal)
{
    pid_t pid = start();
    if (pid == 0) {
        int fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
        limit(RLIMIT_FSIZE, 0);
        limit(RLIMIT_CORE, 0);
        _exit(write(fd, "x", 1) == 1);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    SHOW("writer", signame(WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

BEHAVIOUR(cpu_time)
{
    pid_t pid = start();
    if (pid == 0) {
        limit(RLIMIT_CORE, 0);
        limit(RLIMIT_CPU, 1);
        for (volatile unsigned n = 0;; n++)
            ;
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    SHOW("burner", signame(WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

static int eat_stack(int depth)
{
    volatile char block[16384];
    block[0] = depth;
    return depth <= 0 ? block[0] : eat_stack(depth - 1) + block[0];
}

ROLE(deep)
{
    exit(eat_stack(atoi(guest_argv[2])) == -1);
}

static const char *deep(const char *levels, rlim_t stack)
{
    pid_t pid = start();
    if (pid == 0) {
        limit(RLIMIT_CORE, 0);
        limit(RLIMIT_STACK, stack);
        execl(guest_self, "x", "@deep", levels, NULL);
        _exit(90);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? signame(WTERMSIG(status)) : status_text(status);
}

BEHAVIOUR(stack)
{
    SHOW("within", deep("20", 1 << 20));
    SHOW("beyond", deep("100", 1 << 20));
    SHOW("larger", deep("100", 8 << 20));
}

BEHAVIOUR(processes)
{
    drop_root();
    limit(RLIMIT_NPROC, 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    SHOW("fork", pid == -1 ? errname(errno) : "ok");
}

BEHAVIOUR(address_space)
{
    limit(RLIMIT_AS, 256 << 20);
    void *big = mmap(NULL, 512 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW("512MB", big == MAP_FAILED ? errname(errno) : "ok");
    void *small = mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW("1MB", small == MAP_FAILED ? errname(errno) : "ok");
    SHOW("malloc", yes(malloc(400 << 20) == NULL));
}

BEHAVIOUR(data_segment)
{
    limit(RLIMIT_DATA, 16 << 20);
    void *before = sbrk(0);
    SHOW("brk", (sbrk(64 << 20) == (void *)-1) ? errname(errno) : "ok");
    say("unmoved=%s", yes(sbrk(0) == before));
    void *big = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SHOW("mmap", big == MAP_FAILED ? errname(errno) : "ok");
}

BEHAVIOUR(locked_memory)
{
    drop_root();
    limit(RLIMIT_MEMLOCK, 2 * page_size());
    char *block = fence(4 * page_size());
    SHOW("one_page", ok(mlock(block, page_size())));
    SHOW("four", ok(mlock(block, 4 * page_size())));
    SHOW("unlock", ok(munlock(block, page_size())));
    limit(RLIMIT_MEMLOCK, 0);
    SHOW("none_allowed", ok(mlock(block, 1)));
}

BEHAVIOUR(pending_signals)
{
    drop_root();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    limit(RLIMIT_SIGPENDING, 3);
    int n = 0;
    while (n < 50 && sigqueue(getpid(), SIGRTMIN, (union sigval){0}) == 0)
        n++;
    say("limited=%s %s", yes(n <= 3), errname(errno));
    SHOW("kill_still_works", ok(kill(getpid(), SIGUSR1)));
    sigpending(&set);
    say("pending=%s", yes(sigismember(&set, SIGUSR1)));
}

BEHAVIOUR(nice_limit)
{
    drop_root();
    limit(RLIMIT_NICE, 0);
    SHOW("down", ok(setpriority(PRIO_PROCESS, 0, 15)));
    SHOW("up", ok(setpriority(PRIO_PROCESS, 0, 14)));
}
