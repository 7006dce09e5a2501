/* '#!' scripts: interpreter lines and their corner cases. */
#include "guest.h"

extern char **environ;

ROLE(args)
{
    for (int i = 2; i < guest_argc; i++) {
        const char *slash = strrchr(guest_argv[i], '/');
        say("[%s]", slash ? slash + 1 : guest_argv[i]);
    }
}

/* A link to this program whose name is the role, usable as interpreter. */
static void script(const char *name, const char *line)
{
    char text[PATH_MAX * 2];
    snprintf(text, sizeof text, "%s\necho body\n", line);
    make_file(name, text);
    CHECK(chmod(name, 0755) == 0);
}

static const char *run(const char *path, const char *first)
{
    pid_t pid = start();
    if (pid == 0) {
        execl(path, "zero", first, NULL);
        SHOW("execve", errname(errno));
        _exit(90);
    }
    return reap(pid);
}

static char line[PATH_MAX * 2];

BEHAVIOUR(arguments)
{
    snprintf(line, sizeof line, "#!%s @args", guest_self);
    script("s", line);
    SHOW("status", run("./s", "one"));
    SHOW("no_argument", run("./s", NULL));
}

BEHAVIOUR(one_optional_argument)
{
    snprintf(line, sizeof line, "#! \t %s \t @args", guest_self);
    script("blanks", line);
    SHOW("blanks", run("./blanks", "x"));
    snprintf(line, sizeof line, "#!%s @args \t ", guest_self);
    script("trailing", line);
    SHOW("trailing", run("./trailing", "x"));
    /* The rest of the line is one argument: no role has that name. */
    snprintf(line, sizeof line, "#!%s @args two  words", guest_self);
    script("words", line);
    SHOW("one_string", run("./words", "x"));
}

BEHAVIOUR(shell_script)
{
    make_file("s", "#!/bin/sh\nexit $#\n");
    CHECK(chmod("s", 0755) == 0);
    SHOW("status", run("./s", "x"));
    make_file("t", "#!/bin/sh\ntest \"$0\" = ./t && exit 5\n");
    CHECK(chmod("t", 0755) == 0);
    SHOW("zero_is_the_path", run("./t", "x"));
}

BEHAVIOUR(nested)
{
    char path[PATH_MAX];
    CHECK(getcwd(path, sizeof path - 8));
    snprintf(line, sizeof line, "#!%s @args", guest_self);
    script("inner", line);
    snprintf(line, sizeof line, "#!%s/inner opt", path);
    script("outer", line);
    SHOW("two_levels", run("./outer", "x"));
}

BEHAVIOUR(recursion_limit)
{
    char path[PATH_MAX], name[8];
    CHECK(getcwd(path, sizeof path - 8));
    script("s0", "#!/bin/true");
    for (int i = 1; i <= 7; i++) {
        snprintf(line, sizeof line, "#!%s/s%d", path, i - 1);
        snprintf(name, sizeof name, "s%d", i);
        script(name, line);
    }
    SHOW("4", run("./s4", "x"));
    SHOW("5", run("./s5", "x"));
    snprintf(line, sizeof line, "#!%s/self", path);
    script("self", line);
    SHOW("itself", run("./self", "x"));
}

BEHAVIOUR(bad_interpreters)
{
    script("missing", "#!/none/such");
    SHOW("missing", run("./missing", "x"));
    script("directory", "#!/tmp");
    SHOW("directory", run("./directory", "x"));
    script("empty", "#!");
    SHOW("empty", run("./empty", "x"));
    script("spaces", "#!   \t ");
    SHOW("spaces", run("./spaces", "x"));
    make_file("plain", "no x bit");
    char path[PATH_MAX];
    CHECK(getcwd(path, sizeof path - 8));
    snprintf(line, sizeof line, "#!%s/plain", path);
    script("no_x", line);
    SHOW("no_x", run("./no_x", "x"));
    make_file("bare", "#!/bin/true");       /* no newline at all */
    CHECK(chmod("bare", 0755) == 0);
    SHOW("no_newline", run("./bare", "x"));
    make_file("text", "echo no magic\n");
    CHECK(chmod("text", 0755) == 0);
    SHOW("no_magic", run("./text", "x"));
}

BEHAVIOUR(line_length)
{
    /* BINPRM_BUF_SIZE is 256: what does not fit is cut or refused. */
    memset(line, 0, sizeof line);
    memset(line, 'a', 300);
    memcpy(line, "#!/", 3);
    script("long", line);
    SHOW("path_cut", run("./long", "x"));
    strcpy(line, "#!/bin/true ");
    memset(line + 12, 'b', 300);
    line[312] = 0;
    script("longarg", line);
    SHOW("argument_cut", run("./longarg", "x"));
}

BEHAVIOUR(relative_interpreter)
{
    script("inner", "#!/bin/true");
    script("outer", "#!./inner");
    SHOW("from_here", run("./outer", "x"));
    CHECK(mkdir("d", 0755) == 0 && chdir("d") == 0);
    SHOW("from_elsewhere", run("../outer", "x"));
}

BEHAVIOUR(by_descriptor)
{
    make_file("s", "#!/bin/sh\nexit 6\n");
    CHECK(chmod("s", 0755) == 0);
    int keep = MUST(open("s", O_RDONLY)), shut = MUST(open("s", O_RDONLY | O_CLOEXEC));
    char *argv[] = {"s", NULL};
    pid_t pid = start();
    if (pid == 0) {
        fexecve(keep, argv, environ);
        _exit(90);
    }
    SHOW("kept", reap(pid));
    /* The interpreter could not open it any more: told at once. */
    SHOW("cloexec", ok(syscall(SYS_execveat, shut, "", argv, environ, AT_EMPTY_PATH)));
}

BEHAVIOUR(comm_is_the_script)
{
    make_file("named", "#!/bin/sh\nread c < /proc/$$/comm; test $c = named && exit 4\n");
    CHECK(chmod("named", 0755) == 0);
    SHOW("status", run("./named", "x"));
}
