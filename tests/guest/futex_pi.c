/* Priority-inheriting futexes and mutex kinds built on them. */
#include "guest.h"
#include <linux/futex.h>
#include <pthread.h>

static volatile uint32_t word;

static long futex(int op, const struct timespec *timeout)
{
    return syscall(SYS_futex, &word, op, 0, timeout, NULL, 0);
}

static uint32_t me(void)
{
    return syscall(SYS_gettid);
}

BEHAVIOUR(uncontended)
{
    SHOW("lock", ok(futex(FUTEX_LOCK_PI, NULL)));
    say("owner=%s", yes(word == me()));
    SHOW("deadlock", ok(futex(FUTEX_LOCK_PI, NULL)));
    SHOW("trylock_own", ok(futex(FUTEX_TRYLOCK_PI, NULL)));
    SHOW("unlock", ok(futex(FUTEX_UNLOCK_PI, NULL)));
    say("word=%u", word);
    SHOW("unlock_again", ok(futex(FUTEX_UNLOCK_PI, NULL)));
    SHOW("trylock", ok(futex(FUTEX_TRYLOCK_PI, NULL)));
    say("owner=%s", yes(word == me()));
}

BEHAVIOUR(bad_owner)
{
    word = 0x3fffffff;      /* nobody has that tid */
    SHOW("lock", ok(futex(FUTEX_LOCK_PI, NULL)));
    word = me() ^ 0x1;
    SHOW("unlock_others", ok(futex(FUTEX_UNLOCK_PI, NULL)));
}

static volatile int stage;

static void *holder(void *unused UNUSED)
{
    CHECK(futex(FUTEX_LOCK_PI_PRIVATE, NULL) == 0);
    stage = 1;
    EVENTUALLY(word & FUTEX_WAITERS);
    sleep_ms(10);
    stage = 2;
    if (futex(FUTEX_UNLOCK_PI_PRIVATE, NULL) == -1)
        stage = 99;
    return NULL;
}

BEHAVIOUR(contended)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, holder, NULL) == 0);
    EVENTUALLY(stage == 1);
    SHOW("trylock", ok(futex(FUTEX_TRYLOCK_PI_PRIVATE, NULL)));
    SHOW("lock", ok(futex(FUTEX_LOCK_PI_PRIVATE, NULL)));
    say("stage=%d owner=%s", stage, yes((word & FUTEX_TID_MASK) == me()));
    SHOW("unlock", ok(futex(FUTEX_UNLOCK_PI_PRIVATE, NULL)));
    pthread_join(thread, NULL);
    say("free=%s", yes((word & FUTEX_TID_MASK) == 0));
}

static void *keeper(void *unused UNUSED)
{
    CHECK(futex(FUTEX_LOCK_PI_PRIVATE, NULL) == 0);
    stage = 1;
    EVENTUALLY(stage == 2);
    futex(FUTEX_UNLOCK_PI_PRIVATE, NULL);
    return NULL;
}

BEHAVIOUR(timed_out)
{
    pthread_t thread;
    struct timespec t;
    CHECK(pthread_create(&thread, NULL, keeper, NULL) == 0);
    EVENTUALLY(stage == 1);
    CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
    t.tv_nsec += 20000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    SHOW("lock", ok(futex(FUTEX_LOCK_PI_PRIVATE, &t)));
    stage = 2;
    pthread_join(thread, NULL);
}

static pthread_mutex_t mutex;
static volatile int order;

static void *locks(void *unused UNUSED)
{
    pthread_mutex_lock(&mutex);
    order = 2;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

BEHAVIOUR(pi_mutex)
{
    pthread_mutexattr_t attr;
    pthread_t thread;
    pthread_mutexattr_init(&attr);
    SHOW("protocol", code(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT)));
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    SHOW("init", code(pthread_mutex_init(&mutex, &attr)));
    SHOW("lock", code(pthread_mutex_lock(&mutex)));
    SHOW("relock", code(pthread_mutex_lock(&mutex)));
    CHECK(pthread_create(&thread, NULL, locks, NULL) == 0);
    sleep_ms(20);
    order = 1;
    SHOW("unlock", code(pthread_mutex_unlock(&mutex)));
    pthread_join(thread, NULL);
    say("order=%d", order);
}

BEHAVIOUR(robust_pi_mutex)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    SHOW("init", code(pthread_mutex_init(shared, &attr)));
    pid_t pid = start();
    if (pid == 0) {
        pthread_mutex_lock(shared);
        _exit(0);
    }
    SHOW("child", reap(pid));
    SHOW("lock", code(pthread_mutex_lock(shared)));
}
