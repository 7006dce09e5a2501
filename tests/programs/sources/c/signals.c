// Signals: siginfo, masks, alternate stack, restart, real-time order, SIGSEGV recovery, longjmp.
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t count, order[8], on_alt;
static sigjmp_buf back;
static char *fault_at;
static char alt[65536];

static void note(int sig) { order[count++ & 7] = sig; }
static void info(int sig, siginfo_t *si, void *u)
{
	(void)u;
	order[count++ & 7] = si->si_value.sival_int;
	(void)sig;
}
static void segv(int sig, siginfo_t *si, void *u)
{
	char here;
	(void)u;
	on_alt = &here >= alt && &here < alt + sizeof alt;
	printf("fault %d at expected address: %d code %d\n", sig, si->si_addr == fault_at, si->si_code);
	siglongjmp(back, 1);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = note };
	sigset_t set, old;
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof alt };

	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGUSR1);
	raise(SIGUSR1);
	printf("blocked %d\n", count);
	sigprocmask(SIG_SETMASK, &old, NULL);
	printf("delivered once %d\n", count);

	sa.sa_sigaction = info;
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGRTMIN, &sa, NULL);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	count = 0;
	for (int i = 1; i <= 4; i++)
		sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i * 11 });
	sigprocmask(SIG_SETMASK, &old, NULL);
	printf("queued %d %d %d %d\n", order[0], order[1], order[2], order[3]);

	sigaltstack(&ss, NULL);
	sa.sa_sigaction = segv;
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	fault_at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!sigsetjmp(back, 1))
		*fault_at = 1;
	printf("on alternate stack %d\n", on_alt);
	munmap(fault_at, 4096);
	if (!sigsetjmp(back, 1))
		*(volatile char *)fault_at;
	FILE *f = tmpfile();
	fault_at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
	if (!sigsetjmp(back, 1))
		*fault_at = 1;

	int fds[2];
	char c;
	pipe(fds);
	sa.sa_handler = note;
	sa.sa_flags = 0;
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval soon = { .it_value.tv_usec = 50000 };
	setitimer(ITIMER_REAL, &soon, NULL);
	printf("interrupted %zd %d\n", read(fds[0], &c, 1), errno == EINTR);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	fflush(stdout);
	if (fork() == 0) {
		usleep(200000);
		write(fds[1], "x", 1);
		_exit(3);
	}
	setitimer(ITIMER_REAL, &soon, NULL);
	ssize_t got = read(fds[0], &c, 1);
	printf("restarted %zd %c\n", got, c);
	int status;
	wait(&status);
	printf("child %d\n", WEXITSTATUS(status));
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, NULL, &old);
	soon.it_value.tv_usec = 50000;
	setitimer(ITIMER_REAL, &soon, NULL);
	printf("sigsuspend %d %d\n", sigsuspend(&set), errno == EINTR);
	signal(SIGABRT, SIG_DFL);
	fflush(stdout);
	abort();
}
