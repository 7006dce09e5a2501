/* System-wide files of /proc, and /sys as far as libc reads it. */
#include "guest.h"
#include <dirent.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static char text[1 << 17];

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

static long long value(const char *name)
{
    char *at = strstr(text, name);
    return at ? atoll(at + strlen(name)) : -1;
}

BEHAVIOUR(meminfo)
{
    static const char *const names[] = {"MemTotal:", "MemFree:", "MemAvailable:", "Buffers:",
                                        "Cached:", "SwapTotal:", "SwapFree:", "Shmem:", "Slab:"};
    slurp("/proc/meminfo");
    for (int i = 0; i < COUNT(names); i++)
        if (value(names[i]) < 0)
            say("missing:%s", names[i]);
    say("total=%s free=%s", yes(value("MemTotal:") > 1000),
        yes(value("MemFree:") <= value("MemTotal:")));
    struct sysinfo s;
    CHECK(sysinfo(&s) == 0);
    long long kb = (long long)s.totalram * s.mem_unit / 1024;
    say("agrees_with_sysinfo=%s", yes(llabs(kb - value("MemTotal:")) < 1024));
}

BEHAVIOUR(cpuinfo)
{
    slurp("/proc/cpuinfo");
    int n = 0;
    for (char *at = text; (at = strstr(at, "processor\t:")); at++)
        n++;
    say("processors=%s", yes(n == get_nprocs() || n == get_nprocs_conf()));
    say("flags=%s model=%s", yes(strstr(text, "flags\t\t:")), yes(strstr(text, "model name\t:")));
    say("sse2=%s", yes(strstr(text, " sse2 ")));
}

BEHAVIOUR(stat)
{
    slurp("/proc/stat");
    long long v[10] = {0};
    int n = sscanf(text, "cpu %lld %lld %lld %lld %lld %lld %lld %lld %lld %lld", v, v + 1, v + 2,
                   v + 3, v + 4, v + 5, v + 6, v + 7, v + 8, v + 9);
    say("cpu_fields=%d sum=%s", n, yes(v[0] + v[2] + v[3] > 0));
    int cpus = 0;
    for (char *at = text; (at = strstr(at, "\ncpu")); at++)
        cpus++;
    say("cpus=%s", yes(cpus == get_nprocs()));
    say("btime=%s ctxt=%s processes=%s running=%s", yes(value("\nbtime ") > 1500000000),
        yes(value("\nctxt ") > 0), yes(value("\nprocesses ") > 0),
        yes(value("\nprocs_running ") >= 1));
    struct timespec now, up;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up);
    say("btime_fits_uptime=%s", yes(llabs(now.tv_sec - up.tv_sec - value("\nbtime ")) <= 2));
}

BEHAVIOUR(uptime_and_load)
{
    double up, idle, a, b, c;
    int running, all, last;
    CHECK(sscanf(slurp("/proc/uptime"), "%lf %lf", &up, &idle) == 2);
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    say("uptime=%s idle=%s", yes(up > 0 && up < t.tv_sec + 2.0 && up > t.tv_sec - 2.0), yes(idle >= 0));
    say("loadavg=%s", yes(sscanf(slurp("/proc/loadavg"), "%lf %lf %lf %d/%d %d", &a, &b, &c,
                                 &running, &all, &last) == 6 && all >= running && last > 0));
}

BEHAVIOUR(version_and_uname)
{
    struct utsname u;
    CHECK(uname(&u) == 0);
    slurp("/proc/version");
    say("version=%s", yes(!strncmp(text, "Linux version ", 14) && strstr(text, u.release)));
    say("osrelease=%s", yes(!strcmp(strtok(slurp("/proc/sys/kernel/osrelease"), "\n"), u.release)));
    say("ostype=%s", strtok(slurp("/proc/sys/kernel/ostype"), "\n"));
    say("hostname=%s", yes(!strcmp(strtok(slurp("/proc/sys/kernel/hostname"), "\n"), u.nodename)));
}

BEHAVIOUR(filesystems)
{
    slurp("/proc/filesystems");
    say("proc=%s tmpfs=%s", yes(strstr(text, "nodev\tproc\n")), yes(strstr(text, "nodev\ttmpfs\n")));
}

BEHAVIOUR(sysctl_values)
{
    say("pid_max=%s", yes(atoi(slurp("/proc/sys/kernel/pid_max")) >= 4096));
    say("cap_last_cap=%s", yes(atoi(slurp("/proc/sys/kernel/cap_last_cap")) >= 36));
    say("ngroups_max=%d", atoi(slurp("/proc/sys/kernel/ngroups_max")));
    say("pipe_max_size=%s", yes(atoi(slurp("/proc/sys/fs/pipe-max-size")) >= 4096));
    say("overcommit=%s", yes(strchr("012", slurp("/proc/sys/vm/overcommit_memory")[0])));
    say("nr_open=%s", yes(atoi(slurp("/proc/sys/fs/nr_open")) >= 1024));
    say("somaxconn=%s", yes(atoi(slurp("/proc/sys/net/core/somaxconn")) >= 128));
    say("ip_forward=%s", yes(strchr("01", slurp("/proc/sys/net/ipv4/ip_forward")[0])));
    int low = 0, high = 0;
    CHECK(sscanf(slurp("/proc/sys/net/ipv4/ip_local_port_range"), "%d %d", &low, &high) == 2);
    say("port_range=%s", yes(low > 0 && low < high && high < 65536));
}

BEHAVIOUR(random_ids)
{
    char a[64], b[64];
    strncpy(a, slurp("/proc/sys/kernel/random/uuid"), 63);
    strncpy(b, slurp("/proc/sys/kernel/random/uuid"), 63);
    say("uuid_length=%d differ=%s", (int)strnlen(a, 63), yes(strncmp(a, b, 36)));
    strncpy(a, slurp("/proc/sys/kernel/random/boot_id"), 63);
    strncpy(b, slurp("/proc/sys/kernel/random/boot_id"), 63);
    say("boot_id_same=%s", yes(!strncmp(a, b, 36)));
}

BEHAVIOUR(sysctl_refused)
{
    drop_root();
    SHOW("hostname", try_open("/proc/sys/kernel/hostname", O_WRONLY));
    SHOW("ip_forward", try_open("/proc/sys/net/ipv4/ip_forward", O_WRONLY));
    SHOW("missing", try_open("/proc/sys/kernel/none_such", O_RDONLY));
    SHOW("create", try_open("/proc/sys/kernel/none_such", O_WRONLY | O_CREAT));
}

BEHAVIOUR(net_files)
{
    say("tcp=%s", yes(strstr(slurp("/proc/net/tcp"), "local_address")));
    say("unix=%s", yes(strstr(slurp("/proc/net/unix"), "RefCount")));
    say("dev_lo=%s", yes(strstr(slurp("/proc/net/dev"), "lo:")));
}

BEHAVIOUR(interrupts_and_devices)
{
    say("interrupts=%s", yes(strstr(slurp("/proc/interrupts"), "CPU0")));
    slurp("/proc/devices");
    say("devices=%s", yes(strstr(text, "Character devices:") && strstr(text, " mem\n")));
    say("swaps=%s", yes(slurp("/proc/swaps")[0] == 'F'));
    say("cmdline=%s", try_open("/proc/cmdline", O_RDONLY));
}

BEHAVIOUR(cpu_lists_in_sys)
{
    int first = -1;
    CHECK(sscanf(slurp("/sys/devices/system/cpu/online"), "%d", &first) == 1);
    say("online_first=%d", first);
    say("possible=%s", yes(sscanf(slurp("/sys/devices/system/cpu/possible"), "%d", &first) == 1));
    DIR *dir = opendir("/sys/devices/system/cpu");
    int cpus = 0;
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));)
        cpus += !strncmp(e->d_name, "cpu", 3) && e->d_name[3] >= '0' && e->d_name[3] <= '9';
    say("directories=%s", yes(cpus >= get_nprocs()));
}
