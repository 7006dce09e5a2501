/* futex(2): waiting, waking, requeueing, bitsets, robust lists. */
#include "guest.h"
#include <linux/futex.h>
#include <pthread.h>

static long futex(volatile uint32_t *word, int op, uint32_t value, const struct timespec *timeout,
                  volatile uint32_t *second, uint32_t third)
{
    return syscall(SYS_futex, word, op, value, timeout, second, third);
}

/* The limit of a requeue travels in the timeout argument. */
static long requeue(volatile uint32_t *from, volatile uint32_t *to, int op, int wake, int move,
                    uint32_t expected)
{
    return syscall(SYS_futex, from, op, wake, (long)move, to, expected);
}

static volatile uint32_t word, other;
static volatile int woken;

static void *waiter(void *at)
{
    volatile uint32_t *where = at;
    futex(where, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static pthread_t threads[8];

static void start_waiters(int n)
{
    for (int i = 0; i < n; i++)
        CHECK(pthread_create(&threads[i], NULL, waiter, (void *)&word) == 0);
}

static void join(int n)
{
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
}

BEHAVIOUR(value_differs)
{
    word = 1;
    SHOW("wait", ok(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0)));
    SHOW("private", ok(futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0)));
    SHOW("bitset", ok(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, ~0u)));
}

BEHAVIOUR(nobody_to_wake)
{
    SHOW("wake", ret(futex(&word, FUTEX_WAKE, 10, NULL, NULL, 0)));
    SHOW("zero", ret(futex(&word, FUTEX_WAKE, 0, NULL, NULL, 0)));
    SHOW("requeue", ret(requeue(&word, &other, FUTEX_REQUEUE, 1, 1, 0)));
    SHOW("cmp_requeue", ret(requeue(&word, &other, FUTEX_CMP_REQUEUE, 1, 1, 0)));
    SHOW("cmp_differs", ret(requeue(&word, &other, FUTEX_CMP_REQUEUE, 1, 1, 5)));
}

BEHAVIOUR(timeouts)
{
    struct timespec t = {0, 20000000};
    long long before = now_us(CLOCK_MONOTONIC);
    SHOW("relative", ok(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0)));
    say("waited=%s", yes(now_us(CLOCK_MONOTONIC) - before >= 20000));
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    t.tv_sec -= 1;
    SHOW("absolute_past", ok(futex(&word, FUTEX_WAIT_BITSET, 0, &t, NULL, ~0u)));
    CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
    SHOW("realtime", ok(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, ~0u)));
    t = (struct timespec){0, 1000000000};
    SHOW("bad_nsec", ok(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0)));
    t = (struct timespec){-1, 0};
    SHOW("negative", ok(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0)));
    SHOW("fault", ok(futex(&word, FUTEX_WAIT, 0, bad(), NULL, 0)));
    t = (struct timespec){0, 0};
    SHOW("zero", ok(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0)));
}

BEHAVIOUR(errors)
{
    volatile uint32_t *odd = (void *)((char *)&word + 1);
    SHOW("misaligned", ok(futex(odd, FUTEX_WAIT, 0, NULL, NULL, 0)));
    SHOW("misaligned_wake", ok(futex(odd, FUTEX_WAKE, 1, NULL, NULL, 0)));
    SHOW("fault", ok(futex(bad(), FUTEX_WAIT, 0, NULL, NULL, 0)));
    SHOW("fault_private", ok(futex(bad(), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0)));
    SHOW("unknown", ok(futex(&word, 99, 0, NULL, NULL, 0)));
    SHOW("bitset_0", ok(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0)));
    SHOW("wake_bitset_0", ok(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0)));
    SHOW("clock_on_wake", ok(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0)));
    SHOW("negative_requeue", ret(requeue(&word, &other, FUTEX_CMP_REQUEUE, -1, 1, 0)));
    SHOW("fd", ok(futex(&word, 2, 0, NULL, NULL, 0)));
}

BEHAVIOUR(wake_counts)
{
    start_waiters(4);
    int first = 0, all = 1;
    EVENTUALLY((first += futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0)) == 1);
    say("one=%d", first);
    EVENTUALLY((all += futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0)) == 4);
    say("all=%d", all);
    join(4);
    say("woken=%d", woken);
}

BEHAVIOUR(private_and_shared_differ)
{
    start_waiters(1);
    sleep_ms(20);
    SHOW("shared_wake", ret(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0)));
    int n = 0;
    EVENTUALLY((n = futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0)) == 1);
    say("private_wake=%d", n);
    join(1);
}

BEHAVIOUR(requeue_moves)
{
    start_waiters(5);
    /* Wait until all five sleep: move them to and fro without waking. */
    EVENTUALLY(({
        long there = requeue(&word, &other, FUTEX_REQUEUE_PRIVATE, 0, 100, 0);
        requeue(&other, &word, FUTEX_REQUEUE_PRIVATE, 0, 100, 0);
        there == 5;
    }));
    SHOW("wake_1_move_2", ret(requeue(&word, &other, FUTEX_CMP_REQUEUE_PRIVATE, 1, 2, 0)));
    SHOW("left", ret(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0)));
    SHOW("moved", ret(futex(&other, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0)));
    join(5);
    say("woken=%d", woken);
    word = 3;
    SHOW("differs", ret(requeue(&word, &other, FUTEX_CMP_REQUEUE_PRIVATE, 1, 1, 0)));
}

static void *bit_waiter(void *bits)
{
    futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(uintptr_t)bits);
    __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

BEHAVIOUR(bitsets_select)
{
    CHECK(pthread_create(&threads[0], NULL, bit_waiter, (void *)1) == 0);
    CHECK(pthread_create(&threads[1], NULL, bit_waiter, (void *)2) == 0);
    sleep_ms(20);
    SHOW("bit_4", ret(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 4)));
    int n = 0;
    EVENTUALLY((n += futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 2)) == 1);
    say("bit_2=%d", n);
    pthread_join(threads[1], NULL);
    say("woken=%d", woken);
    n = 0;
    EVENTUALLY((n += futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0)) == 1);
    pthread_join(threads[0], NULL);
    say("woken=%d", woken);
}

BEHAVIOUR(wake_op)
{
    /* other: 5 -> 5 + 3, and wakes there if the old value was over 4. */
    int op = FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 4);
    other = 5;
    SHOW("call", ret(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1L, &other, op)));
    say("value=%u", other);
    op = FUTEX_OP(FUTEX_OP_SET, 9, FUTEX_OP_CMP_EQ, 0);
    SHOW("set", ret(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1L, &other, op)));
    say("value=%u", other);
    op = FUTEX_OP(FUTEX_OP_ANDN, 1, FUTEX_OP_CMP_EQ, 0);
    syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1L, &other, op);
    say("andn=%u", other);
    op = FUTEX_OP(FUTEX_OP_XOR | FUTEX_OP_OPARG_SHIFT, 2, FUTEX_OP_CMP_EQ, 0);
    syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1L, &other, op);
    say("xor_shift=%u", other);
    SHOW("fault", ok(syscall(SYS_futex, &word, FUTEX_WAKE_OP, 1, 1L, bad(), op)));
}

BEHAVIOUR(across_processes)
{
    volatile uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = start();
    if (pid == 0)
        _exit(futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 0 : 1);
    int n = 0;
    EVENTUALLY((n += futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0)) == 1);
    say("woke=%d child=%s", n, reap(pid));
}

BEHAVIOUR(shared_file_mappings_meet)
{
    make_file("f", "12345678");
    int fd = MUST(open("f", O_RDWR));
    CHECK(pwrite(fd, "\0\0\0\0", 4, 0) == 4);
    volatile uint32_t *a = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    pid_t pid = start();
    if (pid == 0) {
        volatile uint32_t *b = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        _exit(futex(b, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 ? 0 : 1);
    }
    int n = 0;
    EVENTUALLY((n += futex(a, FUTEX_WAKE, 1, NULL, NULL, 0)) == 1);
    say("woke=%d child=%s", n, reap(pid));
}

BEHAVIOUR(interrupted)
{
    interrupt_every(10, guest_ignore, 0);
    SHOW("wait", ok(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0)));
    struct timespec t = {5, 0};
    SHOW("timed", ok(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0)));
    interrupt_every(0, NULL, 0);
}

static volatile sig_atomic_t ticks;

static void release_later(int signo UNUSED)
{
    if (++ticks == 3)
        word = 1;
}

BEHAVIOUR(restarted)
{
    /* SA_RESTART: waits again, and then finds that the value changed. */
    interrupt_every(10, release_later, SA_RESTART);
    SHOW("wait", ok(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0)));
    say("ticks=%s", yes(ticks >= 3));
    interrupt_every(0, NULL, 0);
}

BEHAVIOUR(robust_list_calls)
{
    struct robust_list_head head = {{&head.list}, 0, NULL}, *got;
    size_t size = 0;
    SHOW("set", ok(syscall(SYS_set_robust_list, &head, sizeof head)));
    SHOW("size", ok(syscall(SYS_set_robust_list, &head, 1)));
    SHOW("get", ok(syscall(SYS_get_robust_list, 0, &got, &size)));
    say("same=%s size=%s", yes(got == &head), yes(size == sizeof head));
    SHOW("nobody", ok(syscall(SYS_get_robust_list, INT_MAX, &got, &size)));
    SHOW("fault", ok(syscall(SYS_get_robust_list, 0, bad(), &size)));
}

BEHAVIOUR(robust_mutex_owner_dies)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t *mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(mutex, &attr) == 0);
    pid_t pid = start();
    if (pid == 0) {
        pthread_mutex_lock(mutex);
        _exit(0);
    }
    SHOW("child", reap(pid));
    SHOW("lock", code(pthread_mutex_lock(mutex)));
    SHOW("consistent", code(pthread_mutex_consistent(mutex)));
    SHOW("unlock", code(pthread_mutex_unlock(mutex)));
    SHOW("again", code(pthread_mutex_lock(mutex)));
}

BEHAVIOUR(robust_mutex_wakes_waiter)
{
    pthread_mutexattr_t attr;
    struct { pthread_mutex_t mutex; volatile int held; } *s =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(&s->mutex, &attr) == 0);
    pid_t pid = start();
    if (pid == 0) {
        pthread_mutex_lock(&s->mutex);
        s->held = 1;
        pause();
    }
    EVENTUALLY(s->held);
    pid_t killer = start();
    if (killer == 0) {
        sleep_ms(30);
        kill(pid, SIGKILL);
        _exit(0);
    }
    SHOW("lock", code(pthread_mutex_lock(&s->mutex)));
    SHOW("owner", reap(pid));
    reap(killer);
}
