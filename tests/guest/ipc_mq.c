/* POSIX message queues. */
#include "guest.h"
#include <mqueue.h>
#include <poll.h>

static char text[64];
static unsigned priority;

/* A queue of three messages of 32 bytes, without a name. */
static mqd_t queue(int flags)
{
    char name[32];
    struct mq_attr attr = {0, 3, 32, 0};
    snprintf(name, sizeof name, "/ring3-%d", getpid());
    mqd_t q = MUST(mq_open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0600, &attr));
    CHECK(mq_unlink(name) == 0);
    return q;
}

static const char *fetch(mqd_t q)
{
    memset(text, 0, sizeof text);
    return mq_receive(q, text, 32, &priority) < 0 ? errname(errno) : text;
}

BEHAVIOUR(by_priority)
{
    mqd_t q = queue(O_NONBLOCK);
    SHOW("empty", fetch(q));
    CHECK(mq_send(q, "low", 3, 1) == 0 && mq_send(q, "high", 4, 9) == 0);
    CHECK(mq_send(q, "later", 5, 9) == 0);
    SHOW("full", ok(mq_send(q, "x", 1, 0)));
    SHOW("first", fetch(q));
    say("priority=%u", priority);
    SHOW("second", fetch(q));
    SHOW("third", fetch(q));
}

BEHAVIOUR(limits)
{
    mqd_t q = queue(0);
    SHOW("long", ok(mq_send(q, text, 33, 0)));
    SHOW("urgent", ok(mq_send(q, text, 1, 32768)));
    SHOW("small_buffer", ret(mq_receive(q, text, 31, NULL)));
    SHOW("nothing", ok(mq_send(q, text, 0, 0)));
    SHOW("empty_message", ret(mq_receive(q, text, 32, NULL)));
    SHOW("no_queue", ok(mq_send(1, text, 1, 0)));
    SHOW("closed", ok(mq_send(99, text, 1, 0)));
}

BEHAVIOUR(names)
{
    char name[32];
    snprintf(name, sizeof name, "/ring3-%d", getpid());
    SHOW("absent", ret(mq_open(name, O_RDWR)));
    mqd_t q = MUST(mq_open(name, O_RDONLY | O_CREAT, 0600, NULL));
    SHOW("exclusive", ret(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL)));
    SHOW("send", ok(mq_send(q, "x", 1, 0)));
    SHOW("slash", ret(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL)));
    struct mq_attr attr = {0, 0, 8, 0};
    SHOW("size", ret(mq_open("/ring3-zero", O_RDWR | O_CREAT, 0600, &attr)));
    mqd_t second = MUST(mq_open(name, O_WRONLY));
    SHOW("two", ok(mq_send(second, "x", 1, 0)));
    SHOW("receive", ret(mq_receive(second, text, 8192, NULL)));
    SHOW("unlink", ok(mq_unlink(name)));
    SHOW("again", ok(mq_unlink(name)));
    SHOW("still_open", yes(mq_getattr(q, &attr) == 0 && attr.mq_curmsgs == 1));
}

BEHAVIOUR(waiting)
{
    mqd_t q = queue(0);
    pid_t child = start();
    if (child == 0) {
        sleep_ms(20);
        _exit(mq_send(q, "woken", 5, 3) == 0 ? 0 : 1);
    }
    SHOW("receive", fetch(q));
    SHOW("child", reap(child));
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 10000000;
    if (t.tv_nsec >= 1000000000)
        t.tv_sec++, t.tv_nsec -= 1000000000;
    SHOW("timeout", ret(mq_timedreceive(q, text, 32, NULL, &t)));
    t.tv_nsec = -1;
    SHOW("bad_time", ret(mq_timedreceive(q, text, 32, NULL, &t)));
}

BEHAVIOUR(as_a_file)
{
    mqd_t q = queue(0);
    struct pollfd one = {q, POLLIN | POLLOUT, 0};
    poll(&one, 1, 0);
    say("empty=%#x", one.revents);
    CHECK(mq_send(q, "12345", 5, 0) == 0);
    poll(&one, 1, 0);
    say("some=%#x", one.revents);
    mq_send(q, "1", 1, 0);
    mq_send(q, "1", 1, 0);
    poll(&one, 1, 0);
    say("full=%#x", one.revents);
    char state[100] = "";
    SHOW("read", yes(read(q, state, 99) > 0));
    SHOW("size", yes(!strncmp(state, "QSIZE:7 ", 8)));
    say("cloexec=%d", fcntl(q, F_GETFD));
    struct mq_attr attr = {O_NONBLOCK, 0, 0, 0}, old;
    SHOW("setattr", ok(mq_setattr(q, &attr, &old)));
    say("old=%ld:%ld:%ld:%ld", old.mq_flags, old.mq_maxmsg, old.mq_msgsize, old.mq_curmsgs);
    SHOW("nonblock", ok(mq_send(q, "1", 1, 0)));
}

static volatile sig_atomic_t why, data;

static void on_message(int signo UNUSED, siginfo_t *info, void *context UNUSED)
{
    why = info->si_code;
    data = info->si_value.sival_int;
}

BEHAVIOUR(notice)
{
    mqd_t q = queue(0);
    struct sigaction act = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    event.sigev_value.sival_int = 41;
    sigaction(SIGUSR1, &act, NULL);
    SHOW("ask", ok(mq_notify(q, &event)));
    SHOW("twice", ok(mq_notify(q, &event)));
    CHECK(mq_send(q, "x", 1, 0) == 0);
    SHOW("told", yes(EVENTUALLY(why)));
    say("code=%d data=%d", (int)why, (int)data);
    why = 0;
    fetch(q);
    CHECK(mq_send(q, "x", 1, 0) == 0);
    say("only_once=%d", (int)why);
    SHOW("again", ok(mq_notify(q, &event)));
    CHECK(mq_send(q, "x", 1, 0) == 0);
    say("not_empty=%d", (int)why);
    SHOW("take_back", ok(mq_notify(q, NULL)));
}
