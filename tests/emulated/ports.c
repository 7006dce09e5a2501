/* I/O ports: refused by the permission bitmap of the TSS until ioperm(2) or iopl(2) allow them. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <unistd.h>

static sigjmp_buf out;

static void refused(int signo)
{
    siglongjmp(out, signo);
}

static void touch(const char *when)
{
    int signo = sigsetjmp(out, 1);
    if (!signo)
        outb(1, 0x80);
    printf("%s: %s\n", when, signo ? "refused" : "allowed");
}

static void say(const char *call, int result)
{
    printf("%s: %s\n", call, result ? strerror(errno) : "0");
}

int main(void)
{
    signal(SIGSEGV, refused);
    touch("at first");
    say("ioperm", ioperm(0x80, 1, 1));
    touch("with ioperm");
    say("ioperm", ioperm(0x80, 1, 0));
    touch("without");
    say("iopl 3", iopl(3));
    touch("with iopl");
    if (!sigsetjmp(out, 1)) {
        __asm__ volatile("cli");
        printf("cli: allowed\n");
    } else {
        printf("cli: refused\n");
    }
    say("iopl 0", iopl(0));
    touch("without");
    say("beyond", ioperm(0x10000, 1, 1));
    say("setuid", setuid(1000));
    say("as a user", ioperm(0x80, 1, 1));
    say("as a user", iopl(3));
    return 0;
}
