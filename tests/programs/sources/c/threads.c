// Threads, mutex, condition, thread-local storage, cancellation and once; prints what must be stable.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <semaphore.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int next, total;
static _Thread_local int mine;
static sem_t sem;

static void *worker(void *arg)
{
	int me = (int)(long)arg;
	for (int i = 0; i < 25; i++) {
		pthread_mutex_lock(&lock);
		while (next % 4 != me)
			pthread_cond_wait(&turn, &lock);
		total += me;
		mine++;
		next++;
		pthread_cond_broadcast(&turn);
		pthread_mutex_unlock(&lock);
	}
	return (void *)(long)mine;
}

static void cleanup(void *what) { printf("cleanup %s\n", (char *)what); }

static void *sleeper(void *arg)
{
	pthread_cleanup_push(cleanup, arg);
	sem_post(&sem);
	for (;;)
		sleep(10);
	pthread_cleanup_pop(0);
	return NULL;
}

int main(void)
{
	pthread_t t[4], s;
	void *result;
	for (long i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, worker, (void *)i))
			return 1;
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &result);
		printf("thread %d: %ld\n", i, (long)result);
	}
	printf("total %d, mine %d\n", total, mine);
	sem_init(&sem, 0, 0);
	pthread_create(&s, NULL, sleeper, "sleeper");
	sem_wait(&sem);
	pthread_cancel(s);
	pthread_join(s, &result);
	printf("cancelled %d\n", result == PTHREAD_CANCELED);
	for (int i = 0; i < 200; i++) {
		pthread_create(&s, NULL, (void *(*)(void *))strdup, "x");
		pthread_join(s, &result);
		free(result);
	}
	puts("many");
	return 0;
}
