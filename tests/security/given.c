/* A guest (root in its world) that tries every way to change what kind of thing its standard input
 * is: owner, mode, times, attributes, also by the names that /proc and /dev have for it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

int main(void)
{
    static const char *const names[] = {"/proc/self/fd/0", "/dev/stdin", "/dev/fd/0", "/dev/null"};
    struct timespec times[2] = {{1, 0}, {1, 0}};
    fchown(0, 65534, 65534);
    fchmod(0, 0600);
    futimens(0, times);
    fsetxattr(0, "user.ring3", "x", 1, 0);
    fchownat(0, "", 65534, 65534, AT_EMPTY_PATH);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        chown(names[i], 65534, 65534);
        lchown(names[i], 65534, 65534);
        chmod(names[i], 0600);
        utimensat(AT_FDCWD, names[i], times, 0);
        setxattr(names[i], "user.ring3", "x", 1, 0);
        unlink(names[i]);
    }
    dprintf(1, "uid %d\n", (int)getuid());
    return 0;
}
