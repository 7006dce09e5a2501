/* mmap, munmap, mremap, brk: what is mapped where, and what is refused. */
#include "guest.h"

static void *map(size_t n, int prot, int flags)
{
    return mmap(NULL, n, prot, flags | MAP_ANONYMOUS, -1, 0);
}

static const char *mapped(void *result)
{
    return result == MAP_FAILED ? errname(errno) : "ok";
}

/* Is this page mapped?  mincore says ENOMEM when it is not. */
static const char *there(void *at)
{
    unsigned char state;
    return mincore(at, 1, &state) == 0 ? "yes" : errno == ENOMEM ? "no" : errname(errno);
}

static size_t page;
__attribute__((constructor)) static void pages(void)
{
    page = page_size();
}

BEHAVIOUR(anonymous_is_zero)
{
    char *m = map(3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    CHECK(m != MAP_FAILED);
    int zeros = 1;
    for (size_t i = 0; i < 3 * page; i++)
        zeros &= m[i] == 0;
    say("zeros=%s aligned=%s", yes(zeros), yes((uintptr_t)m % page == 0));
    SHOW("unmap", ok(munmap(m, 3 * page)));
    SHOW("there", there(m));
    SHOW("unmap_again", ok(munmap(m, 3 * page)));
}

BEHAVIOUR(errors)
{
    make_file("f", "x");
    int r = MUST(open("f", O_RDONLY)), w = MUST(open("f", O_WRONLY)), p[2];
    CHECK(pipe(p) == 0);
    SHOW("zero_length", mapped(map(0, PROT_READ, MAP_PRIVATE)));
    SHOW("no_kind", mapped(map(page, PROT_READ, 0)));
    SHOW("bad_fd", mapped(mmap(NULL, page, PROT_READ, MAP_PRIVATE, 999, 0)));
    SHOW("pipe", mapped(mmap(NULL, page, PROT_READ, MAP_PRIVATE, p[0], 0)));
    SHOW("dir", mapped(mmap(NULL, page, PROT_READ, MAP_PRIVATE, MUST(open(".", O_RDONLY)), 0)));
    SHOW("offset", mapped(mmap(NULL, page, PROT_READ, MAP_PRIVATE, r, 5)));
    SHOW("shared_write_rdonly", mapped(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, r, 0)));
    SHOW("private_write_rdonly", mapped(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, r, 0)));
    SHOW("read_wronly", mapped(mmap(NULL, page, PROT_READ, MAP_PRIVATE, w, 0)));
    SHOW("write_wronly", mapped(mmap(NULL, page, PROT_WRITE, MAP_SHARED, w, 0)));
    SHOW("fixed_misaligned", mapped(mmap((char *)bad() + 1, page, PROT_READ,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)));
    SHOW("huge", mapped(map((size_t)-1 - page, PROT_READ, MAP_PRIVATE)));
    SHOW("unmap_misaligned", ok(munmap((char *)bad() + 1, page)));
    SHOW("unmap_zero", ok(munmap(bad(), 0)));
}

BEHAVIOUR(fixed_replaces)
{
    char *m = map(3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    m[0] = 'a', m[page] = 'b', m[2 * page] = 'c';
    void *again = mmap(m + page, page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    say("same_place=%s", yes(again == m + page));
    say("bytes=%c%d%c", m[0], m[page], m[2 * page]);
}

BEHAVIOUR(fixed_noreplace)
{
    char *m = map(3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    CHECK(munmap(m + page, page) == 0);
    SHOW("free", yes(mmap(m + page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
                          MAP_FIXED_NOREPLACE, -1, 0) == m + page));
    SHOW("taken", mapped(mmap(m + page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
                              MAP_FIXED_NOREPLACE, -1, 0)));
    SHOW("overlap", mapped(mmap(m - page, 2 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS |
                                MAP_FIXED_NOREPLACE, -1, 0)));
    m[0] = 'x';
    say("untouched=%c", m[0]);
}

BEHAVIOUR(hint_is_followed)
{
    char *m = map(4 * page, PROT_READ, MAP_PRIVATE);
    CHECK(munmap(m, 4 * page) == 0);
    void *again = mmap(m + page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("free_hint=%s", yes(again == m + page));
    void *other = mmap(m + page, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    say("taken_hint=%s", yes(other != m + page && other != MAP_FAILED));
}

BEHAVIOUR(partial_unmap)
{
    char *m = map(5 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    CHECK(munmap(m + page, 1) == 0);        /* length is rounded up */
    CHECK(munmap(m + 3 * page, page) == 0);
    for (int i = 0; i < 5; i++)
        say("%d=%s", i, there(m + i * page));
    SHOW("whole_range", ok(munmap(m, 5 * page)));
}

BEHAVIOUR(file_private)
{
    make_file("f", "file content");
    int fd = MUST(open("f", O_RDWR));
    char *m = mmap(NULL, 12, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(m != MAP_FAILED);
    close(fd);
    m[0] = 'F';
    say("memory=%.12s", m);
    SHOW("file", file_text("f"));
    say("tail_zero=%s", yes(m[12] == 0 && m[page - 1] == 0));
}

BEHAVIOUR(file_shared)
{
    make_file("f", "file content");
    int fd = MUST(open("f", O_RDWR));
    char *m = mmap(NULL, 12, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(m != MAP_FAILED);
    m[0] = 'M';
    SHOW("read_sees", file_text("f"));
    CHECK(pwrite(fd, "W", 1, 1) == 1);
    say("map_sees=%.4s", m);
    m[13] = 'z';            /* past the end: never written to the file */
    SHOW("msync", ok(msync(m, 12, MS_SYNC)));
    say("size=%lld", file_size(fd));
    CHECK(unlink("f") == 0);
    m[2] = 'U';
    say("unlinked=%.4s", m);
}

BEHAVIOUR(file_offset)
{
    int fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
    CHECK(ftruncate(fd, 3 * page) == 0 && pwrite(fd, "second", 6, page) == 6);
    char *m = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, page);
    say("second=%.6s", m);
    CHECK(pwrite(fd, "fourth", 6, 3ll * page) == 6);
    char *two = mmap(NULL, 2 * page, PROT_READ, MAP_SHARED, fd, 2 * page);
    say("across=%.6s", two + page);
}

BEHAVIOUR(msync_rules)
{
    char *m = map(2 * page, PROT_READ | PROT_WRITE, MAP_SHARED);
    SHOW("sync", ok(msync(m, page, MS_SYNC)));
    SHOW("async", ok(msync(m, page, MS_ASYNC)));
    SHOW("both", ok(msync(m, page, MS_SYNC | MS_ASYNC)));
    SHOW("flags", ok(msync(m, page, 0x80)));
    SHOW("misaligned", ok(msync(m + 1, page, MS_SYNC)));
    CHECK(munmap(m + page, page) == 0);
    SHOW("hole", ok(msync(m, 2 * page, MS_SYNC)));
}

BEHAVIOUR(mremap_grows)
{
    char *m = map(2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    strcpy(m, "kept");
    m[page] = 'p';
    char *n = mremap(m, 2 * page, 8 * page, MREMAP_MAYMOVE);
    CHECK(n != MAP_FAILED);
    say("text=%s second=%c new_zero=%s", n, n[page], yes(n[7 * page] == 0));
    n = mremap(n, 8 * page, page, 0);
    say("shrunk=%s rest=%s", mapped(n), there(n + page));
}

BEHAVIOUR(mremap_in_place)
{
    char *m = map(4 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    /* The way is barred: without MAYMOVE it must fail. */
    SHOW("barred", mapped(mremap(m, 2 * page, 3 * page, 0)));
    CHECK(munmap(m + 2 * page, 2 * page) == 0);
    say("free=%s", yes(mremap(m, 2 * page, 4 * page, 0) == m));
}

BEHAVIOUR(mremap_fixed)
{
    char *m = map(2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    char *target = map(2 * page, PROT_READ, MAP_PRIVATE);
    strcpy(m, "moved");
    say("there=%s", yes(mremap(m, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
                               target) == target));
    say("text=%s old=%s", target, there(m));
    SHOW("fixed_alone", mapped(mremap(target, page, page, MREMAP_FIXED, m)));
    SHOW("overlap", mapped(mremap(target, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
                                  target + page)));
    SHOW("misaligned", mapped(mremap(target + 1, page, page, MREMAP_MAYMOVE)));
    SHOW("zero", mapped(mremap(target, page, 0, MREMAP_MAYMOVE)));
    SHOW("flags", mapped(mremap(target, page, page, 0x40)));
    SHOW("unmapped", mapped(mremap(m, page, 2 * page, MREMAP_MAYMOVE)));
}

BEHAVIOUR(mremap_dontunmap)
{
    char *m = map(page, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    strcpy(m, "moved");
    char *n = mremap(m, page, page, MREMAP_MAYMOVE | 4 /* MREMAP_DONTUNMAP */, NULL);
    CHECK(n != MAP_FAILED);
    say("new=%s old_there=%s old_zero=%s", n, there(m), yes(m[0] == 0));
}

BEHAVIOUR(brk_moves)
{
    char *before = sbrk(0);
    char *block = sbrk(3 * page);
    say("grows=%s", yes(block == before && (char *)sbrk(0) == before + 3 * page));
    block[0] = 'b', block[3 * page - 1] = 'e';
    say("written=%c%c", block[0], block[3 * page - 1]);
    CHECK(sbrk(-3 * (intptr_t)page) != (void *)-1);
    say("shrinks=%s", yes((char *)sbrk(0) == before));
    /* The raw call gives the old break instead of an error. */
    say("refused=%s", yes((char *)syscall(SYS_brk, 1) == before));
    block = sbrk(2 * page);
    say("zero_again=%s", yes(block[page] == 0));
}

BEHAVIOUR(many_small_maps)
{
    enum { N = 500 };
    static char *all[N];
    int good = 0;
    for (int i = 0; i < N; i++) {
        all[i] = map(page, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ, MAP_PRIVATE);
        good += all[i] != MAP_FAILED;
    }
    for (int i = 1; i < N; i += 2)
        all[i][0] = (char)i;
    for (int i = 1; i < N; i += 2)
        good += all[i][0] == (char)i;
    for (int i = 0; i < N; i++)
        good += munmap(all[i], page) == 0;
    say("good=%d", good);
}

BEHAVIOUR(device_zero)
{
    int fd = MUST(open("/dev/zero", O_RDWR));
    char *m = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    SHOW("map", mapped(m));
    say("zero=%s", yes(m[0] == 0 && m[page - 1] == 0));
    m[0] = 'x';
    char *shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    SHOW("shared", mapped(shared));
    pid_t pid = start();
    if (pid == 0) {
        shared[0] = 's';
        _exit(0);
    }
    reap(pid);
    say("with_child=%c", shared[0]);
}
