"""Shapes of calls that no family describes: from their declaration, or from Linux's signature."""

from __future__ import annotations

from ring3.abi.hints import Any
from ring3.trace.namesets import SETS

FAMILIES = (
    "files stats mounts memory polls process clones ids scheds misc prctls sockets messages"
    " sockopts times signals ipc ioctls fcntls"
).split()
_loaded = False


def load_families() -> None:
    """Have every family enter its kinds and shapes."""
    global _loaded
    if not _loaded:
        _loaded = True
        import importlib

        for name in FAMILIES:
            importlib.import_module(f"ring3.trace.{name}")


TYPES = {
    "umode_t": "mode",
    "size_t": "lu",
    "loff_t": "lld",
    "pid_t": "pid",
    "uid_t": "id",
    "gid_t": "id",
    "old_uid_t": "id",
    "old_gid_t": "id",
    "long": "ld",
    "off_t": "ld",
    "unsigned long": "lx",
    "aio_context_t": "addr",
}
SCALARS = {
    "size": "lu",
    "fd": "fd",
    "dirfd": "dirfd",
    "pid": "pid",
    "uid": "id",
    "addr": "addr",
    "mode": "mode",
    "dev": "dev",
    "offset": "lld",
}


def shape_of(name: str, call: Any, abi: str) -> str | None:
    """The shape that *call*'s declaration makes, or its signature, or None: unknown call."""
    if call is not None:
        return " ".join(declared(call, i) for i in range(len(call.params)))
    from ring3.abi.signatures import NUMBERS, signature

    if name not in NUMBERS[abi]:
        return None
    return " ".join(typed(argument, kind) for argument, kind in signature(name, abi).args)


def declared(call: Any, index: int) -> str:
    """The word for one parameter of a declaration."""
    param = call.params[index]
    codec = param.codec
    if param.pointer is None:
        if codec.flags in SETS:
            return f"{'enum' if codec.kind == 'enum' else 'flags'}:{codec.flags}"
        if codec.kind in SCALARS:
            return SCALARS[codec.kind]
        if codec.bits == 64:
            return "lld"
        wide = "l" if codec.bits == 0 else ""
        return wide + ("d" if codec.signed else "u")
    late = ">" if param.pointer.writes else ""
    kind = getattr(codec, "kind", "")
    if kind == "path":
        return f"{late}path"
    if kind == "string":
        return f"{late}str"
    if kind == "bytes":
        return late + sized(call, param.name)
    return f"{late}addr"


def sized(call: Any, name: str) -> str:
    """The word for a buffer whose length the declaration tells."""
    size = call.sizes.get(name)
    if size is None:
        return "addr"
    if size == "return":
        return "bytes:ret"
    return f"bytes:{[p.name for p in call.params].index(size)}"


def typed(name: str, kind: str) -> str:
    """The word for an argument of Linux's own signature."""
    if kind.endswith("*"):
        named_path = any(word in name for word in ("path", "file", "name", "dir"))
        return "path" if kind == "const char *" and named_path else "addr"
    if name.endswith(("fd", "fildes", "fdin", "fdout")):
        return "dirfd" if name.endswith("dfd") else "fd"
    if kind == "unsigned long" and name in ("start", "addr", "len", "length"):
        return "addr" if name in ("start", "addr") else "lu"
    if kind in TYPES:
        return TYPES[kind]
    if "flags" in name:
        return "x"
    return "u" if kind.startswith(("u", "__u")) else "d"


def count_args(name: str, abi: str) -> int:
    from ring3.abi.signatures import signature

    return len(signature(name, abi).args)
