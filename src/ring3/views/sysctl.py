"""Settings of /proc/sys: how each is read and, where the kernel acts on it, written."""

from __future__ import annotations

from ring3.abi.capability import CAP_NET_ADMIN, CAP_SYS_ADMIN
from ring3.abi.errno import EINVAL, EPERM
from ring3.abi.hints import TYPE_CHECKING, Any
from ring3.task.world import PID_MAX
from ring3.views.host import system_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ring3.net.network import Network
    from ring3.task.world import World
    from ring3.vfs.inode import Walker

    Get = Callable[[World], bytes]
    Set = Callable[[World, Walker, bytes], None]

NAME_MOST = 64


class Value:
    """One setting: *get* makes its text (without the newline), *set* takes a new one."""

    __slots__ = ("get", "mode", "set")

    def __init__(self, get: Get, set: Set | None = None, mode: int | None = None) -> None:
        self.get = get
        self.set = set
        self.mode = mode if mode is not None else 0o644


def fixed(text: bytes, mode: int = 0o644) -> Value:
    """A setting that stays as it is."""
    return Value(lambda world: text, None, mode)


def host(path: str, mode: int = 0o644, otherwise: bytes = b"0") -> Value:
    """What the host has there: its limits are the guest's."""
    return Value(
        lambda world: system_text(world, "/proc/sys/" + path).rstrip(b"\n") or otherwise, None, mode
    )


def read_only(get: Get) -> Value:
    return Value(get, None, 0o444)


# --- settings the kernel acts on ----------------------------------------------------------------
def name_of(attribute: str) -> Value:
    """A host name: hostname, domainname."""

    def get(world: World) -> bytes:
        text: bytes = getattr(world, attribute)
        return text

    def set(world: World, who: Walker, data: bytes) -> None:
        if not who.cred.capable(CAP_SYS_ADMIN):
            raise EPERM("CAP_SYS_ADMIN")
        setattr(world, attribute, data.split(b"\n")[0].split(b"\0")[0][:NAME_MOST])

    return Value(get, set)


def numbers(data: bytes, count: int) -> list[int]:
    """*count* numbers, separated by blanks. EINVAL."""
    try:
        found = [int(word, 0) for word in data.split(b"\0")[0].split()]
    except ValueError:
        raise EINVAL("not a number") from None
    if len(found) != count:
        raise EINVAL(f"{count} numbers are wanted")
    return found


def network(world: World) -> Network:
    from ring3.net.network import network_of

    return network_of(world)


def net_number(attribute: str, low: int, high: int) -> Value:
    """A number that the network goes by."""

    def get(world: World) -> bytes:
        value: int = getattr(network(world), attribute)
        return b"%d" % value

    def set(world: World, who: Walker, data: bytes) -> None:
        if not who.cred.capable(CAP_NET_ADMIN):
            raise EPERM("CAP_NET_ADMIN")
        (value,) = numbers(data, 1)
        if not low <= value <= high:
            raise EINVAL(f"between {low} and {high}")
        setattr(network(world), attribute, value)

    return Value(get, set)


def get_port_range(world: World) -> bytes:
    return b"%d\t%d" % network(world).port_range


def set_port_range(world: World, who: Walker, data: bytes) -> None:
    if not who.cred.capable(CAP_NET_ADMIN):
        raise EPERM("CAP_NET_ADMIN")
    low, high = numbers(data, 2)
    if not 1 <= low <= high <= 65535:
        raise EINVAL
    network(world).port_range = (low, high)


def stored(attribute: str, default: int, low: int, high: int) -> Value:
    """A number that is kept and shown. Nothing here depends on it (a guest has one interface, so
    there is nothing to forward), but who sets it checks that it stuck."""

    def get(world: World) -> bytes:
        return b"%d" % settings(world).get(attribute, default)

    def set(world: World, who: Walker, data: bytes) -> None:
        if not who.cred.capable(CAP_NET_ADMIN):
            raise EPERM("CAP_NET_ADMIN")
        (value,) = numbers(data, 1)
        if not low <= value <= high:
            raise EINVAL(f"between {low} and {high}")
        settings(world)[attribute] = value

    return Value(get, set)


def settings(world: Any) -> dict[str, int]:
    """The numbers of ``stored`` settings, per world."""
    found: dict[str, int] | None = getattr(world, "settings", None)
    if found is None:
        found = world.settings = {}
    return found


def set_last_pid(world: World, who: Walker, data: bytes) -> None:
    if not who.cred.capable(CAP_SYS_ADMIN):
        raise EPERM("CAP_SYS_ADMIN")
    (value,) = numbers(data, 1)
    if not 0 <= value < PID_MAX:
        raise EINVAL
    world.last_pid = value


# --- values that are looked up ------------------------------------------------------------------
def uuid(world: Any) -> bytes:
    raw = bytearray(world.random.bytes(16))
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()


def boot_id(world: Any) -> bytes:
    found: bytes | None = getattr(world, "boot_id", None)
    if found is None:
        found = world.boot_id = uuid(world)
    return found


def open_files(world: World) -> bytes:
    """Open descriptions of the world, 0, and the most there can be."""
    files = {id(f) for t in world.tasks.values() for f in t.fds.files.values()}
    most = system_text(world, "/proc/sys/fs/file-max").strip() or b"1048576"
    return b"%d\t0\t%s" % (len(files), most)


def pty_count(world: Any) -> bytes:
    pairs = getattr(world, "ptys", None)
    return b"%d" % (len(pairs.pairs) if pairs is not None else 0)
