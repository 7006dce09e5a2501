/* /proc/self and /proc/PID: what programs parse. */
#include "guest.h"
#include <dirent.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

static char text[65536];

static char *slurp(const char *path)
{
    int fd = open(path, O_RDONLY);
    size_t have = 0;
    ssize_t n;
    if (fd == -1) {
        snprintf(text, sizeof text, "%s", errname(errno));
        return text;
    }
    while ((n = read(fd, text + have, sizeof text - 1 - have)) > 0)
        have += n;
    text[have] = 0;
    close(fd);
    return text;
}

/* The value of a "Name:\tvalue" line, or NULL. */
static char *field(char *from, const char *name)
{
    size_t n = strlen(name);
    for (char *line = from; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (!strncmp(line, name, n) && line[n] == ':')
            return line + n + 1 + strspn(line + n + 1, " \t");
    return NULL;
}

BEHAVIOUR(status_has_names)
{
    static const char *const names[] = {"Name", "Umask", "State", "Tgid", "Ngid", "Pid", "PPid",
        "TracerPid", "Uid", "Gid", "FDSize", "Groups", "VmPeak", "VmSize", "VmRSS", "VmData",
        "VmStk", "VmExe", "VmLib", "Threads", "SigQ", "SigPnd", "ShdPnd", "SigBlk", "SigIgn",
        "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
        "Cpus_allowed", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"};
    char *s = slurp("/proc/self/status");
    for (int i = 0; i < COUNT(names); i++)
        if (!field(s, names[i]))
            say("missing:%s", names[i]);
    say("checked=%d", COUNT(names));
}

BEHAVIOUR(status_values)
{
    prctl(PR_SET_NAME, "my name");
    umask(0135);
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, guest_ignore);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    raise(SIGHUP);
    char *s = slurp("/proc/self/status");
    say("name=%.7s umask=%.4s state=%.1s", field(s, "Name"), field(s, "Umask"), field(s, "State"));
    say("pid=%s ppid=%s tgid=%s tracer=%d", yes(atoi(field(s, "Pid")) == getpid()),
        yes(atoi(field(s, "PPid")) == getppid()), yes(atoi(field(s, "Tgid")) == getpid()),
        atoi(field(s, "TracerPid")));
    unsigned u[4];
    CHECK(sscanf(field(s, "Uid"), "%u %u %u %u", u, u + 1, u + 2, u + 3) == 4);
    say("uid=%s", yes(u[0] == getuid() && u[1] == geteuid() && u[3] == geteuid()));
    say("threads=%d", atoi(field(s, "Threads")));
    unsigned long long blocked = strtoull(field(s, "SigBlk"), NULL, 16);
    unsigned long long ignored = strtoull(field(s, "SigIgn"), NULL, 16);
    unsigned long long caught = strtoull(field(s, "SigCgt"), NULL, 16);
    unsigned long long pending = strtoull(field(s, "SigPnd"), NULL, 16);
    say("blocked=%s ignored=%s caught=%s pending=%s", yes(blocked == 1), yes(ignored >> 9 & 1),
        yes(caught >> 11 & 1), yes(pending == 1));
    char *size = field(s, "VmSize");
    say("kb=%s", yes(strstr(size, "kB") && atoi(size) > 100));
}

BEHAVIOUR(stat_fields)
{
    prctl(PR_SET_NAME, "a) b (c");
    char *s = slurp("/proc/self/stat"), *close_ = strrchr(s, ')');
    say("pid=%s name=%.9s", yes(atoi(s) == getpid()), strchr(s, '('));
    int count = 2;
    char *fields[64] = {0};
    for (char *word = strtok(close_ + 2, " \n"); word && count < 60; word = strtok(NULL, " \n"))
        fields[++count] = word;
    say("count=%d state=%s", count, fields[3]);
    say("ppid=%s pgrp=%s session=%s", yes(atoi(fields[4]) == getppid()),
        yes(atoi(fields[5]) == getpgrp()), yes(atoi(fields[6]) == getsid(0)));
    say("tty=%s threads=%s nice=%s", fields[7], fields[20],
        yes(atoi(fields[19]) >= -20 && atoi(fields[19]) <= 19));
    say("vsize=%s rss=%s starttime=%s", yes(atoll(fields[23]) > 100000), yes(atoll(fields[24]) > 0),
        yes(atoll(fields[22]) > 0));
}

BEHAVIOUR(statm_fields)
{
    long v[7];
    CHECK(sscanf(slurp("/proc/self/statm"), "%ld %ld %ld %ld %ld %ld %ld", v, v + 1, v + 2, v + 3,
                 v + 4, v + 5, v + 6) == 7);
    say("size=%s resident=%s text=%s lib=%ld dt=%ld", yes(v[0] > v[1]), yes(v[1] > 0),
        yes(v[3] > 0), v[4], v[6]);
}

BEHAVIOUR(maps_show_mappings)
{
    size_t page = page_size();
    make_file("mapped", "x");
    char *m = mmap(NULL, 2 * page, PROT_READ, MAP_PRIVATE, MUST(open("mapped", O_RDONLY)), 0);
    char *anon = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int exe = 0, stack = 0, heap = 0, bad_lines = 0, file = 0, shared = 0, sorted = 1;
    unsigned long last = 0;
    CHECK(sbrk(1000) != (void *)-1);
    char *s = slurp("/proc/self/maps");
    for (char *line = strtok(s, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned long from, to, offset, inode;
        unsigned major_, minor_;
        char perms[8], name[PATH_MAX] = "";
        if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %4095[^\n]", &from, &to, perms, &offset,
                   &major_, &minor_, &inode, name) < 7)
            bad_lines++;
        sorted &= from >= last && to > from;
        last = to;
        exe |= strstr(name, "/guest") && strchr(perms, 'x');
        stack |= !strcmp(name, "[stack]") && (unsigned long)&s >= from && (unsigned long)&s < to;
        heap |= !strcmp(name, "[heap]");
        if (from == (unsigned long)m)
            file = strstr(name, "/mapped") && !strcmp(perms, "r--p") && to == from + 2 * page && inode;
        if (from == (unsigned long)anon)
            shared = !strcmp(perms, "rw-s");
    }
    say("bad_lines=%d sorted=%s exe=%s stack=%s heap=%s", bad_lines, yes(sorted), yes(exe),
        yes(stack), yes(heap));
    say("file=%s shared=%s", yes(file), yes(shared));
}

BEHAVIOUR(maps_follow_changes)
{
    size_t page = page_size();
    char *m = mmap(NULL, 3 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), want[80];
    snprintf(want, sizeof want, "%lx-%lx rwxp", (long)m + page, (long)m + 2 * page);
    say("before=%s", yes(strstr(slurp("/proc/self/maps"), want)));
    CHECK(mprotect(m + page, page, PROT_READ | PROT_WRITE | PROT_EXEC) == 0);
    say("protected=%s", yes(strstr(slurp("/proc/self/maps"), want)));
    CHECK(munmap(m + page, page) == 0);
    say("unmapped=%s", yes(strstr(slurp("/proc/self/maps"), want)));
}

ROLE(sleeper)
{
    char c;
    guest_write("", 0);
    CHECK(read(atoi(guest_argv[2]), &c, 1) >= 0);
}

static pid_t child_of(char *first, int fds[2])
{
    char number[12];
    CHECK(pipe(fds) == 0);
    snprintf(number, sizeof number, "%d", fds[0]);
    pid_t pid = start();
    if (pid == 0) {
        close(fds[1]);
        execle(guest_self, "argv zero", "@sleeper", number, first, NULL,
               (char *[]){"ONE=1", "TWO=22", NULL});
        _exit(90);
    }
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    EVENTUALLY(!strncmp(slurp(path), "argv zero", 9));
    return pid;
}

BEHAVIOUR(other_process)
{
    int fds[2];
    char path[40], link_[PATH_MAX];
    pid_t pid = child_of("third arg", fds);
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    int fd = MUST(open(path, O_RDONLY));
    ssize_t n = read(fd, text, 200);
    for (int i = 0; i < n; i++)
        if (text[i] == 0)
            text[i] = '|';
    text[n] = 0;
    char *third = strstr(text, "@sleeper|");
    say("cmdline=%.9s,%s", text, third ? strchr(third + 9, '|') : "?");
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    say("environ=%s,%s", slurp(path), text + 6);
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    say("comm=%s", strtok(slurp(path), "\n"));
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    n = readlink(path, link_, sizeof link_ - 1);
    link_[n > 0 ? n : 0] = 0;
    say("exe=%s", yes(!strcmp(strrchr(link_, '/'), "/guest")));
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    say("ppid=%s", yes(atoi(field(slurp(path), "PPid")) == getpid()));
    close(fds[1]);
    SHOW("child", reap(pid));
    snprintf(path, sizeof path, "/proc/%d", pid);
    SHOW("gone", ok(access(path, F_OK)));
}

BEHAVIOUR(zombie)
{
    char path[40];
    siginfo_t info;
    pid_t pid = start();
    if (pid == 0)
        _exit(0);
    CHECK(waitid(P_PID, pid, &info, WEXITED | WNOWAIT) == 0);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    say("state=%c", strrchr(slurp(path), ')')[2]);
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    say("cmdline='%s'", slurp(path));
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    SHOW("exe", ret(readlink(path, text, 10)));
    reap(pid);
}

BEHAVIOUR(stopped_state)
{
    char path[40];
    int status;
    pid_t pid = start();
    if (pid == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, WUNTRACED) == pid);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    say("stopped=%c", strrchr(slurp(path), ')')[2]);
    kill(pid, SIGCONT);
    SHOW("child", reap(pid));
}

BEHAVIOUR(own_links)
{
    char a[PATH_MAX], b[PATH_MAX];
    CHECK(getcwd(a, sizeof a));
    ssize_t n = readlink("/proc/self/cwd", b, sizeof b - 1);
    b[n > 0 ? n : 0] = 0;
    say("cwd=%s", yes(!strcmp(a, b)));
    n = readlink("/proc/self/root", b, sizeof b - 1);
    b[n > 0 ? n : 0] = 0;
    say("root=%s", b);
    n = readlink("/proc/self", b, sizeof b - 1);
    b[n > 0 ? n : 0] = 0;
    say("self=%s", yes(atoi(b) == getpid()));
    n = readlink("/proc/thread-self", b, sizeof b - 1);
    b[n > 0 ? n : 0] = 0;
    say("thread_self=%s", yes(strstr(b, "/task/")));
    make_file("f", "through cwd");
    SHOW("walk", file_text("/proc/self/cwd/f"));
    SHOW("root_walk", try_open("/proc/self/root/dev/null", O_RDONLY));
    struct stat st, here;
    CHECK(stat("/proc/self/cwd", &st) == 0 && stat(".", &here) == 0);
    say("same=%s", yes(st.st_ino == here.st_ino));
}

BEHAVIOUR(fd_directory)
{
    make_file("f", "x");
    int fd = MUST(open("f", O_RDONLY)), p[2], seen = 0, extra = 0;
    CHECK(pipe(p) == 0 && dup2(fd, 50) == 50);
    DIR *dir = opendir("/proc/self/fd");
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        int n = atoi(e->d_name);
        if (e->d_name[0] == '.')
            continue;
        if (n == fd || n == p[0] || n == p[1] || n == 50)
            seen++;
        else if (n > 2 && n != dirfd(dir))
            extra++;
    }
    say("seen=%d extra=%d", seen, extra);
    char path[40], name[PATH_MAX] = "";
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK(readlink(path, name, sizeof name - 1) > 0);
    say("file=%s", yes(strstr(name, "/fd_directory/f")));
    snprintf(path, sizeof path, "/proc/self/fd/%d", p[0]);
    memset(name, 0, sizeof name);
    CHECK(readlink(path, name, sizeof name - 1) > 0);
    say("pipe=%.6s", name);
    CHECK(unlink("f") == 0);
    memset(name, 0, sizeof name);
    CHECK(readlink("/proc/self/fd/50", name, sizeof name - 1) > 0);
    say("deleted=%s", yes(strstr(name, "/f (deleted)")));
    struct stat st;
    CHECK(lstat("/proc/self/fd/50", &st) == 0);
    say("link_mode=%o", st.st_mode & 0777);
    SHOW("missing", ok(readlink("/proc/self/fd/77", name, 10)));
}

BEHAVIOUR(fdinfo)
{
    make_file("f", "0123456789");
    int fd = MUST(open("f", O_RDWR | O_APPEND | O_CLOEXEC));
    char path[40];
    CHECK(lseek(fd, 4, SEEK_SET) == 4);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    char *s = slurp(path);
    say("pos=%d", atoi(field(s, "pos")));
    long flags = strtol(field(s, "flags"), NULL, 8);
    say("rdwr=%s append=%s cloexec=%s", yes((flags & O_ACCMODE) == O_RDWR),
        yes(flags & O_APPEND), yes(flags & O_CLOEXEC));
    say("mnt_id=%s", yes(field(s, "mnt_id")));
}

BEHAVIOUR(limits)
{
    struct rlimit r = {33, 44};
    CHECK(setrlimit(RLIMIT_NOFILE, &r) == 0);
    char *s = slurp("/proc/self/limits"), *line = strstr(s, "Max open files");
    unsigned soft = 0, hard = 0;
    CHECK(line && sscanf(line + 14, "%u %u", &soft, &hard) == 2);
    say("soft=%u hard=%u", soft, hard);
    int lines = 0;
    for (char *at = s; *at; at++)
        lines += *at == '\n';
    say("lines=%d header=%.5s", lines, s);
}

BEHAVIOUR(comm_is_writable)
{
    char name[20] = "";
    int fd = MUST(open("/proc/self/comm", O_RDWR));
    SHOW("write", ret(write(fd, "written", 7)));
    CHECK(prctl(PR_GET_NAME, name) == 0);
    SHOW("name", name);
    SHOW("long", ret(write(fd, "a name that is much too long", 28)));
    CHECK(prctl(PR_GET_NAME, name) == 0);
    SHOW("name", name);
}

BEHAVIOUR(task_directory)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", getpid());
    SHOW("comm", ok(access(path, R_OK)));
    DIR *dir = opendir("/proc/self/task");
    int n = 0;
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += e->d_name[0] != '.';
    say("tasks=%d", n);
}

BEHAVIOUR(memory_file)
{
    static char here[] = "in memory";
    char back[16] = "";
    int fd = MUST(open("/proc/self/mem", O_RDWR));
    SHOW("read", ret(pread(fd, back, 9, (uintptr_t)here)));
    SHOW("text", back);
    SHOW("write", ret(pwrite(fd, "IN", 2, (uintptr_t)here)));
    SHOW("text", here);
    SHOW("unmapped", ret(pread(fd, back, 1, 8)));
}

BEHAVIOUR(directory_of_processes)
{
    int me = 0, one = 0, parent = 0, fixed = 0;
    DIR *dir = opendir("/proc");
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        me += atoi(e->d_name) == getpid();
        one += atoi(e->d_name) == 1;
        parent += atoi(e->d_name) == getppid();
        fixed += !strcmp(e->d_name, "self") || !strcmp(e->d_name, "meminfo") ||
                 !strcmp(e->d_name, "stat");
    }
    say("me=%d init=%d parent=%d fixed=%d", me, one, parent, fixed);
    SHOW("missing", ok(access("/proc/999999999", F_OK)));
    SHOW("make", try_open("/proc/self/new", O_WRONLY | O_CREAT));
    SHOW("mkdir", ok(mkdir("/proc/x", 0755)));
    SHOW("unlink", ok(unlink("/proc/self/status")));
}

BEHAVIOUR(seeking_and_small_reads)
{
    int fd = MUST(open("/proc/self/limits", O_RDONLY));
    char one[8192] = "", two[8192] = "";
    ssize_t whole = read(fd, one, sizeof one), n = 0, got;
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    while ((got = read(fd, two + n, 7)) > 0)
        n += got;
    say("same_length=%s", yes(whole == n));
    say("same_text=%s", yes(!memcmp(one, two, sizeof one)));
    CHECK(lseek(fd, 6, SEEK_SET) == 6);
    CHECK(read(fd, two, 5) == 5);
    say("middle=%s", yes(!memcmp(one + 6, two, 5)));
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    say("size=%d mode=%o", (int)st.st_size, st.st_mode & 0777);
}

BEHAVIOUR(io_and_more)
{
    char *s = slurp("/proc/self/io");
    say("io=%s", yes(field(s, "rchar") && field(s, "wchar") && field(s, "syscr") &&
                     field(s, "read_bytes")));
    s = slurp("/proc/self/mountinfo");
    int mounts = 0, odd = 0;
    for (char *line = strtok(s, "\n"); line; line = strtok(NULL, "\n"), mounts++)
        odd += !strstr(line, " - ");
    say("mountinfo=%s odd=%d", yes(mounts >= 1), odd);
    s = slurp("/proc/self/mounts");
    say("proc_mounted=%s", yes(strstr(s, " /proc proc ")));
    say("mounts_link=%s", yes(strstr(slurp("/proc/mounts"), " / ")));
    say("oom_score_adj=%s", yes(slurp("/proc/self/oom_score_adj")[0]));
}
