/* Fault 4: open() with O_CREAT and no third argument. The compiler sees nothing wrong; the kernel
 * takes the mode from a register in which something else is left. The two instructions stand for
 * whatever ran before. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static long open_without_mode(const char *path, long flags)
{
    long result;
    register long left asm("rdx") = 0x601; /* what the last call left there */
    asm volatile("syscall"
                 : "=a"(result)
                 : "0"(SYS_open), "D"(path), "S"(flags), "r"(left)
                 : "rcx", "r11", "memory");
    return result;
}

int main(void)
{
    struct stat st;
    long fd = open_without_mode("/tmp/secret-plans", O_WRONLY | O_CREAT);
    fstat(fd, &st);
    printf("fd %ld, mode %o\n", fd, st.st_mode & 07777);
    return 0;
}
