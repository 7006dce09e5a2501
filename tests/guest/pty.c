/* Pseudo-terminals: opening, line discipline, window size, hangup. */
#include "guest.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master, slave;

static void make(void)
{
    char name[64];
    master = MUST(posix_openpt(O_RDWR | O_NOCTTY));
    CHECK(grantpt(master) == 0 && unlockpt(master) == 0);
    CHECK(ptsname_r(master, name, sizeof name) == 0);
    slave = MUST(open(name, O_RDWR | O_NOCTTY));
}

static void set(tcflag_t local_off, tcflag_t local_on)
{
    struct termios t;
    CHECK(tcgetattr(slave, &t) == 0);
    t.c_lflag = (t.c_lflag & ~local_off) | local_on;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
}

/* What can be read within a moment, control characters made visible. */
static const char *take(int fd)
{
    static char shown[3][300];
    static int turn;
    char raw[100], *out = shown[turn++ % 3], *at = out;
    struct pollfd p = {fd, POLLIN, 0};
    if (poll(&p, 1, 50) != 1)
        return "nothing";
    ssize_t n = read(fd, raw, sizeof raw);
    if (n < 0)
        return errname(errno);
    for (int i = 0; i < n; i++)
        at += sprintf(at, raw[i] == '\r' ? "\\r" : raw[i] == '\n' ? "\\n" : raw[i] < 32 ? "\\x%02x"
                      : "%c", raw[i]);
    *at = 0;
    return n ? out : "eof";
}

static void type(const char *keys)
{
    CHECK(write(master, keys, strlen(keys)) == (ssize_t)strlen(keys));
}

BEHAVIOUR(opening)
{
    master = posix_openpt(O_RDWR | O_NOCTTY);
    SHOW("openpt", ok(master));
    char name[64];
    CHECK(ptsname_r(master, name, sizeof name) == 0);
    say("name=%s", yes(!strncmp(name, "/dev/pts/", 9)));
    SHOW("locked", try_open(name, O_RDWR | O_NOCTTY));
    SHOW("unlock", ok(unlockpt(master)));
    SHOW("unlocked", try_open(name, O_RDWR | O_NOCTTY));
    struct stat st;
    CHECK(stat(name, &st) == 0);
    say("char=%s owner=%s", yes(S_ISCHR(st.st_mode)), yes(st.st_uid == getuid()));
    say("isatty=%d,%d", isatty(master), isatty(MUST(open(name, O_RDWR | O_NOCTTY))));
    close(master);
    SHOW("after_close", try_open(name, O_RDWR | O_NOCTTY));
}

BEHAVIOUR(default_settings)
{
    struct termios t;
    make();
    CHECK(tcgetattr(slave, &t) == 0);
    say("icanon=%s echo=%s isig=%s opost=%s icrnl=%s", yes(t.c_lflag & ICANON),
        yes(t.c_lflag & ECHO), yes(t.c_lflag & ISIG), yes(t.c_oflag & OPOST),
        yes(t.c_iflag & ICRNL));
    say("intr=%d eof=%d erase=%d kill=%d susp=%d quit=%d", t.c_cc[VINTR], t.c_cc[VEOF],
        t.c_cc[VERASE], t.c_cc[VKILL], t.c_cc[VSUSP], t.c_cc[VQUIT]);
    say("speed=%s", yes(cfgetospeed(&t) == B38400));
}

BEHAVIOUR(canonical_lines)
{
    make();
    set(ECHO, 0);
    type("one");
    SHOW("unfinished", take(slave));
    type(" line\nnext");
    SHOW("line", take(slave));
    SHOW("rest_waits", take(slave));
    type("\r");
    SHOW("cr_is_newline", take(slave));
    type("a\nb\n");
    SHOW("one_at_a_time", take(slave));
    SHOW("then", take(slave));
}

BEHAVIOUR(editing)
{
    make();
    set(ECHO, 0);
    type("abX\177c\n");
    SHOW("erase", take(slave));
    type("all wrong\025right\n");
    SHOW("kill", take(slave));
    type("two words\027w\n");
    SHOW("word_erase", take(slave));
    type("\026\003quoted\n");
    SHOW("literal_next", take(slave));
}

BEHAVIOUR(end_of_file_key)
{
    make();
    set(ECHO, 0);
    type("\004");
    SHOW("empty_line", take(slave));
    type("part\004");
    SHOW("flushes", take(slave));
    type("x\n");
    SHOW("goes_on", take(slave));
}

BEHAVIOUR(echo)
{
    make();
    type("hi\n");
    SHOW("master_sees", take(master));
    SHOW("slave_sees", take(slave));
    type("ab\177\n");
    SHOW("erase_echo", take(master));
    take(slave);
    set(ECHO, 0);
    type("secret\n");
    SHOW("off", take(master));
    set(0, ECHO | ECHOCTL);
    set(ISIG, 0);
    type("\003\n");
    SHOW("control", take(master));
}

BEHAVIOUR(output_processing)
{
    make();
    CHECK(write(slave, "line\n", 5) == 5);
    SHOW("onlcr", take(master));
    struct termios t;
    CHECK(tcgetattr(slave, &t) == 0);
    t.c_oflag &= ~OPOST;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
    CHECK(write(slave, "line\n", 5) == 5);
    SHOW("raw", take(master));
}

BEHAVIOUR(raw_mode)
{
    struct termios t;
    make();
    CHECK(tcgetattr(slave, &t) == 0);
    cfmakeraw(&t);
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
    type("a");
    SHOW("one_key", take(slave));
    type("\003\004\r");
    SHOW("specials", take(slave));
    t.c_cc[VMIN] = 0;
    t.c_cc[VTIME] = 0;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
    SHOW("vmin_0", ret(read(slave, (char[4]){0}, 4)));
    t.c_cc[VMIN] = 3;
    CHECK(tcsetattr(slave, TCSANOW, &t) == 0);
    pid_t pid = start();
    if (pid == 0) {
        type("x");
        sleep_ms(20);
        type("yz");
        _exit(0);
    }
    SHOW("vmin_3", ret(read(slave, (char[8]){0}, 8)));
    reap(pid);
}

BEHAVIOUR(window_size)
{
    struct winsize w = {9, 9, 9, 9};
    make();
    CHECK(ioctl(slave, TIOCGWINSZ, &w) == 0);
    say("initial=%d,%d", w.ws_row, w.ws_col);
    w = (struct winsize){24, 80, 0, 0};
    SHOW("set_on_master", ok(ioctl(master, TIOCSWINSZ, &w)));
    w = (struct winsize){0, 0, 0, 0};
    CHECK(ioctl(slave, TIOCGWINSZ, &w) == 0);
    say("slave=%d,%d", w.ws_row, w.ws_col);
    int p[2];
    CHECK(pipe(p) == 0);
    SHOW("pipe", ok(ioctl(p[0], TIOCGWINSZ, &w)));
    SHOW("fault", ok(ioctl(slave, TIOCGWINSZ, bad())));
}

BEHAVIOUR(hangup)
{
    make();
    close(slave);
    struct pollfd p = {master, POLLIN, 0};
    SHOW("poll", ret(poll(&p, 1, 1000)));
    say("hup=%s", yes(p.revents & POLLHUP));
    SHOW("master_reads", ret(read(master, (char[4]){0}, 4)));
    SHOW("master_writes", ret(write(master, "x", 1)));
}

BEHAVIOUR(master_closes)
{
    make();
    close(master);
    SHOW("slave_reads", ret(read(slave, (char[4]){0}, 4)));
    SHOW("slave_writes", ret(write(slave, "x", 1)));
    SHOW("settings", ok(tcsetattr(slave, TCSANOW, &(struct termios){0})));
}

BEHAVIOUR(data_before_hangup)
{
    make();
    CHECK(write(slave, "last words", 10) == 10);
    close(slave);
    SHOW("first", take(master));
    SHOW("then", take(master));
}

BEHAVIOUR(queue_ioctls)
{
    int n = -1;
    make();
    set(ECHO, 0);
    type("12345\n");
    EVENTUALLY(ioctl(slave, FIONREAD, &n) == 0 && n == 6);
    say("fionread=%d", n);
    SHOW("flush", ok(tcflush(slave, TCIFLUSH)));
    CHECK(ioctl(slave, FIONREAD, &n) == 0);
    say("flushed=%d", n);
    SHOW("drain", ok(tcdrain(slave)));
    SHOW("unknown", ok(ioctl(slave, 0x54ff, &n)));
    SHOW("break", ok(tcsendbreak(slave, 0)));
}

BEHAVIOUR(several_at_once)
{
    char a[64], b[64];
    make();
    int first = master;
    CHECK(ptsname_r(first, a, sizeof a) == 0);
    make();
    CHECK(ptsname_r(master, b, sizeof b) == 0);
    say("distinct=%s", yes(strcmp(a, b)));
    int number = -1;
    SHOW("tiocgptn", ok(ioctl(master, TIOCGPTN, &number)));
    say("same=%s", yes(number == atoi(b + 9)));
    SHOW("peer", ok(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY)));
}
