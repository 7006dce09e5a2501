/* A long read while a timer ticks: its interrupts come in the middle of the kernel's copy. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static volatile int ticks;

static void tick(int signo)
{
    (void)signo;
    ticks++;
}

int main(void)
{
    struct itimerval often = {{0, 40}, {0, 40}};
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    char *buffer = malloc(8 << 20);
    int zero = open("/dev/zero", O_RDONLY);

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    ssize_t got = read(zero, buffer, 8 << 20);
    printf("%zd bytes, %s\n", got, ticks ? "and the timer ticked" : "before the timer ticked");
    return 0;
}
