"""The structs of System V IPC, and the times and permissions they share."""

from __future__ import annotations

from ring3.abi.hints import Any
from ring3.abi.types import Record

PERM = {
    "key": "key",
    "uid": "uid",
    "gid": "gid",
    "cuid": "cuid",
    "cgid": "cgid",
    "mode": "mode",
    "seq": "seq",
}


def with_perm(prefix: str, **fields: str) -> dict[str, str]:
    """FIELDS of a ..._ds struct: its ipc_perm at *prefix*, then its own."""
    return {name: f"{prefix}.{path}" for name, path in PERM.items()} | fields


class ShmidDs(Record):
    LAYOUT = "shmid_ds"
    FIELDS = with_perm(
        "shm_perm",
        segsz="shm_segsz",
        atime="shm_atime",
        dtime="shm_dtime",
        ctime="shm_ctime",
        cpid="shm_cpid",
        lpid="shm_lpid",
        nattch="shm_nattch",
    )
    __slots__ = tuple(FIELDS)
    uid: int
    gid: int
    mode: int


class SemidDs(Record):
    LAYOUT = "semid_ds"
    FIELDS = with_perm("sem_perm", otime="sem_otime", ctime="sem_ctime", nsems="sem_nsems")
    __slots__ = tuple(FIELDS)
    uid: int
    gid: int
    mode: int


class MsqidDs(Record):
    LAYOUT = "msqid_ds"
    FIELDS = with_perm(
        "msg_perm",
        stime="msg_stime",
        rtime="msg_rtime",
        ctime="msg_ctime",
        cbytes="msg_cbytes",
        qnum="msg_qnum",
        qbytes="msg_qbytes",
        lspid="msg_lspid",
        lrpid="msg_lrpid",
    )
    __slots__ = tuple(FIELDS)
    uid: int
    gid: int
    mode: int
    qbytes: int


class Shminfo(Record):
    LAYOUT = "shminfo"
    FIELDS = {n: n for n in ("shmmax", "shmmin", "shmmni", "shmseg", "shmall")}
    __slots__ = tuple(FIELDS)


class ShmInfo(Record):
    LAYOUT = "shm_info"
    FIELDS = {n: n for n in ("used_ids", "shm_tot", "shm_rss", "shm_swp")}
    __slots__ = tuple(FIELDS)


class Seminfo(Record):
    LAYOUT = "seminfo"
    FIELDS = {
        n: n
        for n in (
            "semmap", "semmni", "semmns", "semmnu", "semmsl", "semopm", "semume", "semusz",
            "semvmx", "semaem",
        )
    }  # fmt: skip
    __slots__ = tuple(FIELDS)
    semusz: int
    semaem: int


class Msginfo(Record):
    LAYOUT = "msginfo"
    FIELDS = {
        n: n
        for n in (
            "msgpool", "msgmap", "msgmax", "msgmnb", "msgmni", "msgssz", "msgtql", "msgseg",
        )
    }  # fmt: skip
    __slots__ = tuple(FIELDS)
    msgpool: int
    msgmap: int
    msgtql: int


def perm_fields(obj: Any) -> dict[str, int]:
    """The ipc_perm part of *obj*'s struct."""
    return {name: getattr(obj, name) for name in PERM}
