"""What the host's /proc says, where the guest may know it: its hardware, its memory, its load."""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ring3.task.task import Task


def host_text(path: str) -> bytes:
    """The content of a file of the host's /proc or /sys, b"" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def system_text(world: Any, path: str) -> bytes:
    """The same of the computer that the guests run on: the host's file, or that of a machine which
    is a computer of its own (``Machine.system_file``)."""
    own = getattr(world.machine, "system_file", None)
    if own is None:
        return host_text(path)
    text: bytes = own(path)
    return text


def host_directory(task: Task | None) -> str:
    """The host's /proc/PID/task/TID of the vehicle that runs *task*; "" where there is none (a
    zombie, the emulated machine)."""
    vehicle: Any = getattr(task, "vehicle", None)
    pid = getattr(getattr(vehicle, "process", None), "pid", 0)
    tid = getattr(vehicle, "tid", 0)
    if not pid or not tid or getattr(vehicle, "gone", False):
        return ""
    return f"/proc/{pid}/task/{tid}"


def host_file(task: Task | None, name: str) -> bytes:
    """File *name* of the host's directory of *task*'s vehicle; b"" where there is none."""
    directory = host_directory(task)
    return host_text(f"{directory}/{name}") if directory else b""


def fields(text: bytes) -> dict[bytes, bytes]:
    """ "Name: value" lines as a dictionary."""
    found = {}
    for line in text.splitlines():
        name, colon, value = line.partition(b":")
        if colon:
            found[name] = value.strip()
    return found
