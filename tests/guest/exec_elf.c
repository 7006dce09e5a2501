/* Malformed ELF files: refused with the right errno, never a crash. */
#include "guest.h"
#include <elf.h>
#include <link.h>

extern char **environ;

typedef ElfW(Ehdr) Header;
typedef ElfW(Phdr) Segment;

static unsigned char *image;
static size_t image_size;

/* Read this very program: changed copies of it are what is run. */
static void load(void)
{
    int fd = MUST(open(guest_self, O_RDONLY));
    image_size = file_size(fd);
    image = malloc(image_size);
    CHECK(image && read(fd, image, image_size) == (ssize_t)image_size);
    close(fd);
}

static Header *header(void)
{
    return (Header *)image;
}

static Segment *segment(uint32_t type)
{
    Segment *s = (Segment *)(image + header()->e_phoff);
    for (int i = 0; i < header()->e_phnum; i++)
        if (s[i].p_type == type)
            return s + i;
    return NULL;
}

static void store(size_t size)
{
    unlink("x");
    int fd = MUST(open("x", O_WRONLY | O_CREAT | O_TRUNC, 0755));
    CHECK(write(fd, image, size) == (ssize_t)size);
    close(fd);
}

/* Run what stands in image: "exit 7" if it works. */
static const char *run(size_t size)
{
    store(size);
    pid_t pid = start();
    if (pid == 0) {
        execl("./x", "x", "@exit7", NULL);
        _exit(errno == ENOEXEC ? 100 : errno == EINVAL ? 101 : errno == ENOENT ? 102
              : errno == ENOMEM ? 103 : errno == EIO ? 104 : errno == ELIBBAD ? 105
              : errno == EACCES ? 106 : 109);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    static const char *const names[] = {"ENOEXEC", "EINVAL", "ENOENT", "ENOMEM",
                                        "EIO", "ELIBBAD", "EACCES"};
    if (WIFEXITED(status) && WEXITSTATUS(status) >= 100 && WEXITSTATUS(status) < 107)
        return names[WEXITSTATUS(status) - 100];
    return status_text(status);
}

ROLE(exit7)
{
    exit(7);
}

BEHAVIOUR(unchanged)
{
    load();
    SHOW("run", run(image_size));
}

BEHAVIOUR(truncated)
{
    load();
    static const int sizes[] = {1, 4, 16, 40, 63};
    for (int i = 0; i < COUNT(sizes); i++)
        say("%d=%s", sizes[i], run(sizes[i]));
    say("header_only=%s", run(sizeof(Header)));
    say("no_segments=%s", run(sizeof(Header) + 20));
}

BEHAVIOUR(wrong_identity)
{
    load();
    image[0] = 'x';
    SHOW("magic", run(image_size));
    image[0] = 0x7f;
    image[EI_CLASS] = 9;
    SHOW("class_is_not_looked_at", run(image_size));
    image[EI_CLASS] = sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32;
    header()->e_machine = EM_ARM;
    SHOW("machine", run(image_size));
}

BEHAVIOUR(wrong_type)
{
    load();
    static const struct { const char *name; int type; } cases[] = {
        {"rel", ET_REL}, {"core", ET_CORE}, {"none", ET_NONE}, {"odd", 0x1234}};
    for (int i = 0; i < COUNT(cases); i++) {
        header()->e_type = cases[i].type;
        SHOW(cases[i].name, run(image_size));
    }
}

BEHAVIOUR(program_header_table)
{
    load();
    Header saved = *header();
    header()->e_phnum = 0;
    SHOW("none", run(image_size));
    *header() = saved;
    header()->e_phentsize = 8;
    SHOW("entry_size", run(image_size));
    *header() = saved;
    header()->e_phnum = 60000;
    SHOW("too_many", run(image_size));
    *header() = saved;
    header()->e_phoff = image_size + 100;
    SHOW("past_end", run(image_size));
    *header() = saved;
    header()->e_phoff = ~0ul;
    SHOW("wild_offset", run(image_size));
}

BEHAVIOUR(interpreter)
{
    load();
    Segment *s = segment(PT_INTERP);
    if (!s) {           /* a static build has none */
        say("static");
        return;
    }
    char *name = (char *)image + s->p_offset;
    Segment saved = *s;
    char kept = name[1];
    name[1] = 'Z';
    SHOW("missing", run(image_size));
    name[1] = kept;
    s->p_filesz = s->p_filesz - 1;
    SHOW("not_terminated", run(image_size));
    s->p_filesz = 1;
    SHOW("too_short", run(image_size));
    s->p_filesz = PATH_MAX + 1;
    SHOW("too_long", run(image_size));
    *s = saved;
    s->p_offset = image_size + 10;
    SHOW("past_end", run(image_size));
    *s = saved;
    memcpy(name, "/etc", 5);
    SHOW("directory", run(image_size));
    memcpy(name, "/etc/passwd", 12);
    SHOW("not_executable", run(image_size));
}

BEHAVIOUR(interpreter_is_no_elf)
{
    load();
    Segment *s = segment(PT_INTERP);
    if (!s) {
        say("static");
        return;
    }
    make_file("i", "not an ELF file, but long enough to hold a header's worth of "
                   "bytes, all of them wrong, and then some more to be quite sure");
    CHECK(chmod("i", 0755) == 0);
    memcpy(image + s->p_offset, "./i", 4);
    s->p_filesz = 4;
    SHOW("text", run(image_size));
    make_file("i", "short");
    SHOW("short", run(image_size));
}

BEHAVIOUR(no_loadable_segment)
{
    load();
    Segment *s = (Segment *)(image + header()->e_phoff);
    for (int i = 0; i < header()->e_phnum; i++)
        if (s[i].p_type == PT_LOAD || s[i].p_type == PT_INTERP)
            s[i].p_type = PT_NULL;
    const char *how = run(image_size);
    /* Linux jumps to an entry that nothing maps. */
    SHOW("run", how);
}

BEHAVIOUR(impossible_segment)
{
    load();
    Segment *s = segment(PT_LOAD), saved = *s;
    s->p_memsz = s->p_filesz - 1;
    SHOW("memory_below_file", strcmp(run(image_size), "exit 7") ? "refused" : "ran");
    *s = saved;
    s->p_memsz = ~(ElfW(Xword))0 >> 1;
    SHOW("huge", strcmp(run(image_size), "exit 7") ? "refused" : "ran");
    *s = saved;
    s->p_vaddr += 1;
    SHOW("unaligned", strcmp(run(image_size), "exit 7") ? "refused" : "ran");
}

BEHAVIOUR(bad_alignment_field)
{
    load();
    Segment *s = segment(PT_LOAD);
    s->p_align = 3;         /* not a power of two: ignored */
    SHOW("three", run(image_size));
}

BEHAVIOUR(after_refusal_we_live_on)
{
    load();
    int refused = 0;
    header()->e_machine = EM_ARM;
    store(image_size);
    for (int i = 0; i < 20; i++)
        refused += execl("./x", "x", NULL) == -1 && errno == ENOEXEC;
    say("refused=%d", refused);
    char *text = malloc(100000);
    CHECK(text);
    memset(text, 1, 100000);
    say("alive=%s", yes(text[99999] == 1));
}
