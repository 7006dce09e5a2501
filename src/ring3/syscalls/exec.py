"""execve(2), execveat(2)."""

from __future__ import annotations

from ring3.abi.errno import E2BIG, EINVAL, ELOOP, ENOENT, Errno
from ring3.abi.fcntl import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW
from ring3.abi.types import AtFlags, DirFd, In, Path, Strings, load_strings
from ring3.machine.base import Result
from ring3.syscalls.table import syscall
from ring3.task.exec import StackBuilder, build_image, load_program
from ring3.task.lifecycle import become
from ring3.task.task import Task
from ring3.vfs.path import EMPTY, FOLLOW, Place, place_of, walk

MAX_STRINGS = 0x7FFFFFFF


def strings(array: In[int]) -> list[bytes]:
    try:
        return load_strings(array, MAX_STRINGS)
    except EINVAL:
        raise E2BIG from None


def start_program(t: Task, place: Place, name: bytes, argv: In[int], envp: In[int]) -> Result:
    program = load_program(t, place, name, strings(argv), strings(envp))
    image = build_image(program)
    builder: StackBuilder = image.build_stack.__self__  # type: ignore[attr-defined]

    def then(result: int) -> Result:
        if result == 0:
            become(t, program, builder)
            for observer in t.world.observers:
                if t.attention:
                    observer.exit(t, t.nr, "execve", None, t.args, 0, "")
        else:
            program.release()
        return result

    image.loaded = program.release

    return t.vehicle.exec(image, then)


@syscall
def execve(t: Task, path: In[Path], argv: In[Strings], envp: In[Strings]) -> Result:
    """Run another program in this process."""
    name = path.load()
    return start_program(t, walk(t, None, name, FOLLOW), name, argv, envp)


@syscall
def execveat(
    t: Task, dirfd: DirFd, path: In[Path], argv: In[Strings], envp: In[Strings], flags: AtFlags
) -> Result:
    """The same relative to *dirfd*, or the file at *dirfd* itself (AT_EMPTY_PATH)."""
    if flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW):
        raise EINVAL("unknown execveat flag")
    name = path.load()
    how = FOLLOW if not flags & AT_SYMLINK_NOFOLLOW else 0
    if flags & AT_EMPTY_PATH:
        how |= EMPTY
    base = None
    if dirfd != AT_FDCWD and not name.startswith(b"/"):
        base = place_of(t.fds.get(dirfd))
    place = walk(t, base, name, how)
    if place.inode.is_symlink:
        raise ELOOP
    if not name.startswith(b"/") and dirfd != AT_FDCWD:
        shown = b"/dev/fd/%d" % dirfd + (b"/" + name if name else b"")
        if dirfd in t.fds.cloexec and is_script(t, place):
            raise ENOENT("the script's descriptor closes on exec")
        return start_program(t, place, shown, argv, envp)
    return start_program(t, place, name, argv, envp)


def is_script(t: Task, place: Place) -> bool:
    from ring3.vfs.open import open_exec

    try:
        file = open_exec(t, place)
    except Errno:
        return False
    file.hold()
    head = file.pread(2, 0)
    file.drop()
    return head == b"#!"
