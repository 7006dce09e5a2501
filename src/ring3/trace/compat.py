"""Names that i386 has for what x86-64 calls otherwise."""

from __future__ import annotations

SAME = {
    "getuid32": "getuid",
    "geteuid32": "geteuid",
    "getgid32": "getgid",
    "getegid32": "getegid",
    "setuid32": "setuid",
    "setgid32": "setgid",
    "setreuid32": "setreuid",
    "setregid32": "setregid",
    "setresuid32": "setresuid",
    "setresgid32": "setresgid",
    "getresuid32": "getresuid",
    "getresgid32": "getresgid",
    "getgroups32": "getgroups",
    "setgroups32": "setgroups",
    "setfsuid32": "setfsuid",
    "setfsgid32": "setfsgid",
    "chown32": "chown",
    "lchown32": "lchown",
    "fchown32": "fchown",
    "fcntl64": "fcntl",
    "fstatat64": "newfstatat",
    "sendfile64": "sendfile",
    "ugetrlimit": "getrlimit",
    "fadvise64_64": "fadvise64",
}
"""i386 name -> the name whose printer serves it."""
