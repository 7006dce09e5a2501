/* Threads that compete: a mutex, a condition variable, thread-local words, and the clock. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { THREADS = 4, ROUNDS = 60 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int whose, order[THREADS * ROUNDS], taken;
static __thread unsigned mine;

static void *run(void *argument)
{
    int number = (int)(long)argument;
    for (int round = 0; round < ROUNDS; round++) {
        for (volatile int i = 0; i < 20000 * (number + 1); i++)
            mine += i;
        pthread_mutex_lock(&lock);
        while (round % 3 == 0 && whose % THREADS != number)
            pthread_cond_wait(&turn, &lock);
        whose += round % 3 == 0;
        order[taken++] = number;
        pthread_cond_broadcast(&turn);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    unsigned random = 0;
    struct timespec now;
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, run, (void *)i))
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    unsigned long hash = 5381;
    for (int i = 0; i < taken; i++)
        hash = hash * 33 + order[i];
    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return 1;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%d %lx %x %ld.%09ld\n", taken, hash, random, (long)now.tv_sec, now.tv_nsec);
    return 0;
}
