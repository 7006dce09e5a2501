/* execve, execveat: arguments, what survives, what is refused. */
#include "guest.h"
#include <sys/auxv.h>
#include <sys/resource.h>

extern char **environ;

/* Fork, exec this with argv; the child says what it is told to. */
static const char *spawn(const char *path, char *const argv[], char *const envp[])
{
    pid_t pid = start();
    if (pid == 0) {
        execve(path, argv, envp);
        SHOW("execve", errname(errno));
        _exit(90);
    }
    return reap(pid);
}

ROLE(args)
{
    say("argc=%d", guest_argc);
    for (int i = 2; i < guest_argc; i++)
        say("[%s]", guest_argv[i]);
}

ROLE(env)
{
    for (char **e = environ; *e; e++)
        say("%s", *e);
}

BEHAVIOUR(arguments)
{
    char *argv[] = {"anything", "@args", "", "a b", "-x", "\xc3\xa9", NULL};
    SHOW("status", spawn(guest_self, argv, environ));
}

BEHAVIOUR(environment)
{
    char *argv[] = {"x", "@env", NULL};
    char *envp[] = {"A=1", "B=", "nonsense", "A=2", NULL};
    SHOW("status", spawn(guest_self, argv, envp));
    SHOW("none", spawn(guest_self, argv, (char *[]){NULL}));
}

BEHAVIOUR(errors)
{
    char *argv[] = {"x", NULL};
    make_file("plain", "hello");
    make_file("f", "");
    CHECK(mkdir("d", 0755) == 0 && chmod("f", 0755) == 0);
    CHECK(symlink("loop", "loop") == 0);
    SHOW("missing", ok(execve("none", argv, environ)));
    SHOW("empty_path", ok(execve("", argv, environ)));
    SHOW("dir", ok(execve("d", argv, environ)));
    SHOW("no_x", ok(execve("plain", argv, environ)));
    SHOW("empty_file", ok(execve("f", argv, environ)));
    SHOW("below_file", ok(execve("f/x", argv, environ)));
    SHOW("loop", ok(execve("loop", argv, environ)));
    SHOW("device", ok(execve("/dev/null", argv, environ)));
    SHOW("fault_path", ok(execve(bad(), argv, environ)));
    SHOW("fault_argv", ok(execve(guest_self, bad(), environ)));
    SHOW("fault_env", ok(execve(guest_self, argv, bad())));
    char *wild[] = {"x", bad(), NULL};
    SHOW("fault_string", ok(execve(guest_self, wild, environ)));
}

BEHAVIOUR(string_too_long)
{
    size_t limit = 32 * page_size();        /* MAX_ARG_STRLEN, with the NUL */
    char *text = malloc(limit + 1);
    memset(text, 'a', limit);
    text[limit] = 0;
    char *argv[] = {"x", "@exit7", text, NULL};
    SHOW("128k", ok(execve(guest_self, argv, environ)));
    text[limit - 1] = 0;
    SHOW("one_less", spawn(guest_self, argv, environ));
    char *big[] = {text - 0, NULL};
    text[limit - 1] = 'a';
    SHOW("in_environment", ok(execve(guest_self, (char *[]){"x", NULL}, big)));
}

ROLE(exit7)
{
    exit(7);
}

BEHAVIOUR(all_too_long)
{
    /* A quarter of the stack limit, but never more than 6 MB. */
    struct rlimit stack = {8 << 20, RLIM_INFINITY};
    getrlimit(RLIMIT_STACK, &stack);
    stack.rlim_cur = 8 << 20;
    CHECK(setrlimit(RLIMIT_STACK, &stack) == 0);
    static char *argv[100];
    char *text = malloc(100001);
    memset(text, 'b', 100000);
    text[100000] = 0;
    argv[0] = "x";
    argv[1] = "@exit7";
    for (int i = 2; i < 30; i++)
        argv[i] = text;
    SHOW("2MB", ok(execve(guest_self, argv, environ)));
    argv[15] = NULL;
    SHOW("1MB", spawn(guest_self, argv, (char *[]){NULL}));
}

BEHAVIOUR(empty_argv)
{
    /* Since 5.18 an empty list becomes {""}. */
    char *none[] = {NULL};
    pid_t pid = start();
    if (pid == 0) {
        execve("/bin/true", none, environ);
        _exit(90);
    }
    SHOW("status", reap(pid));
}

ROLE(signals)
{
    struct sigaction handled, ignored;
    sigset_t mask, pending;
    stack_t alt;
    sigaction(SIGUSR1, NULL, &handled);
    sigaction(SIGUSR2, NULL, &ignored);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    sigpending(&pending);
    sigaltstack(NULL, &alt);
    say("handled=%s ignored=%s", handled.sa_handler == SIG_DFL ? "default" : "kept",
        ignored.sa_handler == SIG_IGN ? "kept" : "default");
    say("mask=%s pending=%s altstack=%s", yes(sigismember(&mask, SIGTERM)),
        yes(sigismember(&pending, SIGTERM)), alt.ss_flags & SS_DISABLE ? "off" : "on");
}

BEHAVIOUR(signal_state)
{
    static char alternate[16384];
    stack_t alt = {.ss_sp = alternate, .ss_size = sizeof alternate};
    signal(SIGUSR1, guest_ignore);
    signal(SIGUSR2, SIG_IGN);
    CHECK(sigaltstack(&alt, NULL) == 0);
    pid_t pid = start();
    if (pid == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, NULL);
        raise(SIGTERM);
        execl(guest_self, "x", "@signals", NULL);
        _exit(90);
    }
    SHOW("status", reap(pid));
}

ROLE(same)
{
    char text[8] = "";
    say("pid=%s parent=%s", yes(getpid() == atoi(guest_argv[2])),
        yes(getppid() == atoi(guest_argv[3])));
    say("umask=%o cwd=%s", umask(0), yes(access("here", F_OK) == 0));
    say("alarm=%s", yes(alarm(guest_limit) > 0));
    say("read=%s", yes(read(atoi(guest_argv[4]), text, 7) == 2));
    SHOW("text", text);
}

BEHAVIOUR(what_survives)
{
    char me[16], parent[16], fd[16];
    make_file("here", "abcdef");
    int file = MUST(open("here", O_RDONLY));
    pid_t pid = start();
    if (pid == 0) {
        umask(0246);
        alarm(50);
        CHECK(lseek(file, 4, SEEK_SET) == 4);
        snprintf(me, sizeof me, "%d", getpid());
        snprintf(parent, sizeof parent, "%d", getppid());
        snprintf(fd, sizeof fd, "%d", file);
        execl(guest_self, "x", "@same", me, parent, fd, NULL);
        _exit(90);
    }
    SHOW("status", reap(pid));
}

ROLE(aux)
{
    char name[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", name, sizeof name - 1);
    name[n > 0 ? n : 0] = 0;
    const char *fn = (const char *)getauxval(AT_EXECFN);
    say("page=%s", yes(getauxval(AT_PAGESZ) == page_size()));
    say("uid=%s gid=%s", yes(getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid()),
        yes(getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid()));
    say("secure=%lu clktck=%lu", getauxval(AT_SECURE), getauxval(AT_CLKTCK));
    say("random=%s entry=%s phdr=%s", yes(getauxval(AT_RANDOM)), yes(getauxval(AT_ENTRY)),
        yes(getauxval(AT_PHDR) && getauxval(AT_PHNUM) > 3));
    say("execfn=%s exe=%s", fn, yes(!strcmp(strrchr(name, '/'), "/guest")));
    say("platform=%s", (const char *)getauxval(AT_PLATFORM));
}

BEHAVIOUR(auxiliary_vector)
{
    CHECK(symlink(guest_self, "named") == 0);
    SHOW("status", spawn("./named", (char *[]){"x", "@aux", NULL}, environ));
}

BEHAVIOUR(execveat_kinds)
{
    char *argv[] = {"x", "@exit7", NULL};
    CHECK(symlink(guest_self, "link") == 0);
    int dir = MUST(open(".", O_RDONLY)), exe = MUST(open(guest_self, O_RDONLY));
    int path = MUST(open(guest_self, O_PATH | O_CLOEXEC));
    static const struct { const char *name, *file; int which, flags; } cases[] = {
        {"dirfd", "link", 0, 0}, {"nofollow", "link", 0, AT_SYMLINK_NOFOLLOW},
        {"empty", "", 1, AT_EMPTY_PATH}, {"empty_no_flag", "", 1, 0},
        {"o_path", "", 2, AT_EMPTY_PATH}, {"bad_flag", "link", 0, 0x40000000},
        {"bad_fd", "link", 3, 0}, {"dir_itself", "", 0, AT_EMPTY_PATH}};
    int fds[] = {dir, exe, path, 999};
    for (int i = 0; i < COUNT(cases); i++) {
        pid_t pid = start();
        if (pid == 0) {
            syscall(SYS_execveat, fds[cases[i].which], cases[i].file, argv, environ,
                    cases[i].flags);
            SHOW(cases[i].name, errname(errno));
            _exit(90);
        }
        SHOW(cases[i].name, reap(pid));
    }
}

BEHAVIOUR(exec_memfd)
{
    int fd = MUST(memfd_create("program", MFD_CLOEXEC));
    int exe = MUST(open(guest_self, O_RDONLY));
    char buffer[4096];
    for (ssize_t n; (n = read(exe, buffer, sizeof buffer)) > 0;)
        CHECK(write(fd, buffer, n) == n);
    pid_t pid = start();
    if (pid == 0) {
        fexecve(fd, (char *[]){"x", "@exit7", NULL}, environ);
        _exit(errno == ETXTBSY ? 91 : 90);
    }
    SHOW("writable", reap(pid));    /* a script would need the name */
}

BEHAVIOUR(text_busy)
{
    pid_t pid = start();
    int copy = MUST(open("copy", O_WRONLY | O_CREAT, 0755));
    if (pid == 0)
        _exit(0);
    reap(pid);
    int exe = MUST(open(guest_self, O_RDONLY));
    char buffer[4096];
    for (ssize_t n; (n = read(exe, buffer, sizeof buffer)) > 0;)
        CHECK(write(copy, buffer, n) == n);
    SHOW("open_for_write", spawn("./copy", (char *[]){"x", "@exit7", NULL}, environ));
    close(copy);
    SHOW("closed", spawn("./copy", (char *[]){"x", "@exit7", NULL}, environ));
    pid = start();
    if (pid == 0) {
        execl("./copy", "x", "@sleeper", NULL);
        _exit(90);
    }
    char name[40];
    snprintf(name, sizeof name, "/proc/%d/exe", pid);
    char target[PATH_MAX];
    EVENTUALLY((memset(target, 0, sizeof target),
                readlink(name, target, PATH_MAX - 1) > 0 && strstr(target, "/copy")));
    SHOW("write_running", try_open("copy", O_WRONLY));
    SHOW("unlink_running", ok(unlink("copy")));
    kill(pid, SIGKILL);
    reap(pid);
}

ROLE(sleeper)
{
    sleep_ms(4000);
}

BEHAVIOUR(close_on_exec_keeps_position)
{
    char *argv[] = {"x", "@exit7", NULL};
    int fd = MUST(open(guest_self, O_RDONLY | O_CLOEXEC));
    SHOW("status", spawn(guest_self, argv, environ));
    SHOW("own_copy", ret(fcntl(fd, F_GETFD)));
}

BEHAVIOUR(name_of_process)
{
    CHECK(symlink(guest_self, "a_rather_long_name_for_comm") == 0);
    SHOW("status", spawn("./a_rather_long_name_for_comm",
                         (char *[]){"argv zero", "@comm", NULL}, environ));
}

ROLE(comm)
{
    char name[32] = "";
    prctl(PR_GET_NAME, name);
    SHOW("comm", name);
}

ROLE(takes_pending)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    _exit(sigtimedwait(&set, NULL, &(struct timespec){5, 0}) == SIGUSR1 ? 7 : 1);
}

static void ends(int signo) { _exit(6); }

/* How often a process that is sent *signo* while it executes another program ends in one of two
   ways, of 100 times. */
static int around_exec(int signo, const char *role, int one_way, int other_way)
{
    char *argv[] = {"x", (char *)role, NULL};
    int found = 0, status = 0x7f;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGTERM, ends);
    for (int i = 0; i < 100; i++) {
        int p[2];
        char byte;
        status = 0x7f;
        CHECK(pipe(p) == 0);
        pid_t pid = MUST(fork());
        if (pid == 0) {
            CHECK(write(p[1], "x", 1) == 1);
            execve(guest_self, argv, environ);
            _exit(90);
        }
        CHECK(read(p[0], &byte, 1) == 1);
        usleep(i * 20);
        CHECK(kill(pid, signo) == 0);
        if (signo == SIGSTOP) {
            CHECK(waitpid(pid, &status, WUNTRACED) == pid);
            kill(pid, SIGCONT);
        }
        CHECK(!WIFSTOPPED(status) || waitpid(pid, &status, 0) == pid);
        found += status == one_way || status == other_way;
        close(p[0]);
        close(p[1]);
    }
    return found;
}

BEHAVIOUR(handled_signal_around_exec)
{
    say("ended=%d", around_exec(SIGTERM, "@sleeper", 6 << 8, SIGTERM));
}

BEHAVIOUR(dumping_signal_around_exec)
{
    CHECK(setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == 0);
    say("ended=%d", around_exec(SIGQUIT, "@sleeper", SIGQUIT, SIGQUIT));
}

BEHAVIOUR(blocked_signal_around_exec)
{
    say("taken=%d", around_exec(SIGUSR1, "@takes_pending", 7 << 8, 7 << 8));
}

BEHAVIOUR(stopped_around_exec)
{
    say("ended=%d", around_exec(SIGSTOP, "@exit7", 7 << 8, 7 << 8));
}
