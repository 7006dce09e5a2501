/* getdents64 and what libc builds on it. */
#include "guest.h"
#include <dirent.h>

struct entry64 {
    uint64_t ino;
    int64_t off;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

static char names[700][16];
static int found;

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* All names of a directory, read with a buffer of this size, sorted. */
static void scan(int fd, int room)
{
    static char buffer[65536] __attribute__((aligned(8)));
    long n;
    found = 0;
    while ((n = syscall(SYS_getdents64, fd, buffer, room)) > 0)
        for (long at = 0; at < n;) {
            struct entry64 *e = (void *)(buffer + at);
            CHECK(found < 700);
            snprintf(names[found++], 16, "%.15s", e->name);
            at += e->reclen;
        }
    CHECK(n == 0);
    qsort(names, found, sizeof names[0], by_name);
}

BEHAVIOUR(entries)
{
    make_file("f", "");
    CHECK(mkdir("d", 0755) == 0 && symlink("x", "l") == 0);
    CHECK(mkfifo("p", 0644) == 0);
    scan(MUST(open(".", O_RDONLY)), 4096);
    for (int i = 0; i < found; i++)
        say("%s", names[i]);
}

BEHAVIOUR(types)
{
    make_file("f", "");
    CHECK(mkdir("d", 0755) == 0 && symlink("x", "l") == 0);
    CHECK(mkfifo("p", 0644) == 0);
    static const char wanted[] = "fdlp";
    DIR *dir = opendir(".");
    CHECK(dir);
    int type[4] = {0}, dots = 0;
    struct stat st;
    int same = 1;
    for (struct dirent *e; (e = readdir(dir));) {
        const char *at = strchr(wanted, e->d_name[0]);
        if (!at) {
            dots += e->d_type == DT_DIR;
            continue;
        }
        type[at - wanted] = e->d_type;
        CHECK(lstat(e->d_name, &st) == 0);
        same &= st.st_ino == e->d_ino;
    }
    say("f=%d d=%d l=%d p=%d dots=%d same_inode=%s", type[0], type[1], type[2],
        type[3], dots, yes(same));
}

BEHAVIOUR(many_with_small_buffers)
{
    for (int i = 0; i < 500; i++) {
        char name[16];
        snprintf(name, sizeof name, "entry%03d", i);
        make_file(name, "");
    }
    int fd = MUST(open(".", O_RDONLY));
    static const int rooms[] = {64, 200, 4096, 65536};
    for (int i = 0; i < COUNT(rooms); i++) {
        CHECK(lseek(fd, 0, SEEK_SET) == 0);
        scan(fd, rooms[i]);
        int distinct = 1;
        for (int k = 1; k < found; k++)
            distinct += strcmp(names[k - 1], names[k]) != 0;
        say("room_%d=%d,%d", rooms[i], found, distinct);
    }
}

BEHAVIOUR(errors)
{
    char buffer[256];
    int fd = MUST(open(".", O_RDONLY)), p[2];
    make_file("f", "");
    CHECK(pipe(p) == 0);
    SHOW("small", ret(syscall(SYS_getdents64, fd, buffer, 8)));
    SHOW("zero", ret(syscall(SYS_getdents64, fd, buffer, 0)));
    SHOW("file", ret(syscall(SYS_getdents64, MUST(open("f", O_RDONLY)), buffer, 256)));
    SHOW("pipe", ret(syscall(SYS_getdents64, p[0], buffer, 256)));
    SHOW("bad_fd", ret(syscall(SYS_getdents64, 999, buffer, 256)));
    SHOW("fault", ret(syscall(SYS_getdents64, fd, bad(), 256)));
    SHOW("end", (scan(fd, 4096), ret(syscall(SYS_getdents64, fd, buffer, 256))));
}

BEHAVIOUR(seeking)
{
    for (int i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "e%02d", i);
        make_file(name, "");
    }
    DIR *dir = opendir(".");
    CHECK(dir);
    for (int i = 0; i < 10; i++)
        CHECK(readdir(dir));
    long place = telldir(dir);
    char tenth[256], again[256];
    strcpy(tenth, readdir(dir)->d_name);
    while (readdir(dir))
        ;
    seekdir(dir, place);
    strcpy(again, readdir(dir)->d_name);
    say("seekdir=%s", yes(!strcmp(tenth, again)));
    rewinddir(dir);
    int n = 0;
    while (readdir(dir))
        n++;
    say("rewound=%d", n);
}

BEHAVIOUR(rereading_sees_changes)
{
    int fd = MUST(open(".", O_RDONLY));
    scan(fd, 4096);
    say("first=%d", found);
    make_file("new", "");
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    scan(fd, 4096);
    say("with_new=%d", found);
    CHECK(unlink("new") == 0 && lseek(fd, 0, SEEK_SET) == 0);
    scan(fd, 4096);
    say("without=%d", found);
}

BEHAVIOUR(deleting_while_reading)
{
    for (int i = 0; i < 300; i++) {
        char name[16];
        snprintf(name, sizeof name, "e%03d", i);
        make_file(name, "");
    }
    /* What rm -r does: each name that is given must be there once. */
    DIR *dir = opendir(".");
    CHECK(dir);
    int removed = 0, failed = 0;
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] == 'e')
            unlink(e->d_name) == 0 ? removed++ : failed++;
    say("removed=%d failed=%d", removed, failed);
}

BEHAVIOUR(removed_directory)
{
    char buffer[256];
    CHECK(mkdir("d", 0755) == 0);
    int fd = MUST(open("d", O_RDONLY));
    CHECK(rmdir("d") == 0);
    SHOW("read", ret(syscall(SYS_getdents64, fd, buffer, 256)));
    SHOW("openat", ok(openat(fd, "f", O_RDWR | O_CREAT, 0644)));
}

BEHAVIOUR(shared_position)
{
    for (int i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "e%02d", i);
        make_file(name, "");
    }
    char buffer[256];
    int fd = MUST(open(".", O_RDONLY)), copy = dup(fd);
    CHECK(syscall(SYS_getdents64, fd, buffer, 256) > 0);
    scan(copy, 4096);
    say("rest_only=%s", yes(found > 0 && found < 52));
    scan(fd, 4096);
    say("at_end=%d", found);
}

BEHAVIOUR(link_counts)
{
    /* Directories count their subdirectories, or always say 1 (btrfs). */
    struct stat st;
    CHECK(mkdir("d", 0755) == 0 && stat("d", &st) == 0);
    int empty = st.st_nlink;
    CHECK(mkdir("d/a", 0755) == 0 && mkdir("d/b", 0755) == 0);
    CHECK(stat("d", &st) == 0);
    say("counts=%s", yes((empty == 2 && st.st_nlink == 4) ||
                         (empty == 1 && st.st_nlink == 1)));
}
