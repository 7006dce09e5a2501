/* Fault 6: time of check, time of use. One thread reads from a pipe and has to wait; meanwhile
 * another takes the buffer's memory away and puts a page that may not be written in its place. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *buffer;
static int ends[2];

static void *thief(void *unused)
{
    usleep(20000); /* the reader waits by now */
    mmap(buffer, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    write(ends[1], "too late", 8);
    return unused;
}

int main(void)
{
    pthread_t thread;
    char rest[8];

    buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pipe(ends);
    pthread_create(&thread, NULL, thief, NULL);
    ssize_t got = read(ends[0], buffer, 4096);
    printf("read: %zd %s\n", got, got < 0 ? strerror(errno) : "");
    got = read(ends[0], rest, sizeof rest);
    printf("read again: %zd %.8s\n", got, rest);
    pthread_join(thread, NULL);
    return 0;
}
