"""Calls on files, directories and descriptors."""

from __future__ import annotations

from ring3.abi.fcntl import (
    O_ACCMODE,
    O_CREAT,
    O_DIRECTORY,
    O_TMPFILE,
)
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.layouts import layout
from ring3.trace.kinds import enters, exits, kind, kind_of, shapes
from ring3.trace.names import names
from ring3.trace.text import HEX_ALL, addr, hexed, mode, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ring3.trace.frame import Decoder, Frame

shapes("""
open: path open ~creat_mode:1 = fd
creat: path mode = fd
openat: dirfd path open ~creat_mode:2 = fd
openat2: dirfd path open_how:3 lu = fd
open_by_handle_at: fd file_handle open = fd
close_range: u u flags:close_range
readv: fd >>iov_in:2 lu
writev: fd iov_out:2 lu
preadv: fd >>iov_in:2 lu lld
pwritev: fd iov_out:2 lu lld
preadv2: fd >>iov_in:2 lu lld skip flags:rwf
pwritev2: fd iov_out:2 lu lld skip flags:rwf
lseek: fd ld uenum:whence
_llseek: fd lu lu >int:8d uenum:whence
dup: fd = fd
dup2: fd fd = fd
dup3: fd fd flags:open = fd
pipe: >fd_pair
pipe2: >fd_pair flags:open
ftruncate: fd lu
truncate: path lu
fallocate: fd flags:fallocate lld lld
fadvise64: fd lld llu enum:fadvise
sync_file_range: fd lld lld flags:sync_file_range
access: path access
faccessat: dirfd path access
faccessat2: dirfd path access flags:at_access
stat lstat: path >stat
fstat: fd >stat
newfstatat: dirfd path >stat flags:at
statx: dirfd path statx_flags flags:statx_mask >statx
statfs: path >statfs
fstatfs: fd >statfs
ustat: dev >addr
getcwd: >cwd_text lu
acct uselib: path
unlinkat: dirfd path flags:at
linkat: dirfd path dirfd path flags:at
readlink: path >bytes:ret lu
readlinkat: dirfd path >bytes:ret lu
mknod: path file_mode ~node_dev:1
mknodat: dirfd path file_mode ~node_dev:2
umask: mode = o
utime: path utimbuf
utimes: path timevals
futimesat: dirfd path timevals
utimensat: dirfd path utimespecs flags:at
getdents getdents64: fd >dirents u
setxattr lsetxattr: path str xattr_in:3 lu flags:xattr
fsetxattr: fd str xattr_in:3 lu flags:xattr
getxattr lgetxattr: path str >xattr_out lu
fgetxattr: fd str >xattr_out lu
listxattr llistxattr: path >xattr:2 lu
flistxattr: fd >xattr:2 lu
name_to_handle_at: dirfd path >>file_handle >int:4d flags:at_handle
memfd_create: str memfd_flags = fd
memfd_secret: flags:open = fd
inotify_init: = fd
inotify_init1: flags:inotify_init = fd
inotify_add_watch: fd path flags:inotify_mask
fanotify_init: fanotify_init open = fd
fanotify_mark: fd flags:fanotify_mark lflags:fanotify_mask dirfd path
sendfile: fd fd offset_inout lu
splice: fd off_ptr fd off_ptr lu flags:splice
vmsplice: fd iov_out:2 lu flags:splice
copy_file_range: fd off_ptr fd off_ptr lu u
mount: path path mount_type mount_flags mount_data
umount2: path flags:umount
swapon: path swap_flags
swapoff: path
open_tree: dirfd path flags:open_tree = fd
move_mount: dirfd path dirfd path flags:move_mount
fsopen: str flags:fsopen = fd
fsmount: fd flags:fsmount flags:mount_attr = fd
fsconfig: fd uenum:fsconfig str fs_value d
mount_setattr: dirfd path flags:at addr lu
fspick: dirfd path flags:fspick = fd
cachestat: fd addr >addr x
quotactl: x path id addr
""")


# --- opening --------------------------------------------------------------------------------------
@kind
def open_(x: Frame, v: int) -> str:
    return open_flags(x, v & 0xFFFFFFFF)


def open_flags(x: Frame, value: int) -> str:
    """The access mode first, then the flags."""
    shown = names("open_access").by_value[value & O_ACCMODE]
    rest = value & ~O_ACCMODE
    if rest:
        found, unknown = names("open").split(rest)
        shown = "|".join([shown, *found, *([hexed(unknown)] if unknown else [])])
    return x.styled(value, shown)


@kind_of
def creat_mode(flags_at: str) -> Decoder:
    """open's mode: only where a file may be made."""
    at = int(flags_at)
    wanted = O_CREAT | (O_TMPFILE & ~O_DIRECTORY)

    def show(x: Frame, v: int) -> str:
        return f", {mode(v & 0xFFFF)}" if x.args[at] & wanted else ""

    return show


@kind_of
def open_how(size_at: str) -> Decoder:
    at = int(size_at)

    def show(x: Frame, v: int) -> str:
        size = x.args[at]
        form = layout("open_how")
        if size < form.size or (data := x.load(v, form.size)) is None:
            return addr(v)
        how = form.unpack(data)
        shown = f"flags={open_flags(x, how['flags'])}"
        if how["flags"] & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY)) or how["mode"]:
            shown += f", mode={mode(how['mode'])}"
        shown += f", resolve={x.flags('resolve', how['resolve'])}"
        return "{" + shown + tail(x, v, size, form.size) + "}"

    return show


def tail(x: Frame, v: int, size: int, known: int) -> str:
    """The bytes of an extensible struct that we have no name for."""
    if size <= known:
        return ""
    more = x.load(v + known, min(size - known, x.style.strlen))
    if more is None:
        return ", ???"
    if not any(more):
        return ""
    cut = "..." if size - known > len(more) else ""
    return (
        f", /* bytes {known}..{size - 1} */ "
        + '"'
        + "".join(f"\\x{b:02x}" for b in more)
        + '"'
        + cut
    )


@kind
def access(x: Frame, v: int) -> str:
    return x.flags("access", v & 0xFFFFFFFF)


@kind
def fd_pair(x: Frame, v: int) -> str:
    return x.array(v, 2, 4, lambda one: x.fd(int.from_bytes(one, "little")))


@kind
def memfd_flags(x: Frame, v: int) -> str:
    return huge_flags(x, "memfd", v & 0xFFFFFFFF, "MFD_HUGE_SHIFT")


def huge_flags(x: Frame, which: str, value: int, shift_name: str) -> str:
    """Flags with the binary logarithm of a page size in their top bits."""
    from ring3.abi.mman import MAP_HUGE_MASK, MAP_HUGE_SHIFT

    size = value >> MAP_HUGE_SHIFT & MAP_HUGE_MASK
    rest = value & ~(MAP_HUGE_MASK << MAP_HUGE_SHIFT)
    shown = names(which).flags(rest) if rest or not size else ""
    if size:
        shown += ("|" if shown else "") + f"{size}<<{shift_name}"
    return x.styled(value, shown) if value else shown


@kind
def cwd_text(x: Frame, v: int) -> str:
    """getcwd's result counts the NUL."""
    data = x.load(v, x.result - 1) if x.result else b""
    return addr(v) if data is None else x.quote(data)


def attribute(x: Frame, v: int, size: int) -> str:
    """The value of an extended attribute; a NUL at its end is not shown."""
    last = x.load(v + size - 1, 1) if 0 < size <= x.style.strlen + 1 else None
    return x.buffer(v, size - 1 if last == b"\0" else size)


@kind
def xattr_out(x: Frame, v: int) -> str:
    return attribute(x, v, x.result)


@kind_of
def xattr_in(size_at: str) -> Decoder:
    at = int(size_at)
    return lambda x, v: attribute(x, v, x.args[at])


@kind_of
def xattr(size_at: str) -> Decoder:
    """A list of names; a size of 0 only asks how long it is."""
    at = int(size_at)
    return lambda x, v: x.buffer(v, x.result) if x.args[at] else addr(v)


# --- vectors --------------------------------------------------------------------------------------
def iovecs(x: Frame, v: int, count: int, budget: int | None) -> str:
    """``[{iov_base="...", iov_len=832}, ...]``; *budget* bytes were moved, None: all,
    -1: the call failed, there is nothing to show."""
    word = x.word // 8
    left = [budget]

    def show(one: bytes) -> str:
        base = int.from_bytes(one[:word], "little")
        size = int.from_bytes(one[word:], "little")
        have = size if left[0] is None else min(size, left[0])
        if left[0] is not None and have > 0:
            left[0] -= have
        data = x.buffer(base, have) if have >= 0 else addr(base)
        return f"{{iov_base={data}, iov_len={size}}}"

    return x.array(v, count, 2 * word, show)


@kind_of
def iov_in(count_at: str) -> Decoder:
    at = int(count_at)
    return lambda x, v: iovecs(x, v, x.args[at], x.result if not x.failed else -1)


@kind_of
def iov_out(count_at: str) -> Decoder:
    at = int(count_at)
    return lambda x, v: iovecs(x, v, x.args[at], None)


# --- directories ----------------------------------------------------------------------------------
@kind
def dirents(x: Frame, v: int) -> str:
    """The number of entries, or with -v the entries."""
    size = x.result
    data = x.load(v, size) if size else b""
    if data is None:
        return addr(v)
    wide = x.plan.name == "getdents64"
    head = (16, 18) if wide else (x.word // 4, x.word // 4 + 2)
    shown, count, at = [], 0, 0
    while at + head[1] <= len(data):
        length = int.from_bytes(data[at + head[0] : at + head[0] + 2], "little")
        if length < head[1]:
            break
        count += 1
        if not x.abbrev:
            shown.append(dirent(x, data[at : at + length], wide))
        at += length
    if x.abbrev:
        return f"{addr(v)} /* {count} {'entry' if count == 1 else 'entries'} */"
    return f"[{', '.join(shown)}]"


def dirent(x: Frame, one: bytes, wide: bool) -> str:
    step = 8 if wide else x.word // 8
    ino = int.from_bytes(one[:step], "little")
    off = int.from_bytes(one[step : 2 * step], "little", signed=wide)
    length = int.from_bytes(one[2 * step : 2 * step + 2], "little")
    if wide:
        name = one[19:].split(b"\0", 1)[0]
        kind_name = x.enum("dirent_type", one[18])
        return (
            f"{{d_ino={ino}, d_off={off}, d_reclen={length}, d_type={kind_name}, "
            f"d_name={x.quote(name)}}}"
        )
    name = one[2 * step + 2 : -1].split(b"\0", 1)[0]
    return (
        f"{{d_ino={ino}, d_off={off}, d_reclen={length}, d_name={x.quote(name)}, "
        f"d_type={x.enum('dirent_type', one[-1])}}}"
    )


MAX_HANDLE_SZ = 128


@kind
def file_handle(x: Frame, v: int) -> str:
    data = x.load(v, 8)
    if data is None:
        return addr(v)
    size = int.from_bytes(data[:4], "little")
    kind_ = int.from_bytes(data[4:], "little", signed=True)
    handle = x.load(v + 8, size) if size <= MAX_HANDLE_SZ else b""
    if handle is None or (x.plan.name == "name_to_handle_at" and x.failed):
        return f"{{handle_bytes={size}}}"
    return f"{{handle_bytes={size}, handle_type={kind_}, f_handle={quote(handle, HEX_ALL)}}}"


# --- offsets that are read and written ------------------------------------------------------------
@kind
def off_ptr(x: Frame, v: int) -> str:
    number = x.number(v, 8, True)
    return addr(v) if number is None else f"[{number}]"


@enters("sendfile")
def sendfile_enter(x: Frame, a: Sequence[int]) -> str:
    number = x.number(a[2], 8, True)
    x.saved = number
    head = f"{x.fd(a[0])}, {x.fd(a[1])}, "
    if number is None:
        return f"{head}{addr(a[2])}, {a[3]}"
    return f"{head}[{number}]"


@exits("sendfile")
def sendfile_exit(x: Frame, a: Sequence[int]) -> str:
    if x.saved is None:
        return ""
    after = x.number(a[2], 8, True)
    if x.failed or not x.result or after is None:
        return f", {a[3]}"
    return f" => [{after}], {a[3]}"
