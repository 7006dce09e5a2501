/* Threads as programs use them: create, join, locks, TLS, cancellation. */
#include "guest.h"
#include <pthread.h>
#include <semaphore.h>

static volatile int shared;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void *returns(void *value)
{
    return (char *)value + 1;
}

BEHAVIOUR(create_and_join)
{
    pthread_t t;
    void *result;
    SHOW("create", code(pthread_create(&t, NULL, returns, (void *)41)));
    SHOW("join", code(pthread_join(t, &result)));
    say("result=%ld", (long)result);
    CHECK(pthread_create(&t, NULL, returns, NULL) == 0);
    SHOW("detach", code(pthread_detach(t)));
    SHOW("self_join", code(pthread_join(pthread_self(), NULL)));
}

static void *identity(void *ids)
{
    int *out = ids;
    out[0] = getpid();
    out[1] = syscall(SYS_gettid);
    out[2] = getppid();
    return NULL;
}

BEHAVIOUR(identity_of_threads)
{
    pthread_t t;
    int ids[3];
    CHECK(pthread_create(&t, NULL, identity, ids) == 0 && pthread_join(t, NULL) == 0);
    say("same_pid=%s own_tid=%s same_parent=%s", yes(ids[0] == getpid()),
        yes(ids[1] != getpid() && ids[1] > 0), yes(ids[2] == getppid()));
}

static void *adds(void *unused UNUSED)
{
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&mutex);
        shared = shared + 1;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

BEHAVIOUR(mutex_excludes)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&t[i], NULL, adds, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    say("sum=%d", shared);
}

BEHAVIOUR(mutex_kinds)
{
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    pthread_mutexattr_init(&a);
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m, &a);
    SHOW("lock", code(pthread_mutex_lock(&m)));
    SHOW("relock", code(pthread_mutex_lock(&m)));
    SHOW("trylock", code(pthread_mutex_trylock(&m)));
    SHOW("unlock", code(pthread_mutex_unlock(&m)));
    SHOW("unlock_again", code(pthread_mutex_unlock(&m)));
    pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&m, &a);
    pthread_mutex_lock(&m);
    SHOW("recursive", code(pthread_mutex_lock(&m)));
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    pthread_mutex_lock(&mutex);
    SHOW("timedlock", code(pthread_mutex_timedlock(&mutex, &t)));
}

static void *ping(void *unused UNUSED)
{
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&mutex);
        while (shared % 2 == 0)
            pthread_cond_wait(&cond, &mutex);
        shared = shared + 1;
        pthread_cond_signal(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

BEHAVIOUR(condition_ping_pong)
{
    pthread_t t;
    CHECK(pthread_create(&t, NULL, ping, NULL) == 0);
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&mutex);
        while (shared % 2 == 1)
            pthread_cond_wait(&cond, &mutex);
        shared = shared + 1;
        pthread_cond_signal(&cond);
        pthread_mutex_unlock(&mutex);
    }
    pthread_join(t, NULL);
    say("rounds=%d", shared);
}

static void *waits(void *unused UNUSED)
{
    pthread_mutex_lock(&mutex);
    shared++;
    while (shared < 100)
        pthread_cond_wait(&cond, &mutex);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

BEHAVIOUR(broadcast_and_timeout)
{
    pthread_t t[5];
    for (int i = 0; i < 5; i++)
        CHECK(pthread_create(&t[i], NULL, waits, NULL) == 0);
    EVENTUALLY(shared == 5);
    pthread_mutex_lock(&mutex);
    shared = 100;
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    int joined = 0;
    for (int i = 0; i < 5; i++)
        joined += pthread_join(t[i], NULL) == 0;
    say("joined=%d", joined);
    struct timespec when;
    clock_gettime(CLOCK_REALTIME, &when);
    when.tv_nsec += 5000000;
    if (when.tv_nsec >= 1000000000)
        when.tv_sec++, when.tv_nsec -= 1000000000;
    pthread_mutex_lock(&mutex);
    SHOW("timedwait", code(pthread_cond_timedwait(&cond, &mutex, &when)));
}

static pthread_barrier_t barrier;
static volatile int arrived, serial, early;

static void *arrives(void *unused UNUSED)
{
    __atomic_add_fetch(&arrived, 1, __ATOMIC_SEQ_CST);
    int r = pthread_barrier_wait(&barrier);
    if (arrived != 4)
        early++;
    if (r == PTHREAD_BARRIER_SERIAL_THREAD)
        __atomic_add_fetch(&serial, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

BEHAVIOUR(barrier_wait)
{
    pthread_t t[3];
    pthread_barrier_init(&barrier, NULL, 4);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&t[i], NULL, arrives, NULL) == 0);
    arrives(NULL);
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    say("arrived=%d early=%d serial=%d", arrived, early, serial);
}

static __thread int tls = 7;
static __thread char tls_block[100];

static void *touches_tls(void *out)
{
    int fresh = tls == 7 && tls_block[50] == 0;
    tls = 99;
    tls_block[50] = 'x';
    *(int *)out = fresh;
    return &tls;
}

BEHAVIOUR(thread_local_storage)
{
    pthread_t t;
    int fresh = 0;
    void *theirs;
    tls = 8;
    CHECK(pthread_create(&t, NULL, touches_tls, &fresh) == 0 && pthread_join(t, &theirs) == 0);
    say("fresh=%s mine=%d distinct=%s", yes(fresh), tls, yes(theirs != &tls));
    pid_t pid = start();
    if (pid == 0)
        _exit(tls);
    SHOW("in_child", reap(pid));
}

static pthread_key_t key;

static void destroys(void *value)
{
    shared += (int)(intptr_t)value;
}

static void *sets_key(void *value)
{
    pthread_setspecific(key, value);
    return pthread_getspecific(key);
}

BEHAVIOUR(specific_keys)
{
    pthread_t t;
    void *result;
    CHECK(pthread_key_create(&key, destroys) == 0);
    CHECK(pthread_create(&t, NULL, sets_key, (void *)5) == 0 && pthread_join(t, &result) == 0);
    say("value=%ld destroyed=%d mine=%s", (long)result, shared,
        yes(pthread_getspecific(key) == NULL));
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void initialises(void)
{
    shared++;
}

static void *calls_once(void *unused UNUSED)
{
    pthread_once(&once, initialises);
    return NULL;
}

BEHAVIOUR(once_only)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&t[i], NULL, calls_once, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    say("ran=%d", shared);
}

static void cleans(void *unused UNUSED)
{
    shared += 10;
}

static void *sleeps(void *unused UNUSED)
{
    pthread_cleanup_push(cleans, NULL);
    shared = 1;
    for (;;)
        sleep_ms(1000);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *reads_for_ever(void *fd)
{
    char c;
    shared = 1;
    return (void *)(intptr_t)read((int)(intptr_t)fd, &c, 1);
}

BEHAVIOUR(cancellation)
{
    pthread_t t;
    void *result;
    CHECK(pthread_create(&t, NULL, sleeps, NULL) == 0);
    EVENTUALLY(shared == 1);
    SHOW("cancel", code(pthread_cancel(t)));
    SHOW("join", code(pthread_join(t, &result)));
    say("cancelled=%s cleaned=%d", yes(result == PTHREAD_CANCELED), shared);
    int p[2];
    CHECK(pipe(p) == 0);
    shared = 0;
    CHECK(pthread_create(&t, NULL, reads_for_ever, (void *)(intptr_t)p[0]) == 0);
    EVENTUALLY(shared == 1);
    sleep_ms(10);
    CHECK(pthread_cancel(t) == 0 && pthread_join(t, &result) == 0);
    say("blocked_read=%s", yes(result == PTHREAD_CANCELED));
}

BEHAVIOUR(rwlock)
{
    pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
    SHOW("read", code(pthread_rwlock_rdlock(&lock)));
    SHOW("read_too", code(pthread_rwlock_tryrdlock(&lock)));
    SHOW("write", code(pthread_rwlock_trywrlock(&lock)));
    pthread_rwlock_unlock(&lock);
    pthread_rwlock_unlock(&lock);
    SHOW("write", code(pthread_rwlock_trywrlock(&lock)));
    SHOW("read", code(pthread_rwlock_tryrdlock(&lock)));
}

static sem_t *sem;

BEHAVIOUR(semaphores)
{
    sem = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(sem_init(sem, 1, 0) == 0);
    SHOW("trywait", ok(sem_trywait(sem)));
    pid_t pid = start();
    if (pid == 0) {
        sleep_ms(20);
        _exit(sem_post(sem));
    }
    SHOW("wait", ok(sem_wait(sem)));
    SHOW("child", reap(pid));
    struct timespec t = {1, 0};
    SHOW("timedwait", ok(sem_timedwait(sem, &t)));
}

static void *makes_file(void *unused UNUSED)
{
    return (void *)(intptr_t)open("by_thread", O_RDWR | O_CREAT, 0644);
}

BEHAVIOUR(shared_process_state)
{
    pthread_t t;
    void *fd;
    CHECK(mkdir("d", 0755) == 0);
    CHECK(pthread_create(&t, NULL, makes_file, NULL) == 0 && pthread_join(t, &fd) == 0);
    SHOW("fd_works", ret(write((int)(intptr_t)fd, "x", 1)));
    umask(0);
    CHECK(chdir("d") == 0);
    CHECK(pthread_create(&t, NULL, makes_file, NULL) == 0 && pthread_join(t, &fd) == 0);
    SHOW("cwd_shared", ok(access("../d/by_thread", F_OK)));
}

BEHAVIOUR(many_threads)
{
    enum { N = 60 };
    pthread_t t[N];
    int made = 0, joined = 0;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (int i = 0; i < N; i++)
        made += pthread_create(&t[i], &small, returns, NULL) == 0;
    for (int i = 0; i < N; i++)
        joined += pthread_join(t[i], NULL) == 0;
    say("made=%d joined=%d", made, joined);
}
