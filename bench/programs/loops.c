// One loop per row of the benchmark: runs for about the time given and prints nanoseconds a turn.
// usage: loops NAME MILLISECONDS [TURNS_PER_BATCH]
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int zero, null, ends[2];
static char *self, page[65536];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static int whose, stop;

static long now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		exit(1);
	}
}

static void do_getppid(void) { syscall(SYS_getppid); }
static void do_read(void) { must(read(zero, page, 1) == 1, "read"); }
static void do_write(void) { must(write(null, page, 1) == 1, "write"); }
static void do_read64k(void) { must(read(zero, page, sizeof page) == sizeof page, "read"); }
static void do_pipe(void)
{
	must(write(ends[1], page, 1) == 1 && read(ends[0], page, 1) == 1, "pipe");
}
static void do_stat(void)
{
	struct stat s;
	must(stat("/usr/bin/env", &s) == 0, "stat");
}
static void do_open(void)
{
	struct stat s;
	int fd = open("/usr/bin/env", O_RDONLY);
	must(fd >= 0 && fstat(fd, &s) == 0 && close(fd) == 0, "open");
}
static void do_mmap(void)
{
	char *p = mmap(NULL, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(p != MAP_FAILED, "mmap");
	*p = 1;
	munmap(p, 1 << 16);
}
static void reap(pid_t p)
{
	int status;
	must(p > 0 && waitpid(p, &status, 0) == p && status == 0, "wait");
}
static void do_fork(void)
{
	pid_t p = fork();
	if (p == 0)
		_exit(0);
	reap(p);
}
static void do_exec(void)
{
	pid_t p = fork();
	if (p == 0) {
		execl(self, self, "exit", NULL);
		_exit(1);
	}
	reap(p);
}
static void do_spawn(void)
{
	pid_t p = -1;
	char *argv[] = { self, "exit", NULL };
	posix_spawn(&p, self, NULL, NULL, argv, NULL);
	reap(p);
}
static void *nothing(void *x) { return x; }
static void do_thread(void)
{
	pthread_t t;
	must(pthread_create(&t, NULL, nothing, NULL) == 0, "pthread_create");
	pthread_join(t, NULL);
}
static void *partner(void *x)
{
	pthread_mutex_lock(&lock);
	while (!stop) {
		while (!whose && !stop)
			pthread_cond_wait(&turn, &lock);
		whose = 0;
		pthread_cond_signal(&turn);
	}
	pthread_mutex_unlock(&lock);
	return x;
}
static void do_pingpong(void)
{
	static pthread_t t;
	if (!t)
		pthread_create(&t, NULL, partner, NULL);
	pthread_mutex_lock(&lock);
	whose = 1;
	pthread_cond_signal(&turn);
	while (whose)
		pthread_cond_wait(&turn, &lock);
	pthread_mutex_unlock(&lock);
}
static void on_signal(int s) { (void)s; }
static void do_signal(void) { raise(SIGUSR1); }

static const struct loop {
	const char *name;
	void (*once)(void);
	int batch; // turns between two looks at the clock
} loops[] = {
	{ "getppid", do_getppid, 50 }, { "read", do_read, 50 },	      { "write", do_write, 50 },
	{ "read64k", do_read64k, 20 }, { "pipe", do_pipe, 20 },	      { "stat", do_stat, 10 },
	{ "open", do_open, 10 },       { "mmap", do_mmap, 10 },	      { "fork", do_fork, 2 },
	{ "exec", do_exec, 2 },	       { "spawn", do_spawn, 2 },      { "thread", do_thread, 2 },
	{ "pingpong", do_pingpong, 5 }, { "signal", do_signal, 10 },
};

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "exit"))
		return 0;
	must(argc > 2, "usage: loops NAME MILLISECONDS");
	self = argv[0];
	zero = open("/dev/zero", O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	must(zero >= 0 && null >= 0 && pipe(ends) == 0, "open");
	signal(SIGUSR1, on_signal);
	for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
		const struct loop *l = &loops[i];
		if (strcmp(l->name, argv[1]))
			continue;
		l->once();
		long turns = 0, begin = now_ns(), span = atol(argv[2]) * 1000000L, took;
		do {
			for (int n = 0; n < l->batch; n++)
				l->once();
			turns += l->batch;
			took = now_ns() - begin;
		} while (took < span);
		printf("%.1f\n", (double)took / turns);
		return 0;
	}
	fprintf(stderr, "no such loop\n");
	return 2;
}
