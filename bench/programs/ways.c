// N turns of one thing, timed from outside: a guest of the emulated machine has a clock of its own.
// usage: ways syscall|int80|sysenter|exec|pingpong N
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
static void by_syscall(void)
{
	long nr = 110;
	asm volatile("syscall" : "+a"(nr) : : "rcx", "r11", "memory");
}
static void by_sysenter(void) { exit(3); } // a 32-bit program's way
#else
static void by_syscall(void) { exit(3); }
static void by_sysenter(void)
{
	static unsigned long entry;
	if (!entry)
		entry = getauxval(AT_SYSINFO); // __kernel_vsyscall
	long nr = 64;
	asm volatile("call *%1" : "+a"(nr) : "r"(entry) : "memory", "cc");
}
#endif
static void by_int80(void)
{
	long nr = 64;
#ifdef __x86_64__
	asm volatile("int $0x80" : "+a"(nr) : : "memory", "r8", "r9", "r10", "r11");
#else
	asm volatile("int $0x80" : "+a"(nr) : : "memory");
#endif
}

static char *self;
static void exec_and_wait(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		execl(self, self, "syscall", "0", (char *)0);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		exit(4);
}

static int there[2], back[2];
static void to_and_fro(void)
{
	char c = 'x';
	if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
		exit(5);
}

static void echo(void)
{
	char c;
	close(there[1]);
	while (read(there[0], &c, 1) == 1)
		if (write(back[1], &c, 1) != 1)
			break;
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	static const struct { const char *name; void (*once)(void); } ways[] = {
		{"syscall", by_syscall}, {"int80", by_int80}, {"sysenter", by_sysenter},
		{"exec", exec_and_wait}, {"pingpong", to_and_fro},
	};
	self = argv[0];
	if (!strcmp(argv[1], "pingpong")) {
		if (pipe(there) || pipe(back))
			return 6;
		if (fork() == 0)
			echo();
	}
	for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
		if (!strcmp(ways[i].name, argv[1])) {
			for (long n = atol(argv[2]); n > 0; n--)
				ways[i].once();
			return 0;
		}
	return 2;
}
