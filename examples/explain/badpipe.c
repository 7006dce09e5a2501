/* Fault 2: pipe() stores two numbers, here into a page that may only be read. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
    int *fds = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int result = pipe(fds);
    printf("%d %s\n", result, strerror(errno));
    return 0;
}
