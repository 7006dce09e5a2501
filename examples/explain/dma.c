/* Fault 6 once more, with a device: a disk reads straight into the program's page (O_DIRECT) while
 * another thread unmaps it and maps a new page at the same address. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *buffer;

static void *thief(void *unused)
{
    mmap(buffer, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return unused;
}

int main(void)
{
    pthread_t thread;
    int disk = open("/dev/vda", O_RDONLY | O_DIRECT);
    if (disk < 0) {
        perror("/dev/vda");
        return 1;
    }
    buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    buffer[0] = '?';
    pthread_create(&thread, NULL, thief, NULL);
    ssize_t got = read(disk, buffer, 4096);
    printf("read: %zd %s\n", got, got < 0 ? strerror(errno) : "");
    pthread_join(thread, NULL);
    printf("at the buffer's address now: %#x\n", (unsigned char)buffer[0]);
    return 0;
}
