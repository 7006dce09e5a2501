/* Job control: the controlling terminal, its foreground group, its signals. */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;
static char name[64];

static void make(void)
{
    master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
    CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
    CHECK(ptsname_r(master, name, sizeof name) == 0);
    slave = MUST(open(name, O_RDWR | O_NOCTTY));
}

/* Start a session leader that has the slave as its terminal. */
static pid_t session(void)
{
    make();
    pid_t pid = start();
    if (pid == 0) {
        CHECK(setsid() == getpid());
        CHECK(ioctl(slave, TIOCSCTTY, 0) == 0);
        close(master);
    }
    return pid;
}

static volatile sig_atomic_t got;

static void notes(int signo)
{
    got = signo;
}

BEHAVIOUR(becomes_controlling)
{
    pid_t pid = session();
    if (pid == 0) {
        SHOW("tty", try_open("/dev/tty", O_RDWR));
        say("session=%s", yes(tcgetsid(slave) == getpid()));
        say("foreground=%s", yes(tcgetpgrp(slave) == getpgrp()));
        SHOW("twice", ok(ioctl(slave, TIOCSCTTY, 0)));
        int fd = MUST(open("/dev/tty", O_RDWR));
        say("isatty=%d", isatty(fd));
        char link_[64] = "";
        CHECK(ttyname_r(slave, link_, sizeof link_) == 0);
        say("ttyname=%s", yes(!strcmp(link_, name)));
        signal(SIGHUP, notes);
        SHOW("give_up", ok(ioctl(slave, TIOCNOTTY)));
        SHOW("signal", signame(got));       /* a leader who leaves hangs up */
        SHOW("no_tty", try_open("/dev/tty", O_RDWR));
        _exit(0);
    }
    SHOW("child", reap(pid));
}

BEHAVIOUR(open_makes_controlling)
{
    make();
    pid_t pid = start();
    if (pid == 0) {
        setsid();
        SHOW("before", try_open("/dev/tty", O_RDWR));
        MUST(open(name, O_RDWR));           /* no O_NOCTTY */
        SHOW("after", try_open("/dev/tty", O_RDWR));
        _exit(0);
    }
    SHOW("child", reap(pid));
}

BEHAVIOUR(only_leaders)
{
    make();
    pid_t pid = start();
    if (pid == 0) {
        setsid();
        pid_t child = start();
        if (child == 0) {
            SHOW("not_leader", ok(ioctl(slave, TIOCSCTTY, 0)));
            _exit(0);
        }
        reap(child);
        _exit(0);
    }
    reap(pid);
    SHOW("tcgetsid_of_foreign", ret(tcgetsid(slave)));
}

BEHAVIOUR(interrupt_key)
{
    pid_t pid = session();
    if (pid == 0) {
        signal(SIGINT, notes);
        CHECK(write(slave, "r", 1) == 1);
        EVENTUALLY(got == SIGINT);
        _exit(got == SIGINT ? 0 : 1);
    }
    char c;
    CHECK(read(master, &c, 1) == 1 && write(master, "\003", 1) == 1);
    SHOW("child", reap(pid));
}

BEHAVIOUR(quit_and_default)
{
    pid_t pid = session();
    if (pid == 0) {
        CHECK(write(slave, "r", 1) == 1);
        for (;;)
            pause();
    }
    char c;
    CHECK(read(master, &c, 1) == 1 && write(master, "\034", 1) == 1);
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    SHOW("killed_by", signame(WTERMSIG(status)));
}

BEHAVIOUR(suspend_key)
{
    pid_t pid = session();
    if (pid == 0) {
        pid_t job = start();
        if (job == 0) {
            setpgid(0, 0);
            signal(SIGTTOU, SIG_IGN);
            tcsetpgrp(slave, getpgrp());
            CHECK(write(slave, "r", 1) == 1);
            pause();
        }
        int status;
        CHECK(waitpid(job, &status, WUNTRACED) == job);
        SHOW("job", status_text(status));
        kill(job, SIGKILL);
        reap(job);
        _exit(0);
    }
    char c;
    CHECK(read(master, &c, 1) == 1 && write(master, "\032", 1) == 1);
    SHOW("leader", reap(pid));
}

BEHAVIOUR(only_foreground_is_told)
{
    pid_t pid = session();
    if (pid == 0) {
        int p[2];
        char c;
        CHECK(pipe(p) == 0);
        signal(SIGINT, SIG_IGN);
        pid_t background = start();
        if (background == 0) {
            setpgid(0, 0);
            signal(SIGINT, SIG_DFL);
            CHECK(write(p[1], "b", 1) == 1);
            sleep_ms(100);
            _exit(5);
        }
        CHECK(read(p[0], &c, 1) == 1);
        pid_t front = start();
        if (front == 0) {
            signal(SIGINT, SIG_DFL);
            CHECK(write(slave, "r", 1) == 1);
            sleep_ms(5000);
            _exit(6);
        }
        SHOW("front", reap(front));
        SHOW("background", reap(background));
        _exit(0);
    }
    char c;
    CHECK(read(master, &c, 1) == 1 && write(master, "\003", 1) == 1);
    SHOW("leader", reap(pid));
}

BEHAVIOUR(background_read_stops)
{
    pid_t pid = session();
    if (pid == 0) {
        pid_t job = start();
        if (job == 0) {
            char c;
            setpgid(0, 0);
            ssize_t n = read(slave, &c, 1);
            _exit(n == 1 ? 7 : 8);
        }
        int status;
        CHECK(waitpid(job, &status, WUNTRACED) == job);
        SHOW("job", status_text(status));
        setpgid(job, job);
        signal(SIGTTOU, SIG_IGN);
        SHOW("to_front", ok(tcsetpgrp(slave, job)));
        kill(-job, SIGCONT);
        CHECK(write(slave, "r", 1) == 1);
        SHOW("reads", reap(job));
        _exit(0);
    }
    char c;
    CHECK(read(master, &c, 1) == 1 && write(master, "x\n", 2) == 2);
    SHOW("leader", reap(pid));
}

BEHAVIOUR(background_read_ignored)
{
    pid_t pid = session();
    if (pid == 0) {
        pid_t job = start();
        if (job == 0) {
            setpgid(0, 0);
            signal(SIGTTIN, SIG_IGN);
            SHOW("read", ret(read(slave, (char[1]){0}, 1)));
            _exit(0);
        }
        reap(job);
        _exit(0);
    }
    SHOW("leader", reap(pid));
}

BEHAVIOUR(background_write)
{
    pid_t pid = session();
    if (pid == 0) {
        int status;
        pid_t job = start();
        if (job == 0) {
            setpgid(0, 0);
            SHOW("allowed", ret(write(slave, "x", 1)));
            _exit(0);
        }
        reap(job);
        struct termios t;
        CHECK(tcgetattr(slave, &t) == 0);
        t.c_lflag |= TOSTOP;
        CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
        job = start();
        if (job == 0) {
            setpgid(0, 0);
            _exit(write(slave, "x", 1) == 1 ? 0 : 1);
        }
        CHECK(waitpid(job, &status, WUNTRACED) == job);
        SHOW("tostop", status_text(status));
        kill(job, SIGKILL);
        reap(job);
        _exit(0);
    }
    SHOW("leader", reap(pid));
}

BEHAVIOUR(foreground_rules)
{
    pid_t pid = session();
    if (pid == 0) {
        SHOW("no_such_group", ok(tcsetpgrp(slave, INT_MAX)));
        SHOW("negative", ok(tcsetpgrp(slave, -1)));
        SHOW("other_session", ok(tcsetpgrp(slave, getppid())));
        pid_t job = start();
        if (job == 0) {
            setpgid(0, 0);
            pause();
        }
        setpgid(job, job);
        SHOW("own_job", ok(tcsetpgrp(slave, job)));
        say("now=%s", yes(tcgetpgrp(slave) == job));
        kill(job, SIGKILL);
        reap(job);
        _exit(0);
    }
    SHOW("leader", reap(pid));
}

BEHAVIOUR(window_change_is_told)
{
    pid_t pid = session();
    if (pid == 0) {
        signal(SIGWINCH, notes);
        CHECK(write(slave, "r", 1) == 1);
        EVENTUALLY(got == SIGWINCH);
        struct winsize w;
        CHECK(ioctl(slave, TIOCGWINSZ, &w) == 0);
        say("told=%s size=%d,%d", yes(got == SIGWINCH), w.ws_row, w.ws_col);
        _exit(0);
    }
    char c;
    struct winsize w = {50, 132, 0, 0};
    CHECK(read(master, &c, 1) == 1 && ioctl(master, TIOCSWINSZ, &w) == 0);
    SHOW("leader", reap(pid));
}

BEHAVIOUR(hangup_signals_leader)
{
    pid_t pid = session();
    if (pid == 0) {
        signal(SIGHUP, notes);
        CHECK(write(slave, "r", 1) == 1);
        EVENTUALLY(got == SIGHUP);
        say("told=%s", yes(got == SIGHUP));
        SHOW("read", ret(read(slave, (char[1]){0}, 1)));
        SHOW("write", ret(write(slave, "x", 1)));
        _exit(0);
    }
    char c;
    CHECK(read(master, &c, 1) == 1);
    close(master);
    SHOW("leader", reap(pid));
}

BEHAVIOUR(leader_exit_hangs_up_group)
{
    int p[2];
    CHECK(pipe(p) == 0);
    pid_t pid = session();
    if (pid == 0) {
        pid_t job = start();
        if (job == 0) {
            signal(SIGHUP, notes);
            CHECK(write(p[1], "r", 1) == 1);
            EVENTUALLY(got == SIGHUP);
            char answer = got == SIGHUP ? 'h' : '-';
            _exit(write(p[1], &answer, 1) != 1);
        }
        char c;
        CHECK(read(p[0], &c, 1) == 1);
        _exit(0);
    }
    char c = '?';
    SHOW("leader", reap(pid));
    CHECK(read(p[0], &c, 1) == 1);
    say("foreground_group=%c", c);
    SHOW("terminal_is_free", ok(ioctl(slave, TIOCGWINSZ, &(struct winsize){0})));
}
