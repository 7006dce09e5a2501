"""Run a command as a container engine's default seccomp profile would have it: no capabilities, the
calls below refused with EPERM, clone3 with ENOSYS, no new namespaces.

Usage: container.py UID COMMAND [ARGUMENT ...]
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys

from ring3.abi.syscalls_x86_64 import NUMBERS

REFUSED = (
    "acct add_key bpf chroot clock_settime delete_module fanotify_init finit_module fsconfig"
    " fsmount fsopen fspick get_mempolicy init_module ioperm iopl kcmp kexec_file_load"
    " kexec_load keyctl lookup_dcookie mbind mount mount_setattr move_mount open_by_handle_at"
    " open_tree perf_event_open pidfd_getfd pivot_root process_madvise quotactl quotactl_fd"
    " reboot request_key set_mempolicy setdomainname sethostname setns settimeofday swapoff"
    " swapon syslog umount2 unshare userfaultfd vhangup"
).split()
"""What Docker's default profile for x86-64 lets only a container with capabilities call."""
EPERM, ENOSYS = 0x50001, 0x50026
ALLOW = 0x7FFF0000
NAMESPACES = 0x7E020000
PR_SET_NO_NEW_PRIVS = 38


def program() -> bytes:
    code = [(0x20, 0, 0, 0)]
    code += [(0x15, 0, 1, NUMBERS["clone3"]), (0x06, 0, 0, ENOSYS)]
    code += [(0x15, 0, 4, NUMBERS["clone"]), (0x20, 0, 0, 16), (0x45, 0, 1, NAMESPACES)]
    code += [(0x06, 0, 0, EPERM), (0x06, 0, 0, ALLOW)]
    for name in REFUSED:
        code += [(0x15, 0, 1, NUMBERS[name]), (0x06, 0, 0, EPERM)]
    code.append((0x06, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *line) for line in code)


def main() -> None:
    uid = int(sys.argv[1])
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.create_string_buffer(program())
    head = ctypes.create_string_buffer(
        struct.pack("<HxxxxxxQ", len(program()) // 8, ctypes.addressof(text))
    )
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(NUMBERS["seccomp"], 1, 0, head):
        raise OSError(ctypes.get_errno(), "seccomp")
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
