/* Fault 3: a pointer into the kernel's half of the address space, given as a buffer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    long result = write(1, (void *)0xffff888000100000, 16);
    printf("%ld %s\n", result, strerror(errno));
    return 0;
}
