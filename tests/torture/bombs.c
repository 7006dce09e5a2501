/* Guests that take all they can get: bombs fork|threads|heap|memfd|fds|pipes */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void *idle(void *arg)
{
    pause();
    return arg;
}

static int forks(void)
{
    int n = 0, failed = 0;
    signal(SIGTERM, SIG_IGN);
    for (int i = 0; i < 400; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            fork();
            pause();
        }
        if (pid > 0)
            n++;
        else
            failed = errno;
    }
    printf("%d %s\n", n > 5, failed == EAGAIN ? "EAGAIN" : strerror(failed));
    return 0;
}

static int threads(void)
{
    int failed = 0;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    for (int i = 0; i < 400 && !failed; i++) {
        pthread_t t;
        failed = pthread_create(&t, &attr, idle, 0);
    }
    puts(failed == EAGAIN ? "EAGAIN" : strerror(failed));
    return 0;
}

static int heap(void)
{
    for (;;)
        memset(malloc(1 << 20), 1, 1 << 20);
}

static int memfd(void)
{
    static char data[1 << 20];
    int fd = memfd_create("bomb", 0);
    while (write(fd, data, sizeof data) > 0)
        ;
    return 1;
}

static int descriptors(void)
{
    int n = 0, p[2];
    while (open("/dev/null", O_RDONLY) >= 0)
        n++;
    printf("%d %s", n > 100, errno == EMFILE ? "EMFILE" : strerror(errno));
    close(n);
    printf(" %s\n", pipe(p) < 0 && errno == EMFILE ? "EMFILE" : "pipe made");
    return 0;
}

/* many processes hold as many as each may: the kernel itself runs out, and must say so */
static int pipes(void)
{
    int said[2], n = 0;
    pipe(said);
    for (int i = 0; i < 40; i++)
        if (fork() == 0) {
            int p[2], failed;
            while (pipe(p) == 0)
                ;
            failed = errno;
            write(said[1], &failed, sizeof failed);
            pause();
        }
    int bad = 0, failed;
    for (int i = 0; i < 40 && read(said[0], &failed, sizeof failed) == sizeof failed; i++, n++)
        bad += failed != EMFILE && failed != ENFILE;
    printf("%d %d\n", n, bad);
    return 0;
}

int main(int argc, char **argv)
{
    struct rlimit few = {1000, 1000};
    const char *kind = argc > 1 ? argv[1] : "";
    setrlimit(RLIMIT_NOFILE, &few);
    return !strcmp(kind, "fork") ? forks() : !strcmp(kind, "threads") ? threads()
         : !strcmp(kind, "heap") ? heap() : !strcmp(kind, "memfd") ? memfd()
         : !strcmp(kind, "fds") ? descriptors() : pipes();
}
