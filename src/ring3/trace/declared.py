"""Shapes of calls that no family describes: from their declaration, or from Linux's signature."""

from __future__ import annotations

from ring3.abi.hints import Any

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
        if codec.flags:
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
        named_path = "path" in name or "file" in name or name in ("name", "dirname")
        return "path" if kind == "const char *" and named_path else "addr"
    if name in ("fd", "fildes", "dfd") or name.endswith("fd"):
        return "dirfd" if name == "dfd" else "fd"
    if kind == "umode_t":
        return "mode"
    if kind in ("size_t", "unsigned long", "aio_context_t"):
        return "lu" if kind == "size_t" else "lx"
    if kind == "loff_t":
        return "lld"
    if "flags" in name or kind.startswith(("u", "__u")):
        return "x" if "flags" in name else "u"
    return "ld" if kind == "long" else "d"


def count_args(name: str, abi: str) -> int:
    from ring3.abi.signatures import signature

    return len(signature(name, abi).args)
