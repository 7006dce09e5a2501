/* prctl, priorities, scheduling, affinity, accounting of a process. */
#include "guest.h"
#include <pthread.h>
#include <sys/resource.h>
#include <sys/times.h>
#ifdef __x86_64__
#include <asm/prctl.h>
#endif

BEHAVIOUR(prctl_name)
{
    char name[32] = "";
    SHOW("set", ok(prctl(PR_SET_NAME, "exactly15chars!and more")));
    CHECK(prctl(PR_GET_NAME, name) == 0);
    SHOW("get", name);
    SHOW("comm", (file_text("/proc/self/comm"), strtok((char *)file_text("/proc/self/comm"), "\n")));
    SHOW("fault", ok(prctl(PR_SET_NAME, bad())));
    SHOW("fault_get", ok(prctl(PR_GET_NAME, bad())));
}

BEHAVIOUR(prctl_flags)
{
    SHOW("dumpable", ret(prctl(PR_GET_DUMPABLE)));
    SHOW("clear", ok(prctl(PR_SET_DUMPABLE, 0)));
    SHOW("dumpable", ret(prctl(PR_GET_DUMPABLE)));
    SHOW("two_is_refused", ok(prctl(PR_SET_DUMPABLE, 2)));
    SHOW("no_new_privs", ret(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0 ? 0 : -1));
    SHOW("set", ok(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)));
    SHOW("get", ret(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)));
    SHOW("clear", ok(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)));
    SHOW("keepcaps", ret(prctl(PR_GET_KEEPCAPS)));
    SHOW("keepcaps_2", ok(prctl(PR_SET_KEEPCAPS, 2)));
    SHOW("unknown", ok(prctl(0x7fff0000, 0, 0, 0, 0)));
}

BEHAVIOUR(prctl_timerslack)
{
    SHOW("set", ok(prctl(PR_SET_TIMERSLACK, 12345)));
    SHOW("get", ret(prctl(PR_GET_TIMERSLACK)));
    pid_t pid = start();
    if (pid == 0)
        _exit(prctl(PR_GET_TIMERSLACK) == 12345 ? 0 : 1);
    SHOW("inherited", reap(pid));
}

BEHAVIOUR(arch_prctl_bases)
{
#ifdef __x86_64__
    unsigned long fs = 0, gs = 1;
    SHOW("get_fs", ok(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs)));
    say("is_thread=%s", yes(fs == (unsigned long)pthread_self()));
    SHOW("set_gs", ok(syscall(SYS_arch_prctl, ARCH_SET_GS, 0x12345000)));
    SHOW("get_gs", ok(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs)));
    say("gs=%#lx", gs);
    SHOW("high", ok(syscall(SYS_arch_prctl, ARCH_SET_GS, 1ul << 63)));
    SHOW("unknown", ok(syscall(SYS_arch_prctl, 0x7777, 0)));
    SHOW("fault", ok(syscall(SYS_arch_prctl, ARCH_GET_FS, bad())));
#else
    say("x86-64 only");
#endif
}

BEHAVIOUR(niceness)
{
    drop_root();
    setpriority(PRIO_PROCESS, 0, 15);   /* high enough for a run under nice */
    say("set=%d", getpriority(PRIO_PROCESS, 0));
    /* The raw call answers 20 - nice, so that -1 stays an error. */
    SHOW("raw", ret(syscall(SYS_getpriority, PRIO_PROCESS, 0)));
    SHOW("clamped", ok(setpriority(PRIO_PROCESS, 0, 100)));
    say("now=%d", getpriority(PRIO_PROCESS, 0));
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_NICE, &none);
    SHOW("up", ok(setpriority(PRIO_PROCESS, 0, 3)));
    SHOW("nobody", ok(setpriority(PRIO_PROCESS, INT_MAX, 19)));
    SHOW("which", ok(setpriority(9, 0, 19)));
    SHOW("group", ok(setpriority(PRIO_PGRP, 0, 19)));
    pid_t pid = start();
    if (pid == 0)
        _exit(getpriority(PRIO_PROCESS, 0));
    SHOW("inherited", reap(pid));
}

BEHAVIOUR(nice_call)
{
    setpriority(PRIO_PROCESS, 0, 15);
    say("nice_2=%d", nice(2));
    say("nice_100=%d", nice(100));
}

BEHAVIOUR(scheduler_policy)
{
    struct sched_param param = {0};
    drop_root();
    SHOW("get", ret(sched_getscheduler(0)));
    SHOW("batch", ok(sched_setscheduler(0, SCHED_BATCH, &param)));
    SHOW("get", ret(sched_getscheduler(0)));
    SHOW("other", ok(sched_setscheduler(0, SCHED_OTHER, &param)));
    param.sched_priority = 1;
    SHOW("other_1", ok(sched_setscheduler(0, SCHED_OTHER, &param)));
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_RTPRIO, &none);
    SHOW("fifo", ok(sched_setscheduler(0, SCHED_FIFO, &param)));
    param.sched_priority = 0;
    SHOW("fifo_0", ok(sched_setscheduler(0, SCHED_FIFO, &param)));
    SHOW("unknown", ok(sched_setscheduler(0, 77, &param)));
    SHOW("nobody", ret(sched_getscheduler(INT_MAX)));
    SHOW("negative", ret(sched_getscheduler(-1)));
    SHOW("null", ok(sched_setscheduler(0, SCHED_OTHER, NULL)));
}

BEHAVIOUR(scheduler_ranges)
{
    SHOW("fifo_max", ret(sched_get_priority_max(SCHED_FIFO)));
    SHOW("fifo_min", ret(sched_get_priority_min(SCHED_FIFO)));
    SHOW("other_max", ret(sched_get_priority_max(SCHED_OTHER)));
    SHOW("unknown", ret(sched_get_priority_max(77)));
    struct sched_param param = {9};
    SHOW("getparam", ok(sched_getparam(0, &param)));
    say("priority=%d", param.sched_priority);
    struct timespec t = {-1, -1};
    SHOW("rr_interval", ok(sched_rr_get_interval(0, &t)));
    say("sane=%s", yes(t.tv_sec >= 0 && t.tv_nsec >= 0));
    SHOW("yield", ok(sched_yield()));
}

BEHAVIOUR(sched_attr)
{
    struct { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority;
             uint64_t runtime, deadline, period; uint32_t min, max; } attr = {0};
    setpriority(PRIO_PROCESS, 0, 15);
    SHOW("get", ok(syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0)));
    say("policy=%u nice=%d", attr.policy, attr.nice);
    SHOW("small", ok(syscall(SYS_sched_getattr, 0, &attr, 8, 0)));
    SHOW("flags", ok(syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 1)));
    attr.size = 48;
    attr.nice = 17;
    attr.flags = 0;
    SHOW("set", ok(syscall(SYS_sched_setattr, 0, &attr, 0)));
    say("now=%d", getpriority(PRIO_PROCESS, 0));
}

BEHAVIOUR(affinity)
{
    cpu_set_t set, one, now;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    int first = 0;
    while (first < CPU_SETSIZE && !CPU_ISSET(first, &set))
        first++;
    say("some=%s", yes(CPU_COUNT(&set) >= 1));
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    SHOW("set", ok(sched_setaffinity(0, sizeof one, &one)));
    CHECK(sched_getaffinity(0, sizeof now, &now) == 0);
    say("one=%s", yes(CPU_EQUAL(&now, &one)));
    unsigned cpu = 77777;
    SHOW("getcpu", ok(syscall(SYS_getcpu, &cpu, NULL, NULL)));
    CPU_ZERO(&one);
    SHOW("empty", ok(sched_setaffinity(0, sizeof one, &one)));
    SHOW("odd_size", ret(syscall(SYS_sched_getaffinity, 0, 3, &now)));
    SHOW("nobody", ok(sched_getaffinity(INT_MAX, sizeof now, &now)));
    SHOW("fault", ok(sched_getaffinity(0, sizeof now, bad())));
}

BEHAVIOUR(rusage_self)
{
    struct rusage a, b;
    SHOW("self", ok(getrusage(RUSAGE_SELF, &a)));
    volatile unsigned n = 0;
    long long until = now_us(CLOCK_PROCESS_CPUTIME_ID) + 20000;
    while (now_us(CLOCK_PROCESS_CPUTIME_ID) < until)
        n++;
    CHECK(getrusage(RUSAGE_SELF, &b) == 0);
    long long before = (a.ru_utime.tv_sec + a.ru_stime.tv_sec) * 1000000ll + a.ru_utime.tv_usec + a.ru_stime.tv_usec;
    long long after = (b.ru_utime.tv_sec + b.ru_stime.tv_sec) * 1000000ll + b.ru_utime.tv_usec + b.ru_stime.tv_usec;
    say("grows=%s", yes(after > before));
    say("maxrss=%s minflt=%s", yes(b.ru_maxrss > 100), yes(b.ru_minflt > 0));
    SHOW("thread", ok(getrusage(RUSAGE_THREAD, &b)));
    SHOW("children", ok(getrusage(RUSAGE_CHILDREN, &b)));
    say("none_yet=%s", yes(b.ru_utime.tv_sec == 0 && b.ru_utime.tv_usec == 0));
    SHOW("which", ok(getrusage(77, &b)));
    SHOW("fault", ok(syscall(SYS_getrusage, RUSAGE_SELF, bad())));
}

BEHAVIOUR(thread_ids)
{
    say("main=%s", yes(syscall(SYS_gettid) == getpid()));
    int word;
    say("set_tid_address=%s", yes(syscall(SYS_set_tid_address, &word) == getpid()));
}

BEHAVIOUR(personality_call)
{
    long old = syscall(SYS_personality, 0xffffffff);
    SHOW("linux", ret(old & 0xff));
    SHOW("set", yes(syscall(SYS_personality, old | 0x0040000) == old));
    SHOW("get", yes(syscall(SYS_personality, 0xffffffff) == (old | 0x0040000)));
}

BEHAVIOUR(membarrier_call)
{
    long query = syscall(SYS_membarrier, 0, 0, 0);
    say("query=%s", yes(query > 0));
    SHOW("unknown", ok(syscall(SYS_membarrier, 1 << 30, 0, 0)));
    SHOW("flags", ok(syscall(SYS_membarrier, 0, 1 << 10, 0)));
    SHOW("unregistered", ok(syscall(SYS_membarrier, 8, 0, 0)));
    SHOW("register", ok(syscall(SYS_membarrier, 16, 0, 0)));
    SHOW("private", ok(syscall(SYS_membarrier, 8, 0, 0)));
}

BEHAVIOUR(io_priority)
{
    SHOW("get", ret(syscall(SYS_ioprio_get, 1, 0) >= 0 ? 0 : -1));
    SHOW("set", ok(syscall(SYS_ioprio_set, 1, 0, (2 << 13) | 5)));
    SHOW("now", ret(syscall(SYS_ioprio_get, 1, 0)));
    SHOW("which", ok(syscall(SYS_ioprio_get, 9, 0)));
    SHOW("class", ok(syscall(SYS_ioprio_set, 1, 0, 7 << 13)));
}

BEHAVIOUR(unknown_calls)
{
    SHOW("5000", ok(syscall(5000)));
    SHOW("minus_one", ok(syscall(-1)));
    SHOW("minus_five", ok(syscall(-5)));
    SHOW("huge", ok(syscall(0x7fffffff)));
}
