/* Threads and the process around them: signals, exec, exit, fork, credentials. */
#include "guest.h"
#include <dirent.h>
#include <pthread.h>

static volatile int stage, seen_tid;

static void *waits(void *unused UNUSED)
{
    stage = 1;
    for (;;)
        pause();
    return NULL;
}

static void *sleeps_for_ever(void *unused UNUSED)
{
    for (;;)
        sleep_ms(1000);
    return NULL;
}

static pthread_t start_thread(void *(*body)(void *), void *argument)
{
    pthread_t t;
    CHECK(pthread_create(&t, NULL, body, argument) == 0);
    return t;
}

static void *exits(void *value)
{
    syscall(SYS_exit_group, (int)(intptr_t)value);
    return NULL;
}

BEHAVIOUR(exit_group_from_thread)
{
    pid_t pid = start();
    if (pid == 0) {
        start_thread(sleeps_for_ever, NULL);
        start_thread(exits, (void *)21);
        for (;;)
            pause();
    }
    SHOW("child", reap(pid));
}

static void *outlives(void *unused UNUSED)
{
    sleep_ms(30);
    exit(22);
}

BEHAVIOUR(main_thread_leaves_first)
{
    pid_t pid = start();
    if (pid == 0) {
        start_thread(outlives, NULL);
        pthread_exit(NULL);
    }
    SHOW("child", reap(pid));
    pid = start();
    if (pid == 0) {
        start_thread(sleeps_for_ever, NULL);
        syscall(SYS_exit, 5);       /* this thread only: the process goes on */
    }
    int status;
    sleep_ms(20);
    SHOW("still_there", ret(waitpid(pid, &status, WNOHANG)));
    kill(pid, SIGKILL);
    SHOW("killed", reap(pid));
}

ROLE(after)
{
    DIR *dir = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += e->d_name[0] != '.';
    say("pid=%s tid=%s tasks=%d", yes(getpid() == atoi(guest_argv[2])),
        yes(syscall(SYS_gettid) == getpid()), n);
}

static void *execs(void *unused UNUSED)
{
    char me[16];
    snprintf(me, sizeof me, "%d", getpid());
    execl(guest_self, "x", "@after", me, NULL);
    _exit(90);
}

BEHAVIOUR(exec_from_thread)
{
    pid_t pid = start();
    if (pid == 0) {
        start_thread(sleeps_for_ever, NULL);
        start_thread(execs, NULL);
        for (;;)
            pause();
    }
    SHOW("child", reap(pid));
}

BEHAVIOUR(exec_from_main)
{
    pid_t pid = start();
    if (pid == 0) {
        start_thread(sleeps_for_ever, NULL);
        start_thread(sleeps_for_ever, NULL);
        execs(NULL);
    }
    SHOW("child", reap(pid));
}

static void *fails_to_exec(void *unused UNUSED)
{
    execl("/none/such", "x", NULL);
    stage = errno;
    return NULL;
}

BEHAVIOUR(failed_exec_keeps_threads)
{
    pthread_t t = start_thread(sleeps_for_ever, NULL), u = start_thread(fails_to_exec, NULL);
    pthread_join(u, NULL);
    SHOW("error", errname(stage));
    SHOW("other_alive", code(pthread_kill(t, 0)));
}

static void *counts_tasks(void *out)
{
    DIR *dir = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += e->d_name[0] != '.';
    closedir(dir);
    *(int *)out = n;
    return NULL;
}

BEHAVIOUR(fork_from_thread)
{
    int parent = 0;
    start_thread(sleeps_for_ever, NULL);
    pthread_join(start_thread(counts_tasks, &parent), NULL);
    say("parent_tasks=%d", parent);
    pid_t pid = start();
    if (pid == 0) {
        int n = 0;
        counts_tasks(&n);
        _exit(n);
    }
    SHOW("child_tasks", reap(pid));
}

static void notes(int signo UNUSED)
{
    seen_tid = syscall(SYS_gettid);
}

static void *blocks_and_waits(void *unused UNUSED)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    stage = 1;
    for (;;)
        sleep_ms(1000);
    return NULL;
}

BEHAVIOUR(process_signal_finds_a_willing_thread)
{
    sigset_t set;
    signal(SIGUSR1, notes);
    start_thread(blocks_and_waits, NULL);
    EVENTUALLY(stage == 1);
    kill(getpid(), SIGUSR1);
    say("main=%s", yes(EVENTUALLY(seen_tid == getpid())));
    seen_tid = stage = 0;
    start_thread(waits, NULL);
    EVENTUALLY(stage == 1);
    sigfillset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    kill(getpid(), SIGUSR1);
    say("thread=%s", yes(EVENTUALLY(seen_tid != 0) && seen_tid != getpid()));
}

static void *raises(void *unused UNUSED)
{
    raise(SIGUSR1);
    stage = seen_tid == (int)syscall(SYS_gettid);
    return NULL;
}

BEHAVIOUR(raise_stays_in_thread)
{
    signal(SIGUSR1, notes);
    pthread_join(start_thread(raises, NULL), NULL);
    say("own=%s", yes(stage));
}

static void *faults(void *unused UNUSED)
{
    *(volatile char *)bad() = 1;
    return NULL;
}

BEHAVIOUR(fatal_signal_kills_all)
{
    pid_t pid = start();
    if (pid == 0) {
        start_thread(sleeps_for_ever, NULL);
        start_thread(faults, NULL);
        for (;;)
            pause();
    }
    SHOW("child", reap(pid));
    pid = start();
    if (pid == 0) {
        start_thread(waits, NULL);
        EVENTUALLY(stage == 1);
        kill(getpid(), SIGTERM);
        for (;;)
            pause();
    }
    SHOW("term", reap(pid));
}

static void *ticks(void *counter)
{
    volatile int *n = counter;
    for (;;) {
        ++*n;
        sleep_ms(1);
    }
    return NULL;
}

BEHAVIOUR(stop_stops_every_thread)
{
    volatile int *n = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = start();
    if (pid == 0) {
        start_thread(ticks, (void *)&n[0]);
        start_thread(ticks, (void *)&n[1]);
        for (;;)
            pause();
    }
    EVENTUALLY(n[0] > 2 && n[1] > 2);
    kill(pid, SIGSTOP);
    int status;
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    sleep_ms(10);
    int a = n[0], b = n[1];
    sleep_ms(30);
    say("stopped=%s", yes(n[0] == a && n[1] == b));
    kill(pid, SIGCONT);
    say("goes_on=%s", yes(EVENTUALLY(n[0] > a && n[1] > b)));
    kill(pid, SIGKILL);
    reap(pid);
}

static void *own_mask(void *out)
{
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    *(int *)out = sigismember(&set, SIGUSR2);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    return NULL;
}

BEHAVIOUR(masks_are_per_thread)
{
    sigset_t set;
    int inherited = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_join(start_thread(own_mask, &inherited), NULL);
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    say("inherited=%s leaked=%s", yes(inherited), yes(sigismember(&set, SIGUSR1)));
}

static void *own_altstack(void *out)
{
    stack_t now;
    sigaltstack(NULL, &now);
    *(int *)out = now.ss_flags & SS_DISABLE;
    return NULL;
}

BEHAVIOUR(alternate_stacks_are_per_thread)
{
    static char space[16384];
    int off = 0;
    stack_t s = {.ss_sp = space, .ss_size = sizeof space};
    CHECK(sigaltstack(&s, NULL) == 0);
    pthread_join(start_thread(own_altstack, &off), NULL);
    say("thread_has_none=%s", yes(off));
}

static void *names_itself(void *out)
{
    pthread_setname_np(pthread_self(), "worker-name");
    int fd = open("/proc/thread-self/comm", O_RDONLY);
    ssize_t n = read(fd, out, 20);
    close(fd);
    return (void *)(intptr_t)n;
}

BEHAVIOUR(names_are_per_thread)
{
    char theirs[24] = "", mine[24] = "";
    pthread_join(start_thread(names_itself, theirs), NULL);
    prctl(PR_GET_NAME, mine);
    say("thread=%.11s main=%s", theirs, yes(strcmp(mine, "worker-name")));
}

static void *changes_uid(void *out)
{
    uid_t *u = out;
    u[0] = geteuid();
    while (stage != 2)
        sleep_ms(1);
    u[1] = geteuid();
    return NULL;
}

BEHAVIOUR(credentials_follow_through_libc)
{
    uid_t u[2] = {0, 0}, wanted = geteuid() == 0 ? NOBODY : geteuid();
    pthread_t t = start_thread(changes_uid, u);
    SHOW("setresuid", ok(setresuid(wanted, wanted, wanted)));
    stage = 2;
    pthread_join(t, NULL);
    say("thread_has_it=%s", yes(u[1] == wanted));
}

static void *waits_for_child(void *out)
{
    *(int *)out = waitpid(-1, NULL, 0);
    return NULL;
}

BEHAVIOUR(any_thread_may_wait)
{
    int got = 0;
    pid_t pid = start();
    if (pid == 0)
        _exit(0);
    pthread_join(start_thread(waits_for_child, &got), NULL);
    say("reaped=%s", yes(got == pid));
}

static void *closes(void *fd)
{
    sleep_ms(20);
    close((int)(intptr_t)fd);
    return NULL;
}

BEHAVIOUR(close_during_read)
{
    /* The reader keeps the file: it still gets data written afterwards. */
    int p[2];
    char c = '?';
    CHECK(pipe(p) == 0);
    int w = dup(p[1]);
    pthread_t t = start_thread(closes, (void *)(intptr_t)p[0]);
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(60);
        _exit(write(w, "d", 1) != 1);
    }
    SHOW("read", ret(read(p[0], &c, 1)));
    say("byte=%c", c);
    pthread_join(t, NULL);
    SHOW("child", reap(pid));
}
