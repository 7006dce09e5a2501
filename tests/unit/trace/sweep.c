/* Every system call with many patterns of arguments, none of which reaches the kernel: a seccomp
   filter answers those that carry a mark in the sixth register. Usage: sweep RESULT FIRST LAST */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MARK 0x5eed5eedL

static void install(unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[5])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {sizeof code / sizeof *code, code};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

static int skip(long nr)
{
	/* not decoded from registers alone, or they end the program (335, 336: uretprobe, uprobe) */
	return nr == SYS_rt_sigreturn || nr == SYS_exit || nr == SYS_exit_group || nr == 335 ||
	       nr == 336;
}

int main(int argc, char **argv)
{
	long first = atol(argv[2]), last = atol(argv[3]), nr;
	static const long values[] = {0, 1, -1, 3, 0x7fffffff, 0x100000002L};
	char *page = mmap((void *)0x10000000, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	uint32_t *words = (uint32_t *)page;
	int i, j;
	unsigned k;

	for (i = 0; i < 1024; i++)
		words[i] = i % 3 == 1 ? 0 : i % 7;
	memcpy(page + 2048, "/some/path", 11);
	munmap(page + 4096, 4096);
	install(atoi(argv[1]));
	for (nr = first; nr <= last; nr++) {
		if (skip(nr))
			continue;
		for (i = 0; i < 5; i++)
			for (j = 0; j < 3; j++) {
				long at[3] = {(long)page + 16, (long)page + 2048, (long)page + 4092};
				long a[5] = {1, 1, 1, 1, 1};
				a[i] = at[j];
				syscall(nr, a[0], a[1], a[2], a[3], a[4], MARK);
			}
		for (k = 0; k < sizeof values / sizeof *values; k++) {
			long v = values[k], p = (long)page + 16;
			syscall(nr, v, v, v, v, v, MARK);
			for (i = 0; i < 5; i++) {
				long a[5] = {p, p, p, p, p};
				a[i] = v;
				syscall(nr, a[0], a[1], a[2], a[3], a[4], MARK);
			}
		}
		for (i = 0; i < 5; i++)
			for (j = 0; j < 32; j += 1) {
				long a[5] = {0};
				a[i] = 1L << j;
				syscall(nr, a[0], a[1], a[2], a[3], a[4], MARK);
			}
	}
	return 0;
}
