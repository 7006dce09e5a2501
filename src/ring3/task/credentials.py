"""Who a thread is: ids, groups, capabilities. Immutable; a change makes a new object.

Source: credentials(7), capabilities(7); kernel/cred.c, security/commoncap.c.
"""

from __future__ import annotations

from ring3.abi.capability import (
    CAP_CHOWN,
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CAP_FOWNER,
    CAP_FSETID,
    CAP_LINUX_IMMUTABLE,
    CAP_MAC_OVERRIDE,
    CAP_MKNOD,
    SECBIT_KEEP_CAPS,
    SECBIT_NO_SETUID_FIXUP,
    SECBIT_NOROOT,
)
from ring3.abi.hints import Any, Final

CAP_LAST: Final = 40
ALL_CAPS: Final = (1 << (CAP_LAST + 1)) - 1
FS_CAPS: Final = sum(
    1 << cap
    for cap in (
        CAP_CHOWN,
        CAP_MKNOD,
        CAP_DAC_OVERRIDE,
        CAP_DAC_READ_SEARCH,
        CAP_FOWNER,
        CAP_FSETID,
        CAP_LINUX_IMMUTABLE,
        CAP_MAC_OVERRIDE,
    )
)
"""What follows the file system uid (setfsuid(2))."""

# securebits (include/uapi/linux/securebits.h); each is followed by its lock.
SECBITS: Final = 0xFF
SECBIT_LOCKS: Final = 0xAA


class Credentials:
    """One set of credentials, shared by any number of threads."""

    __slots__ = (
        "ambient",
        "bounding",
        "effective",
        "egid",
        "euid",
        "fsgid",
        "fsuid",
        "gid",
        "groups",
        "inheritable",
        "permitted",
        "securebits",
        "sgid",
        "suid",
        "uid",
    )

    def __init__(self, uid: int = 0, gid: int = 0, groups: tuple[int, ...] = ()) -> None:
        """What a login as *uid* gives: everything to root, nothing to others."""
        caps = ALL_CAPS if uid == 0 else 0
        self.uid = self.euid = self.suid = self.fsuid = uid
        self.gid = self.egid = self.sgid = self.fsgid = gid
        self.groups = groups
        """Supplementary groups, in the order they were given."""
        self.effective = self.permitted = caps
        """Capability sets are ints: bit n is capability n."""
        self.inheritable = self.ambient = 0
        self.bounding = ALL_CAPS
        self.securebits = 0

    def but(self, **changes: Any) -> Credentials:
        """A copy with some fields changed."""
        other = object.__new__(Credentials)
        for name in Credentials.__slots__:
            setattr(other, name, changes.pop(name) if name in changes else getattr(self, name))
        assert not changes, f"no such field: {changes}"
        return other

    def capable(self, cap: int) -> bool:
        """Whether capability *cap* is in effect."""
        return bool(self.effective >> cap & 1)

    def in_group(self, gid: int) -> bool:
        """Whether *gid* counts for file access: the file system group or a supplementary one."""
        return gid == self.fsgid or gid in self.groups

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credentials):
            return NotImplemented
        return all(getattr(self, n) == getattr(other, n) for n in self.__slots__)

    __hash__ = None  # type: ignore[assignment]


def after_setuid(old: Credentials, new: Credentials) -> Credentials:
    """The capabilities that go or come with a change of user ids (cap_emulate_setxuid)."""
    if old.securebits & SECBIT_NO_SETUID_FIXUP:
        return new
    effective, permitted, ambient = new.effective, new.permitted, new.ambient
    if 0 in (old.uid, old.euid, old.suid) and 0 not in (new.uid, new.euid, new.suid):
        if not old.securebits & SECBIT_KEEP_CAPS:
            effective = permitted = 0
        ambient = 0
    if old.euid == 0 and new.euid != 0:
        effective = 0
    elif old.euid != 0 and new.euid == 0:
        effective = permitted
    return new.but(effective=effective, permitted=permitted, ambient=ambient)


def after_setfsuid(old: Credentials, new: Credentials) -> Credentials:
    """The same for the file system uid alone."""
    if old.securebits & SECBIT_NO_SETUID_FIXUP or old.fsuid == new.fsuid:
        return new
    if old.fsuid == 0:
        return new.but(effective=new.effective & ~FS_CAPS)
    if new.fsuid == 0:
        return new.but(effective=new.effective | (new.permitted & FS_CAPS))
    return new


class FileCaps:
    """The security.capability attribute of a program."""

    __slots__ = ("effective", "inheritable", "permitted")

    def __init__(self, permitted: int, inheritable: int, effective: bool) -> None:
        self.permitted = permitted
        self.inheritable = inheritable
        self.effective = effective


def after_exec(
    old: Credentials,
    file_caps: FileCaps | None = None,
    setuid: int | None = None,
    setgid: int | None = None,
    no_new_privs: bool = False,
) -> Credentials:
    """The credentials of a new program (cap_bprm_creds_from_file).

    *setuid* and *setgid* are the owner and group of a file with those mode bits. EPERM if the
    program's file capabilities cannot be given in full.
    """
    from ring3.abi.errno import EPERM

    if no_new_privs:
        file_caps = setuid = setgid = None
    euid = old.euid if setuid is None else setuid
    egid = old.egid if setgid is None else setgid
    permitted, effective = 0, False
    if file_caps is not None:
        permitted = (file_caps.permitted & old.bounding) | (file_caps.inheritable & old.inheritable)
        effective = file_caps.effective
        if effective and file_caps.permitted & ~permitted:
            raise EPERM("file capabilities beyond the bounding set")
    if not old.securebits & SECBIT_NOROOT and not (
        file_caps is not None and old.uid != 0 and euid == 0
    ):
        if 0 in (euid, old.uid):
            permitted = old.bounding | old.inheritable
        if euid == 0:
            effective = True
    changed_id = euid != old.uid or egid != old.gid
    ambient = 0 if file_caps is not None or changed_id else old.ambient
    permitted |= ambient
    return old.but(
        euid=euid,
        egid=egid,
        suid=euid,
        sgid=egid,
        fsuid=euid,
        fsgid=egid,
        permitted=permitted,
        effective=permitted if effective else ambient,
        ambient=ambient,
        securebits=old.securebits & ~SECBIT_KEEP_CAPS,
    )


def is_secure_exec(new: Credentials) -> bool:
    """AT_SECURE for a program that starts with *new*: libc distrusts its environment."""
    if new.euid != new.uid or new.egid != new.gid:
        return True
    return new.uid != 0 and new.permitted & ~new.ambient != 0
