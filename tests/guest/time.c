/* Clocks and sleeping; uname, sysinfo, getrandom. */
#include "guest.h"
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/timex.h>

static const struct { const char *name; clockid_t id; } clocks[] = {
    {"REALTIME", CLOCK_REALTIME}, {"MONOTONIC", CLOCK_MONOTONIC},
    {"PROCESS_CPU", CLOCK_PROCESS_CPUTIME_ID}, {"THREAD_CPU", CLOCK_THREAD_CPUTIME_ID},
    {"MONOTONIC_RAW", CLOCK_MONOTONIC_RAW}, {"REALTIME_COARSE", CLOCK_REALTIME_COARSE},
    {"MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE}, {"BOOTTIME", CLOCK_BOOTTIME},
    {"TAI", CLOCK_TAI}};

BEHAVIOUR(clocks_move_forward)
{
    for (int i = 0; i < COUNT(clocks); i++) {
        long long last = now_us(clocks[i].id), good = 1;
        for (int k = 0; k < 200; k++) {
            long long now = now_us(clocks[i].id);
            good &= now >= last;
            last = now;
        }
        SHOW(clocks[i].name, yes(good));
    }
}

BEHAVIOUR(raw_calls_agree)
{
    /* Once through the vDSO, once through the kernel proper. */
    for (int i = 0; i < COUNT(clocks); i++) {
        struct timespec t;
        long long before = now_us(clocks[i].id);
        CHECK(syscall(SYS_clock_gettime, clocks[i].id, &t) == 0);
        long long raw = t.tv_sec * 1000000ll + t.tv_nsec / 1000;
        sleep_ms(5);    /* coarse clocks tick every 4 ms or so */
        long long after = now_us(clocks[i].id);
        int cpu = i == 2 || i == 3;
        SHOW(clocks[i].name, yes(raw >= before && (cpu || raw <= after)));
    }
}

BEHAVIOUR(clock_errors)
{
    struct timespec t;
    SHOW("unknown", ok(clock_gettime(77, &t)));
    SHOW("res_unknown", ok(clock_getres(77, &t)));
    SHOW("res", ok(clock_getres(CLOCK_MONOTONIC, &t)));
    say("sane=%s", yes(t.tv_sec == 0 && t.tv_nsec >= 1));
    SHOW("res_null", ok(clock_getres(CLOCK_MONOTONIC, NULL)));
    SHOW("fault", ok(syscall(SYS_clock_gettime, CLOCK_REALTIME, bad())));
    drop_root();
    CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);  /* no harm if it were allowed */
    SHOW("set_monotonic", ok(clock_settime(CLOCK_MONOTONIC, &t)));
    SHOW("set_as_user", ok(clock_settime(CLOCK_REALTIME, &t)));
}

BEHAVIOUR(relations)
{
    struct timeval tv;
    struct timespec ts;
    CHECK(gettimeofday(&tv, NULL) == 0 && clock_gettime(CLOCK_REALTIME, &ts) == 0);
    long long a = tv.tv_sec * 1000000ll + tv.tv_usec;
    long long b = ts.tv_sec * 1000000ll + ts.tv_nsec / 1000;
    say("gettimeofday=%s", yes(b >= a && b - a < 5000000));
    time_t t = time(NULL);
    say("time=%s", yes(t >= tv.tv_sec - 1 && t <= tv.tv_sec + 5));
    say("boot_at_least_mono=%s", yes(now_us(CLOCK_BOOTTIME) + 1000 >= now_us(CLOCK_MONOTONIC)));
    say("year=%s", yes(ts.tv_sec > 1500000000));
    struct timezone zone;
    SHOW("timezone", ok(gettimeofday(&tv, &zone)));
}

BEHAVIOUR(nanosleep_call)
{
    struct timespec t = {0, 10000000};
    long long before = now_us(CLOCK_MONOTONIC);
    SHOW("sleep", ok(nanosleep(&t, NULL)));
    say("long_enough=%s", yes(now_us(CLOCK_MONOTONIC) - before >= 10000));
    t = (struct timespec){0, 1000000000};
    SHOW("nsec", ok(nanosleep(&t, NULL)));
    t = (struct timespec){-1, 0};
    SHOW("negative", ok(nanosleep(&t, NULL)));
    t = (struct timespec){0, 0};
    SHOW("zero", ok(nanosleep(&t, NULL)));
    SHOW("fault", ok(raw_nanosleep(bad(), NULL)));
}

BEHAVIOUR(clock_nanosleep_call)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    t.tv_nsec += 15000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    SHOW("absolute", code(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)));
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    say("reached=%s", yes(now.tv_sec > t.tv_sec ||
                          (now.tv_sec == t.tv_sec && now.tv_nsec >= t.tv_nsec)));
    t.tv_sec -= 100;
    SHOW("past", code(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL)));
    SHOW("thread_clock", code(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL)));
    SHOW("unknown", code(clock_nanosleep(77, 0, &t, NULL)));
    t = (struct timespec){0, 1000000};
    SHOW("realtime", code(clock_nanosleep(CLOCK_REALTIME, 0, &t, NULL)));
    SHOW("boottime", code(clock_nanosleep(CLOCK_BOOTTIME, 0, &t, NULL)));
}

BEHAVIOUR(cpu_time_counts_work)
{
    long long before = now_us(CLOCK_PROCESS_CPUTIME_ID);
    sleep_ms(50);
    long long slept = now_us(CLOCK_PROCESS_CPUTIME_ID) - before;
    say("sleeping_is_free=%s", yes(slept < 40000));
    struct tms a, b;
    clock_t start_ticks = times(&a);
    volatile unsigned n = 0;
    long long until = now_us(CLOCK_PROCESS_CPUTIME_ID) + 50000;
    while (now_us(CLOCK_PROCESS_CPUTIME_ID) < until)
        n++;
    clock_t end_ticks = times(&b);
    say("times=%s elapsed=%s", yes(b.tms_utime + b.tms_stime > a.tms_utime + a.tms_stime),
        yes(end_ticks > start_ticks));
    SHOW("fault", ok(syscall(SYS_times, bad())));
    say("clock=%s", yes(clock() > 0));
}

BEHAVIOUR(other_process_clock)
{
    clockid_t clock;
    struct timespec t;
    SHOW("own", code(clock_getcpuclockid(getpid(), &clock)));
    SHOW("read", ok(clock_gettime(clock, &t)));
    SHOW("nobody", code(clock_getcpuclockid(INT_MAX / 16, &clock)));
}

BEHAVIOUR(uname_fields)
{
    struct utsname u;
    SHOW("call", ok(uname(&u)));
    SHOW("sysname", u.sysname);
#ifdef __x86_64__
    SHOW("machine", u.machine);
#endif
    int major = 0, minor = -1;
    say("release=%s", yes(sscanf(u.release, "%d.%d", &major, &minor) == 2 && major >= 5));
    say("version=%s", yes(u.version[0] == '#'));
    char name[80];
    CHECK(gethostname(name, sizeof name) == 0);
    say("hostname_same=%s", yes(!strcmp(name, u.nodename)));
    SHOW("fault", ok(uname(bad())));
    SHOW("fenced", ok(uname(fence(sizeof u))));
    drop_root();
    SHOW("sethostname", ok(sethostname(u.nodename, strlen(u.nodename))));
    SHOW("setdomainname", ok(setdomainname(u.domainname, strlen(u.domainname))));
}

BEHAVIOUR(sysinfo_sane)
{
    struct sysinfo s;
    SHOW("call", ok(sysinfo(&s)));
    say("uptime=%s", yes(s.uptime > 0));
    say("ram=%s free=%s unit=%s", yes(s.totalram > 0), yes(s.freeram <= s.totalram),
        yes(s.mem_unit >= 1));
    say("procs=%s swap=%s", yes(s.procs >= 1), yes(s.freeswap <= s.totalswap));
    struct timespec t;
    CHECK(clock_gettime(CLOCK_BOOTTIME, &t) == 0);
    say("uptime_is_boottime=%s", yes(labs((long)(t.tv_sec - s.uptime)) <= 2));
    SHOW("fault", ok(sysinfo(bad())));
    say("nprocs=%s", yes(get_nprocs() >= 1 && sysconf(_SC_NPROCESSORS_CONF) >= 1));
}

BEHAVIOUR(getrandom_call)
{
    unsigned char a[64] = {0}, b[64] = {0};
    SHOW("get", ret(getrandom(a, sizeof a, 0)));
    SHOW("again", ret(getrandom(b, sizeof b, GRND_NONBLOCK)));
    say("differ=%s", yes(memcmp(a, b, 64)));
    SHOW("random_pool", ret(getrandom(a, 16, GRND_RANDOM)));
    SHOW("insecure", ret(getrandom(a, 16, GRND_INSECURE)));
    SHOW("both", ret(getrandom(a, 16, GRND_INSECURE | GRND_RANDOM)));
    SHOW("flags", ret(getrandom(a, 16, 0x100)));
    SHOW("zero", ret(getrandom(a, 0, 0)));
    SHOW("fault", ret(getrandom(bad(), 16, 0)));
    SHOW("fenced", ret(getrandom(fence(33), 33, 0)));
    SHOW("large", ret(getrandom(malloc(100000), 100000, 0)));
}

BEHAVIOUR(adjtimex_reads)
{
    struct timex t = {.modes = 0};
    int r = adjtimex(&t);
    say("state=%s tick=%s", yes(r >= 0 && r <= 5), yes(t.tick > 0));
    drop_root();
    t.modes = ADJ_FREQUENCY;        /* to what it is */
    SHOW("set_as_user", ok(adjtimex(&t)));
    struct timeval tv;
    CHECK(gettimeofday(&tv, NULL) == 0);
    SHOW("settimeofday", ok(settimeofday(&tv, NULL)));
}
