/* Extended attributes in the user namespace, and who may use which. */
#include "guest.h"
#include <sys/xattr.h>

BEHAVIOUR(set_and_get)
{
    make_file("f", "");
    char value[16] = "";
    SHOW("set", ok(setxattr("f", "user.a", "hello", 5, 0)));
    SHOW("get", ret(getxattr("f", "user.a", value, 16)));
    SHOW("value", value);
    SHOW("size", ret(getxattr("f", "user.a", NULL, 0)));
    SHOW("short", ret(getxattr("f", "user.a", value, 4)));
    SHOW("fenced", ret(getxattr("f", "user.a", fence(5), 5)));
    SHOW("replace", ok(setxattr("f", "user.a", "x", 1, 0)));
    SHOW("size", ret(getxattr("f", "user.a", NULL, 0)));
    SHOW("empty_value", ok(setxattr("f", "user.e", "", 0, 0)));
    SHOW("size", ret(getxattr("f", "user.e", value, 16)));
}

BEHAVIOUR(flags)
{
    make_file("f", "");
    SHOW("replace_missing", ok(setxattr("f", "user.a", "1", 1, XATTR_REPLACE)));
    SHOW("create", ok(setxattr("f", "user.a", "1", 1, XATTR_CREATE)));
    SHOW("create_again", ok(setxattr("f", "user.a", "1", 1, XATTR_CREATE)));
    SHOW("replace", ok(setxattr("f", "user.a", "2", 1, XATTR_REPLACE)));
    SHOW("unknown", ok(setxattr("f", "user.a", "2", 1, 4)));
}

BEHAVIOUR(list)
{
    make_file("f", "");
    char names[64];
    SHOW("none", ret(listxattr("f", names, sizeof names)));
    CHECK(setxattr("f", "user.one", "1", 1, 0) == 0);
    CHECK(setxattr("f", "user.two", "2", 1, 0) == 0);
    ssize_t n = listxattr("f", names, sizeof names);
    int one = 0, two = 0, others = 0;
    for (char *at = names; n > 0 && at < names + n; at += strlen(at) + 1) {
        one += !strcmp(at, "user.one");
        two += !strcmp(at, "user.two");
        others += strcmp(at, "user.one") && strcmp(at, "user.two");
    }
    say("length=%d one=%d two=%d others=%d", (int)n, one, two, others);
    SHOW("size", ret(listxattr("f", NULL, 0)));
    SHOW("short", ret(listxattr("f", names, 4)));
}

BEHAVIOUR(removing)
{
    make_file("f", "");
    CHECK(setxattr("f", "user.a", "1", 1, 0) == 0);
    SHOW("remove", ok(removexattr("f", "user.a")));
    SHOW("again", ok(removexattr("f", "user.a")));
    SHOW("get", ret(getxattr("f", "user.a", NULL, 0)));
    SHOW("list", ret(listxattr("f", NULL, 0)));
}

BEHAVIOUR(by_descriptor)
{
    make_file("f", "");
    int fd = MUST(open("f", O_RDONLY)), p[2];
    CHECK(pipe(p) == 0);
    SHOW("set_on_rdonly", ok(fsetxattr(fd, "user.a", "1", 1, 0)));
    SHOW("get", ret(fgetxattr(fd, "user.a", NULL, 0)));
    SHOW("list", ret(flistxattr(fd, NULL, 0)));
    SHOW("remove", ok(fremovexattr(fd, "user.a")));
    SHOW("bad_fd", ret(fgetxattr(999, "user.a", NULL, 0)));
    SHOW("path_fd", ret(fgetxattr(MUST(open("f", O_PATH)), "user.a", NULL, 0)));
}

BEHAVIOUR(name_rules)
{
    make_file("f", "");
    char name[300];
    memset(name, 'n', sizeof name);
    memcpy(name, "user.", 5);
    name[255] = 0;
    SHOW("255", ok(setxattr("f", name, "1", 1, 0)));
    name[255] = 'n';
    name[256] = 0;
    SHOW("256", ok(setxattr("f", name, "1", 1, 0)));
    SHOW("empty", ok(setxattr("f", "", "1", 1, 0)));
    SHOW("prefix_only", ok(setxattr("f", "user.", "1", 1, 0)));
    SHOW("no_namespace", ok(setxattr("f", "plain", "1", 1, 0)));
    SHOW("unknown", ok(setxattr("f", "other.x", "1", 1, 0)));
    SHOW("too_big", ok(setxattr("f", "user.b", name, 65537, 0)));
    SHOW("fault", ok(setxattr("f", bad(), "1", 1, 0)));
    SHOW("fault_value", ok(setxattr("f", "user.v", bad(), 1, 0)));
    SHOW("missing", ok(setxattr("none", "user.v", "1", 1, 0)));
}

BEHAVIOUR(symlinks)
{
    make_file("f", "");
    CHECK(symlink("f", "l") == 0);
    SHOW("follow", ok(setxattr("l", "user.a", "1", 1, 0)));
    SHOW("on_file", ret(getxattr("f", "user.a", NULL, 0)));
    SHOW("link_itself", ok(lsetxattr("l", "user.a", "1", 1, 0)));
    SHOW("get_link", ret(lgetxattr("l", "user.a", NULL, 0)));
    SHOW("list_link", ret(llistxattr("l", NULL, 0)));
}

BEHAVIOUR(other_file_types)
{
    CHECK(mkdir("d", 0755) == 0 && mkfifo("p", 0644) == 0);
    SHOW("dir", ok(setxattr("d", "user.a", "1", 1, 0)));
    SHOW("fifo", ok(setxattr("p", "user.a", "1", 1, 0)));
    SHOW("fifo_get", ret(getxattr("p", "user.a", NULL, 0)));
}

BEHAVIOUR(ordinary_user)
{
    drop_root();
    make_file("f", "");
    SHOW("trusted_set", ok(setxattr("f", "trusted.a", "1", 1, 0)));
    SHOW("trusted_get", ret(getxattr("f", "trusted.a", NULL, 0)));
    SHOW("security_capability", ok(setxattr("f", "security.capability",
                                            "1", 1, 0)));
    CHECK(chmod("f", 0444) == 0);
    SHOW("write_needed", ok(setxattr("f", "user.a", "1", 1, 0)));
    CHECK(chmod("f", 0200) == 0);
    SHOW("set", ok(setxattr("f", "user.a", "1", 1, 0)));
    SHOW("read_needed", ret(getxattr("f", "user.a", NULL, 0)));
}
