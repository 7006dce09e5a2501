/* alarm, interval timers and POSIX timers. */
#include "guest.h"
#include <pthread.h>

static volatile sig_atomic_t count, value, overrun_seen, code_seen;

static void counts(int signo UNUSED)
{
    count++;
}

static void burn_until(int wanted)
{
    long long until = now_us(CLOCK_MONOTONIC) + 8000000;
    volatile unsigned n = 0;
    while (count < wanted && now_us(CLOCK_MONOTONIC) < until)
        n++;
}

BEHAVIOUR(alarm_call)
{
    alarm(0);
    SHOW("none", ret(alarm(100)));
    unsigned left = alarm(50);
    say("left=%s", yes(left == 100 || left == 99));
    left = alarm(0);
    say("left=%s", yes(left == 50 || left == 49));
    SHOW("off", ret(alarm(0)));
    signal(SIGALRM, counts);
    alarm(1);
    struct itimerval t;
    CHECK(getitimer(ITIMER_REAL, &t) == 0);
    say("is_itimer=%s", yes(t.it_value.tv_sec <= 1 && t.it_interval.tv_sec == 0));
    pause();
    say("count=%d", count);
    guest_watch();
}

BEHAVIOUR(itimer_real)
{
    struct itimerval t = {{0, 10000}, {0, 5000}}, old;
    signal(SIGALRM, counts);
    SHOW("set", ok(setitimer(ITIMER_REAL, &t, &old)));
    say("repeats=%s", yes(EVENTUALLY(count >= 3)));
    CHECK(getitimer(ITIMER_REAL, &t) == 0);
    say("interval=%ld value_sane=%s", (long)t.it_interval.tv_usec,
        yes(t.it_value.tv_sec == 0 && t.it_value.tv_usec <= 10000));
    t = (struct itimerval){{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &t, &old) == 0);
    say("old_interval=%ld", (long)old.it_interval.tv_usec);
    int before = count;
    sleep_ms(30);
    say("stopped=%s", yes(count == before));
    guest_watch();
}

BEHAVIOUR(itimer_errors)
{
    struct itimerval t = {{0, 0}, {0, 1000000}};
    SHOW("usec", ok(setitimer(ITIMER_VIRTUAL, &t, NULL)));
    t.it_value.tv_usec = -1;
    SHOW("negative", ok(setitimer(ITIMER_VIRTUAL, &t, NULL)));
    SHOW("which", ok(getitimer(9, &t)));
    SHOW("fault", ok(syscall(SYS_getitimer, ITIMER_REAL, bad())));
    SHOW("fault_set", ok(syscall(SYS_setitimer, ITIMER_VIRTUAL, bad(), NULL)));
}

BEHAVIOUR(itimer_virtual_and_prof)
{
    struct itimerval t = {{0, 0}, {0, 20000}};
    signal(SIGVTALRM, counts);
    signal(SIGPROF, counts);
    CHECK(setitimer(ITIMER_VIRTUAL, &t, NULL) == 0);
    sleep_ms(60);
    say("asleep=%d", count);
    burn_until(1);
    say("burnt=%d", count);
    CHECK(setitimer(ITIMER_PROF, &t, NULL) == 0);
    burn_until(2);
    say("prof=%d", count);
}

BEHAVIOUR(itimer_and_fork_exec)
{
    struct itimerval t = {{0, 0}, {100, 0}}, now;
    CHECK(setitimer(ITIMER_REAL, &t, NULL) == 0);
    pid_t pid = start();
    if (pid == 0) {
        CHECK(getitimer(ITIMER_REAL, &now) == 0);
        _exit(now.it_value.tv_sec != 0);
    }
    SHOW("cleared_in_child", reap(pid));
    guest_watch();
}

static void notes(int signo UNUSED, siginfo_t *info, void *context UNUSED)
{
    value = info->si_value.sival_int;
    code_seen = info->si_code;
    if (info->si_overrun > overrun_seen)     /* a later one may follow at once */
        overrun_seen = info->si_overrun;
    count++;
}

static timer_t make(clockid_t clock, int signo, int number)
{
    timer_t timer;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signo};
    struct sigaction act = {.sa_sigaction = notes, .sa_flags = SA_SIGINFO};
    e.sigev_value.sival_int = number;
    CHECK(sigaction(signo, &act, NULL) == 0);
    CHECK(timer_create(clock, &e, &timer) == 0);
    return timer;
}

BEHAVIOUR(posix_timer_fires)
{
    timer_t timer = make(CLOCK_MONOTONIC, SIGRTMIN, 77);
    struct itimerspec t = {{0, 0}, {0, 10000000}}, now;
    SHOW("set", ok(timer_settime(timer, 0, &t, NULL)));
    say("fired=%s", yes(EVENTUALLY(count == 1)));
    say("value=%d code=%s", value, code_seen == SI_TIMER ? "TIMER" : "?");
    CHECK(timer_gettime(timer, &now) == 0);
    say("disarmed=%s", yes(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0));
    SHOW("delete", ok(timer_delete(timer)));
    SHOW("again", ok(syscall(SYS_timer_delete, 12345)));
}

BEHAVIOUR(posix_timer_repeats)
{
    timer_t timer = make(CLOCK_REALTIME, SIGRTMIN + 1, 5);
    struct itimerspec t = {{0, 5000000}, {0, 5000000}}, old;
    CHECK(timer_settime(timer, 0, &t, NULL) == 0);
    say("repeats=%s", yes(EVENTUALLY(count >= 3)));
    t = (struct itimerspec){{0, 0}, {0, 0}};
    SHOW("stop", ok(timer_settime(timer, 0, &t, &old)));
    say("old_interval=%ld", (long)old.it_interval.tv_nsec);
}

BEHAVIOUR(posix_timer_overrun)
{
    timer_t timer = make(CLOCK_MONOTONIC, SIGRTMIN, 1);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct itimerspec t = {{0, 2000000}, {0, 2000000}};
    CHECK(timer_settime(timer, 0, &t, NULL) == 0);
    sleep_ms(50);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    /* One signal stands for all that expired. */
    say("overrun=%s", yes(timer_getoverrun(timer) >= 5 || overrun_seen >= 5));
    timer_delete(timer);
}

BEHAVIOUR(posix_timer_absolute)
{
    timer_t timer = make(CLOCK_MONOTONIC, SIGRTMIN, 1);
    struct itimerspec t = {{0, 0}, {0, 0}};
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t.it_value) == 0);
    t.it_value.tv_sec -= 1;
    SHOW("past", ok(timer_settime(timer, TIMER_ABSTIME, &t, NULL)));
    say("fires_at_once=%s", yes(EVENTUALLY(count == 1)));
    t.it_value.tv_sec += 1000;
    CHECK(timer_settime(timer, TIMER_ABSTIME, &t, NULL) == 0);
    CHECK(timer_gettime(timer, &t) == 0);
    say("left=%s", yes(t.it_value.tv_sec >= 990 && t.it_value.tv_sec <= 1000));
}

BEHAVIOUR(posix_timer_errors)
{
    timer_t timer;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99};
    SHOW("signal", ok(timer_create(CLOCK_MONOTONIC, &e, &timer)));
    e.sigev_signo = SIGRTMIN;
    SHOW("clock", ok(timer_create(99, &e, &timer)));
    e.sigev_notify = 77;
    SHOW("notify", ok(syscall(SYS_timer_create, CLOCK_MONOTONIC, &e, &timer)));
    timer = make(CLOCK_MONOTONIC, SIGRTMIN, 1);
    struct itimerspec t = {{0, 0}, {0, 1000000000}};
    SHOW("nsec", ok(timer_settime(timer, 0, &t, NULL)));
    t.it_value.tv_nsec = -1;
    SHOW("negative", ok(timer_settime(timer, 0, &t, NULL)));
    SHOW("unknown", ok(syscall(SYS_timer_getoverrun, 12345)));
}

BEHAVIOUR(posix_timer_none)
{
    timer_t timer;
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    SHOW("create", ok(timer_create(CLOCK_MONOTONIC, &e, &timer)));
    struct itimerspec t = {{0, 0}, {100, 0}};
    SHOW("set", ok(timer_settime(timer, 0, &t, NULL)));
    CHECK(timer_gettime(timer, &t) == 0);
    say("runs=%s", yes(t.it_value.tv_sec == 99 || t.it_value.tv_sec == 100));
    pid_t pid = start();
    if (pid == 0)
        _exit(timer_gettime(timer, &t) == -1 && errno == EINVAL ? 0 : 1);
    SHOW("not_inherited", reap(pid));
}

static volatile int thread_value;

static void in_thread(union sigval v)
{
    thread_value = v.sival_int;
}

BEHAVIOUR(posix_timer_thread)
{
    timer_t timer;
    struct sigevent e = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_thread};
    e.sigev_value.sival_int = 9;
    SHOW("create", ok(timer_create(CLOCK_MONOTONIC, &e, &timer)));
    struct itimerspec t = {{0, 0}, {0, 5000000}};
    SHOW("set", ok(timer_settime(timer, 0, &t, NULL)));
    say("ran=%s", yes(EVENTUALLY(thread_value == 9)));
}

BEHAVIOUR(cpu_clock_timer)
{
    timer_t timer = make(CLOCK_PROCESS_CPUTIME_ID, SIGRTMIN, 3);
    struct itimerspec t = {{0, 0}, {0, 20000000}};
    CHECK(timer_settime(timer, 0, &t, NULL) == 0);
    sleep_ms(50);
    say("asleep=%d", count);
    burn_until(1);
    say("burnt=%d", count);
}
