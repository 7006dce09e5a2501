/* Real-time signals: queueing, order, values; sigqueue's rules. */
#include "guest.h"
#include <pthread.h>

static volatile int got[32], values[32], codes[32], n;

static void notes(int signo, siginfo_t *info, void *context UNUSED)
{
    got[n] = signo - SIGRTMIN;
    values[n] = info->si_value.sival_int;
    codes[n] = info->si_code;
    n++;
}

static void all_rt(int how)
{
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < 5; i++)
        sigaddset(&set, SIGRTMIN + i);
    sigprocmask(how, &set, NULL);
}

static void install(void)
{
    struct sigaction act = {.sa_sigaction = notes, .sa_flags = SA_SIGINFO};
    sigfillset(&act.sa_mask);       /* no nesting: the order is delivery's */
    for (int i = 0; i < 5; i++)
        CHECK(sigaction(SIGRTMIN + i, &act, NULL) == 0);
}

static void send(int which, int value)
{
    CHECK(sigqueue(getpid(), SIGRTMIN + which, (union sigval){.sival_int = value}) == 0);
}

BEHAVIOUR(queued_each)
{
    install();
    all_rt(SIG_BLOCK);
    for (int i = 1; i <= 4; i++)
        send(0, i * 11);
    all_rt(SIG_UNBLOCK);
    say("count=%d", n);
    for (int i = 0; i < n; i++)
        say("%d", values[i]);
}

BEHAVIOUR(lowest_number_first)
{
    install();
    all_rt(SIG_BLOCK);
    send(3, 1);
    send(1, 2);
    send(2, 3);
    send(1, 4);
    send(3, 5);
    all_rt(SIG_UNBLOCK);
    for (int i = 0; i < n; i++)
        say("%d:%d", got[i], values[i]);
}

BEHAVIOUR(standard_before_real_time)
{
    install();
    struct sigaction act = {.sa_sigaction = notes, .sa_flags = SA_SIGINFO};
    sigfillset(&act.sa_mask);
    CHECK(sigaction(SIGUSR2, &act, NULL) == 0);
    sigset_t set;
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
    send(0, 1);
    raise(SIGUSR2);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    say("first=%s second=%s", yes(got[0] == SIGUSR2 - SIGRTMIN), yes(got[1] == 0));
}

BEHAVIOUR(kill_queues_too)
{
    install();
    all_rt(SIG_BLOCK);
    for (int i = 0; i < 3; i++)
        kill(getpid(), SIGRTMIN);
    raise(SIGRTMIN);
    all_rt(SIG_UNBLOCK);
    say("count=%d", n);
    int users = 0;
    for (int i = 0; i < n; i++)
        users += codes[i] == SI_USER;
    say("from_kill=%d", users);
}

static void *volatile pointer;

static void notes_pointer(int signo UNUSED, siginfo_t *info, void *context UNUSED)
{
    pointer = info->si_value.sival_ptr;
}

BEHAVIOUR(pointer_value)
{
    int here;
    struct sigaction act = {.sa_sigaction = notes_pointer, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGRTMIN, &act, NULL) == 0);
    CHECK(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_ptr = &here}) == 0);
    say("same=%s", yes(pointer == &here));
}

BEHAVIOUR(to_another_process)
{
    all_rt(SIG_BLOCK);
    pid_t parent = getpid(), pid = start();
    if (pid == 0) {
        sigset_t set;
        siginfo_t info;
        sigemptyset(&set);
        sigaddset(&set, SIGRTMIN + 2);
        CHECK(sigwaitinfo(&set, &info) == SIGRTMIN + 2);
        _exit(info.si_code == SI_QUEUE && info.si_pid == parent && info.si_uid == getuid()
              ? info.si_value.sival_int : 1);
    }
    CHECK(sigqueue(pid, SIGRTMIN + 2, (union sigval){.sival_int = 99}) == 0);
    SHOW("child", reap(pid));
}

BEHAVIOUR(queueinfo_rules)
{
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    SHOW("own", ok(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info)));
    SHOW("nobody", ok(syscall(SYS_rt_sigqueueinfo, INT_MAX, 0, &info)));
    SHOW("fault", ok(syscall(SYS_rt_sigqueueinfo, getpid(), 0, bad())));
    info.si_code = SI_USER;
    SHOW("forge_user_own", ok(syscall(SYS_rt_sigqueueinfo, getpid(), 0, &info)));
    SHOW("forge_user_other", ok(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info)));
    info.si_code = SI_TKILL;
    SHOW("forge_tkill_other", ok(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info)));
    info.si_code = 5;
    SHOW("forge_kernel_other", ok(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info)));
    SHOW("tg", ok(syscall(SYS_rt_tgsigqueueinfo, getpid(), getpid(), 0, &info)));
    SHOW("tg_negative", ok(syscall(SYS_rt_tgsigqueueinfo, -1, getpid(), 0, &info)));
}

BEHAVIOUR(real_time_range)
{
    /* 32 and 33 are real-time ones that libc keeps for itself. */
    say("min=%d max=%d", SIGRTMIN, SIGRTMAX);
    pid_t pid = start();
    if (pid == 0) {
        kill(getpid(), 33);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    say("33_kills=%s", yes(WIFSIGNALED(status) && WTERMSIG(status) == 33));
}

static volatile int in_thread;

static void where(int signo UNUSED)
{
    in_thread = syscall(SYS_gettid) != getpid();
}

static void *waits(void *go)
{
    while (!*(volatile int *)go)
        sleep_ms(1);
    return NULL;
}

BEHAVIOUR(thread_directed)
{
    volatile int go = 0;
    pthread_t thread;
    signal(SIGUSR1, where);
    CHECK(pthread_create(&thread, NULL, waits, (void *)&go) == 0);
    SHOW("pthread_kill", code(pthread_kill(thread, SIGUSR1)));
    say("in_thread=%s", yes(EVENTUALLY(in_thread == 1)));
    union sigval value = {.sival_int = 5};
    install();
    SHOW("pthread_sigqueue", code(pthread_sigqueue(thread, SIGRTMIN, value)));
    say("value=%d", (EVENTUALLY(n == 1), values[0]));
    go = 1;
    pthread_join(thread, NULL);
    raise(SIGUSR1);
    say("raise_in_main=%s", yes(in_thread == 0));
}
