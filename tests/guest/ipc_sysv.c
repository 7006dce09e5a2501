/* System V shared memory, semaphores and message queues. */
#include "guest.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static struct {
    long type;
    char text[64];
} letter;

/* ---- shared memory ----------------------------------------------------- */

static long attached(int id)
{
    struct shmid_ds ds;
    CHECK(shmctl(id, IPC_STAT, &ds) == 0);
    return ds.shm_nattch;
}

BEHAVIOUR(segment_is_shared)
{
    int id = MUST(shmget(IPC_PRIVATE, 5000, 0600));
    char *here = shmat(id, NULL, 0);
    CHECK(here != (void *)-1);
    strcpy(here, "parent");
    pid_t child = start();
    if (child == 0) {
        say("inherited=%s attached=%ld", here, attached(id));
        strcpy(here, "child");
        _exit(0);
    }
    reap(child);
    say("seen=%s", here);
    SHOW("child_gone", yes(EVENTUALLY(attached(id) == 1)));
    SHOW("end", (here[8191] = 1, "touched"));
    SHOW("rmid", ok(shmctl(id, IPC_RMID, NULL)));
    say("lives=%ld", attached(id));
    SHOW("detach", ok(shmdt(here)));
    SHOW("gone", ret(shmctl(id, IPC_STAT, &(struct shmid_ds){})));
    SHOW("detach_again", ok(shmdt(here)));
}

BEHAVIOUR(segment_modes)
{
    int id = MUST(shmget(IPC_PRIVATE, 4096, 0600));
    char *writer = shmat(id, NULL, 0), *reader = shmat(id, NULL, SHM_RDONLY);
    CHECK(writer != (void *)-1 && reader != (void *)-1);
    writer[5] = 'x';
    say("read=%c", reader[5]);
    SHOW("unaligned", ret((long)shmat(id, writer + 1, 0)));
    SHOW("taken", ret((long)shmat(id, writer, 0)));
    SHOW("remap", yes(shmat(id, reader, SHM_REMAP) == reader));
    reader[6] = 'y';
    say("write=%c", writer[6]);
    SHOW("no_id", ret((long)shmat(-1, NULL, 0)));
    shmctl(id, IPC_RMID, NULL);
    pid_t child = start();
    if (child == 0) {
        char *again = shmat(id, NULL, SHM_RDONLY);
        again[0] = 1;
        _exit(0);
    }
    SHOW("write_to_reader", reap(child));
}

BEHAVIOUR(segment_keys)
{
    key_t key = 0x33520000 | (getpid() & 0xffff);
    SHOW("absent", ret(shmget(key, 100, 0600)));
    int id = MUST(shmget(key, 100, IPC_CREAT | 0600));
    SHOW("same", yes(shmget(key, 100, 0600) == id));
    SHOW("smaller", yes(shmget(key, 0, 0) == id));
    SHOW("larger", ret(shmget(key, 101, 0600)));
    SHOW("exclusive", ret(shmget(key, 100, IPC_CREAT | IPC_EXCL | 0600)));
    SHOW("empty", ret(shmget(IPC_PRIVATE, 0, 0600)));
    CHECK(shmctl(id, IPC_RMID, NULL) == 0);
    SHOW("removed", ret(shmget(key, 100, 0600)));
    SHOW("stat", ret(shmctl(id, IPC_STAT, &(struct shmid_ds){})));
}

BEHAVIOUR(segment_permissions)
{
    int id = MUST(shmget(IPC_PRIVATE, 100, 0400));
    struct shmid_ds ds;
    CHECK(shmctl(id, IPC_STAT, &ds) == 0);
    say("mode=%o size=%ld", ds.shm_perm.mode, (long)ds.shm_segsz);
    drop_root();
    SHOW("write", yes(shmat(id, NULL, 0) == (void *)-1 && errno == EACCES));
    if (geteuid() == NOBODY)
        SHOW("remove", ret(shmctl(id, IPC_RMID, NULL)));
    else
        SHOW("remove", (shmctl(id, IPC_RMID, NULL), "EPERM"));
}

/* ---- semaphores -------------------------------------------------------- */

static int sem(int count)
{
    return MUST(semget(IPC_PRIVATE, count, 0600));
}

static int op(int id, int number, int amount, int flags)
{
    struct sembuf one = {number, amount, flags};
    return semop(id, &one, 1);
}

static int value(int id, int number)
{
    return semctl(id, number, GETVAL);
}

BEHAVIOUR(semaphore_wakes)
{
    int id = sem(1);
    pid_t child = start();
    if (child == 0)
        _exit(op(id, 0, -2, 0) == 0 ? 0 : 1);
    SHOW("waits", yes(EVENTUALLY(semctl(id, 0, GETNCNT) == 1)));
    SHOW("one", ok(op(id, 0, 1, 0)));
    sleep_ms(10);
    say("not_enough=%d", value(id, 0));
    SHOW("two", ok(op(id, 0, 1, 0)));
    SHOW("child", reap(child));
    say("left=%d pid=%s", value(id, 0), yes(semctl(id, 0, GETPID) == child));
    semctl(id, 0, IPC_RMID);
}

BEHAVIOUR(semaphore_zero)
{
    int id = sem(1);
    CHECK(semctl(id, 0, SETVAL, (union semun){.val = 1}) == 0);
    pid_t child = start();
    if (child == 0)
        _exit(op(id, 0, 0, 0) == 0 ? 0 : 1);
    SHOW("waits", yes(EVENTUALLY(semctl(id, 0, GETZCNT) == 1)));
    op(id, 0, -1, 0);
    op(id, 0, 1, 0);            /* zero for a moment is enough */
    SHOW("child", reap(child));
    semctl(id, 0, IPC_RMID);
}

BEHAVIOUR(semaphore_all_or_nothing)
{
    int id = sem(2);
    struct sembuf two[] = {{0, 1, IPC_NOWAIT}, {1, -1, IPC_NOWAIT}};
    SHOW("stuck", ok(semop(id, two, 2)));
    say("unchanged=%d", value(id, 0));
    two[1].sem_num = 2;
    SHOW("number", ok(semop(id, two, 2)));
    SHOW("none", ok(semop(id, two, 0)));
    SHOW("many", ok(semop(id, two, 501)));
    SHOW("fault", ok(semop(id, bad(), 1)));
    SHOW("range", ok(semctl(id, 0, SETVAL, (union semun){.val = 32768})));
    CHECK(semctl(id, 0, SETVAL, (union semun){.val = 32767}) == 0);
    SHOW("overflow", ok(op(id, 0, 1, 0)));
    unsigned short all[2] = {4, 5}, back[2];
    SHOW("setall", ok(semctl(id, 0, SETALL, (union semun){.array = all})));
    SHOW("getall", ok(semctl(id, 0, GETALL, (union semun){.array = back})));
    say("%d %d", back[0], back[1]);
    semctl(id, 0, IPC_RMID);
}

BEHAVIOUR(semaphore_undo)
{
    int id = sem(1);
    CHECK(semctl(id, 0, SETVAL, (union semun){.val = 1}) == 0);
    pid_t child = start();
    if (child == 0)
        _exit(op(id, 0, -1, SEM_UNDO) == 0 ? 0 : 1);
    reap(child);
    SHOW("given_back", yes(EVENTUALLY(value(id, 0) == 1)));
    semctl(id, 0, IPC_RMID);
}

BEHAVIOUR(semaphore_ends)
{
    int id = sem(1);
    pid_t child = start();
    if (child == 0) {
        say("removed=%s", ok(op(id, 0, -1, 0)));
        _exit(0);
    }
    CHECK(EVENTUALLY(semctl(id, 0, GETNCNT) == 1));
    CHECK(semctl(id, 0, IPC_RMID) == 0);
    reap(child);
    SHOW("after", ok(op(id, 0, 1, 0)));
    id = sem(1);
    struct timespec t = {0, 10000000};
    struct sembuf one = {0, -1, 0};
    SHOW("timeout", ok(semtimedop(id, &one, 1, &t)));
    semctl(id, 0, IPC_RMID);
}

/* ---- messages ---------------------------------------------------------- */

static const char *post(int id, long type, const char *text)
{
    letter.type = type;
    strcpy(letter.text, text);
    return ok(msgsnd(id, &letter, strlen(text), IPC_NOWAIT));
}

static const char *fetch(int id, long type, int flags)
{
    memset(&letter, 0, sizeof letter);
    ssize_t n = msgrcv(id, &letter, sizeof letter.text, type, flags | IPC_NOWAIT);
    return n < 0 ? errname(errno) : letter.text;
}

BEHAVIOUR(messages_by_type)
{
    int id = MUST(msgget(IPC_PRIVATE, 0600));
    post(id, 3, "three");
    post(id, 1, "one");
    post(id, 2, "two");
    post(id, 3, "third");
    SHOW("type_3", fetch(id, 3, 0));
    SHOW("up_to_2", fetch(id, -2, 0));
    SHOW("not_3", fetch(id, 3, MSG_EXCEPT));
    SHOW("any", fetch(id, 0, 0));
    SHOW("empty", fetch(id, 0, 0));
    SHOW("type_0", post(id, 0, "x"));
    post(id, 1, "too long");
    SHOW("short", ret(msgrcv(id, &letter, 3, 0, IPC_NOWAIT)));
    SHOW("cut", ret(msgrcv(id, &letter, 3, 0, IPC_NOWAIT | MSG_NOERROR)));
    SHOW("rmid", ok(msgctl(id, IPC_RMID, NULL)));
    SHOW("after", post(id, 1, "x"));
}

BEHAVIOUR(messages_wait)
{
    int id = MUST(msgget(IPC_PRIVATE, 0600));
    pid_t child = start();
    if (child == 0) {
        ssize_t n = msgrcv(id, &letter, 64, 0, 0);
        say("got=%d:%ld:%.5s", (int)n, letter.type, letter.text);
        n = msgrcv(id, &letter, 64, 0, 0);
        say("removed=%s", ret(n));
        _exit(0);
    }
    sleep_ms(10);
    post(id, 4, "hello");
    struct msqid_ds ds;
    CHECK(EVENTUALLY(msgctl(id, IPC_STAT, &ds) == 0 && ds.msg_qnum == 0));
    sleep_ms(20);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);
    reap(child);
}

BEHAVIOUR(messages_fill)
{
    int id = MUST(msgget(IPC_PRIVATE, 0600)), count = 0;
    struct msqid_ds ds;
    while (*post(id, 1, "0123456789012345678901234567890123456789012345678901234567890") == 'o')
        count++;
    CHECK(msgctl(id, IPC_STAT, &ds) == 0);
    say("full=%s count=%d bytes=%ld", post(id, 1, "y"), count, (long)ds.__msg_cbytes);
    pid_t child = start();
    if (child == 0)
        _exit(msgsnd(id, &letter, 1, 0) == 0 ? 0 : 1);
    sleep_ms(10);
    fetch(id, 0, 0);
    SHOW("child", reap(child));
    msgctl(id, IPC_RMID, NULL);
}
