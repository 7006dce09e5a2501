/* What a program can do to RAM: bombs touch|tables|fork|shared|small|recursion|argv|maps|copy */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static char *map(size_t size, int flags)
{
    char *p = mmap(0, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        printf("mmap: %s\n", strerror(errno));
        exit(1);
    }
    return p;
}

static int recurse(volatile int n)
{
    volatile char room[4000];
    room[0] = n;
    return recurse(n + 1) + room[0];
}

static void fill(char *p, size_t size, size_t step)
{
    for (size_t i = 0; i < size; i += step)
        p[i] = 1;
}

/* what the parent of a bomb sees; the parent itself is small and lives on */
static int watch(void (*bomb)(void), int count)
{
    int status, killed = 0, ended = 0;
    fflush(stdout);
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            bomb();
            _exit(0);
        }
        if (pid < 0) {
            printf("fork: %s\n", strerror(errno));
            count = i;
        }
    }
    for (int i = 0; i < count; i++) {
        wait(&status);
        killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        ended += WIFEXITED(status);
    }
    printf("%d killed, %d ended\n", killed, ended);
    return 0;
}

static void touch(void) { fill(map(1UL << 32, MAP_PRIVATE), 1UL << 32, 4096); }
static void shared(void) { fill(map(1UL << 32, MAP_SHARED), 1UL << 32, 4096); }
static void tables(void) { fill(map(1UL << 45, MAP_PRIVATE), 1UL << 45, 1UL << 21); }
static void wait_long(void) { fill(map(1 << 20, MAP_PRIVATE), 1 << 20, 4096); sleep(1); }

/* The big one waits; the small one asks for the last page, by itself or by a call's copy. */
static int small(int by_call)
{
    int p[2], status;
    size_t size = 512UL << 20;
    pipe(p);
    pid_t big = fork();
    if (big == 0) {
        fill(map(40 << 20, MAP_PRIVATE), 40 << 20, 4096);
        write(p[1], "x", 1);
        for (;;)
            pause();
    }
    char *own = map(size, MAP_PRIVATE);
    read(p[0], own, 1);
    if (by_call) {
        int zero = open("/dev/zero", 0);
        for (size_t i = 0; i < 20 << 20; i += 1 << 20)
            if (read(zero, own + i, 1 << 20) != 1 << 20)
                perror("read");
    } else {
        fill(own, 20 << 20, 4096);
    }
    waitpid(big, &status, 0);
    printf("the big one: %d\n", WTERMSIG(status));
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "touch"))
        return watch(touch, 1);
    if (!strcmp(what, "shared"))
        return watch(shared, 1);
    if (!strcmp(what, "tables"))
        return watch(tables, 1);
    if (!strcmp(what, "fork"))
        return watch(wait_long, 100);
    if (!strcmp(what, "small"))
        return small(0);
    if (!strcmp(what, "copy"))
        return small(1);
    if (!strcmp(what, "recursion"))
        return recurse(0);
    if (!strcmp(what, "maps")) {
        int n = 0;
        while (mmap(0, 8192, n & 1 ? PROT_READ : PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
               MAP_FAILED)
            n++;
        printf("%d maps: %s\n", n > 60000, strerror(errno));
        return 0;
    }
    if (!strcmp(what, "argv")) {
        static char *args[3000], *env[] = {0};
        char *big = malloc(100000);
        memset(big, 'x', 99999);
        big[99999] = 0;
        args[0] = "true";
        for (int n = 1; n < 2999; n++)
            args[n] = big;
        execve("/bin/true", args, env);
        printf("%s\n", strerror(errno));
        fflush(stdout);
        args[20] = 0;
        execve("/bin/true", args, env);
        printf("%s\n", strerror(errno));
    }
    return 3;
}
