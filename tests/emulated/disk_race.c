/*
 * The race of a parked O_DIRECT transfer with the rest of the program.
 *
 *     disk_race DISK CASE...
 *
 * A thread reads DISK (whose every sector starts with its number) into a buffer and waits for the
 * drive. While the DMA goes on, the main thread pulls the buffer away. What it maps instead, and
 * what it fills with memory that was just given back, must stay as it is; and the transfer must
 * end where it was told to. Prints one line per case.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, SIZE = 64 * PAGE, GRAB = 4 * SIZE, SECTOR = 512 };

static const char *disk;
static unsigned char *buffer;
static int fd, writing;
static volatile pid_t tid;
static volatile ssize_t result;
static volatile int failure;

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	fflush(stdout);
	_exit(2);
}

static void *map(void *at, size_t size, int fixed)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (fixed ? MAP_FIXED : 0);
	void *p = mmap(at, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void *transfer(void *unused)
{
	tid = syscall(SYS_gettid);
	result = writing ? pwrite(fd, buffer, SIZE, 0) : pread(fd, buffer, SIZE, 0);
	failure = errno;
	return unused;
}

/* The state letter of a thread: D while it waits for the drive. */
static char state_of(pid_t pid, pid_t thread)
{
	char path[64], text[512] = "";
	snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, thread);
	FILE *f = fopen(path, "r");
	if (!f)
		return '?';
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = 0;
	char *p = strrchr(text, ')');
	return p ? p[2] : '?';
}

static pthread_t start(int write)
{
	pthread_t thread;
	writing = write;
	tid = 0;
	result = -2;
	if (pthread_create(&thread, NULL, transfer, NULL))
		die("pthread_create");
	while (!tid || state_of(getpid(), tid) != 'D')
		if (result != -2)
			break;
	/* On the host the drive may be faster than we are: the results are the same. */
	return thread;
}

/* How many of the sectors at p are those of the disk. */
static int sectors(const unsigned char *p)
{
	int found = 0;
	for (int n = 0; n < SIZE / SECTOR; n++) {
		uint32_t number;
		memcpy(&number, p + n * SECTOR, 4);
		found += number == (uint32_t)n + 1;
	}
	return found;
}

/* How many bytes of p are not the pattern. */
static size_t spoilt(const unsigned char *p, size_t size, int pattern)
{
	size_t found = 0;
	for (size_t n = 0; n < size; n++)
		found += p[n] != pattern;
	return found;
}

static unsigned char *grab(int pattern)
{
	unsigned char *p = map(NULL, GRAB, 0);
	memset(p, pattern, GRAB);
	return p;
}

static void end(pthread_t thread, const char *name)
{
	pthread_join(thread, NULL);
	printf("%s: %zd", name, result);
	if (result < 0)
		printf(" %s", strerror(failure));
}

/* The buffer is unmapped, and its place and its frames go to others. */
static void unmap(void)
{
	pthread_t t = start(0);
	munmap(buffer, SIZE);
	unsigned char *mine = map(buffer, SIZE, 1);
	memset(mine, 0x5a, SIZE);
	unsigned char *other = grab(0xa5);
	end(t, "unmap");
	printf(", new page spoilt %zu, others %zu\n", spoilt(mine, SIZE, 0x5a),
	       spoilt(other, GRAB, 0xa5));
	munmap(other, GRAB);
}

/* Mapped over in one step. */
static void over(void)
{
	pthread_t t = start(0);
	unsigned char *mine = map(buffer, SIZE, 1);
	unsigned char *other = grab(0xa5);
	end(t, "over");
	printf(", new page spoilt %zu, others %zu\n", spoilt(mine, SIZE, 0),
	       spoilt(other, GRAB, 0xa5));
	munmap(other, GRAB);
}

/* Moved: the frames go along, and with them what the drive brings. */
static void move(void)
{
	pthread_t t = start(0);
	unsigned char *place = map(NULL, SIZE, 0);
	unsigned char *at = mremap(buffer, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	if (at == MAP_FAILED)
		die("mremap");
	unsigned char *mine = map(buffer, SIZE, 1);
	end(t, "move");
	printf(", sectors %d, new page spoilt %zu\n", sectors(at), spoilt(mine, SIZE, 0));
	munmap(at, SIZE);
}

/* Made unreadable and back: the drive does not ask. */
static void protect(void)
{
	pthread_t t = start(0);
	mprotect(buffer, SIZE, PROT_NONE);
	end(t, "protect");
	mprotect(buffer, SIZE, PROT_READ | PROT_WRITE);
	printf(", sectors %d\n", sectors(buffer));
}

/* Given back: zeros, whatever still comes in. */
static void dontneed(void)
{
	pthread_t t = start(0);
	madvise(buffer, SIZE, MADV_DONTNEED);
	unsigned char *other = grab(0xa5);
	end(t, "dontneed");
	printf(", spoilt %zu, others %zu\n", spoilt(buffer, SIZE, 0), spoilt(other, GRAB, 0xa5));
	munmap(other, GRAB);
}

/* A fork in between: the parent's buffer gets the data though it stores to every page; what the
 * child saw when it was born does not change under it. */
static void forked(void)
{
	int ends[2], status;
	char byte = 0;
	if (pipe(ends))
		die("pipe");
	pthread_t t = start(0);
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		int before = sectors(buffer);
		close(ends[1]);
		if (read(ends[0], &byte, 1) != 1)
			_exit(9);
		_exit(sectors(buffer) != before);
	}
	for (size_t n = SECTOR - 1; n < SIZE; n += PAGE)
		((volatile unsigned char *)buffer)[n] = 7; /* behind each first number of a sector */
	end(t, "fork");
	int there = sectors(buffer);
	if (write(ends[1], &byte, 1) != 1)
		die("write");
	waitpid(pid, &status, 0);
	printf(", sectors %d, child's changed %d\n", there, WEXITSTATUS(status));
	close(ends[0]);
	close(ends[1]);
}

/* The whole process dies of a signal while its thread waits for the drive. */
static void killed(void)
{
	int status;
	pid_t pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		start(0);
		kill(getpid(), SIGKILL);
		pause();
	}
	waitpid(pid, &status, 0);
	unsigned char *other = grab(0xa5);
	struct timespec pause = {0, 20000000};
	nanosleep(&pause, NULL);
	printf("killed: signal %d, others spoilt %zu\n", WTERMSIG(status),
	       spoilt(other, GRAB, 0xa5));
	munmap(other, GRAB);
}

/* The other way: what was in the buffer at the call is written, not what took its place. */
static void written(void)
{
	for (int n = 0; n < SIZE / SECTOR; n++) {
		memset(buffer + n * SECTOR, 'W', SECTOR);
		uint32_t number = n + 1;
		memcpy(buffer + n * SECTOR, &number, 4);
	}
	pthread_t t = start(1);
	munmap(buffer, SIZE);
	memset(map(buffer, SIZE, 1), 0xee, SIZE);
	unsigned char *other = grab(0xa5);
	end(t, "written");
	if (pread(fd, buffer, SIZE, 0) != SIZE)
		die("pread");
	size_t wrong = 0;
	for (int n = 0; n < SIZE / SECTOR; n++)
		wrong += spoilt(buffer + n * SECTOR + 4, SECTOR - 4, 'W') != 0;
	printf(", sectors %d, wrong %zu\n", sectors(buffer), wrong);
	munmap(other, GRAB);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"unmap", unmap}, {"over", over}, {"move", move}, {"protect", protect},
	{"dontneed", dontneed}, {"fork", forked}, {"killed", killed}, {"written", written},
};

int main(int argc, char **argv)
{
	disk = argv[1];
	if (argc < 2 || (fd = open(disk, O_RDWR | O_DIRECT)) < 0)
		die("open");
	for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
		int wanted = argc == 2;
		for (int i = 2; i < argc; i++)
			wanted |= !strcmp(argv[i], cases[n].name);
		if (!wanted)
			continue;
		buffer = map(NULL, SIZE, 0);
		memset(buffer, 1, SIZE);
		cases[n].run();
		fflush(stdout);
		munmap(buffer, SIZE);
	}
	return 0;
}
