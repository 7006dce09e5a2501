"""Names that the generated modules do not carry: C libraries define them, not the UAPI headers.

Written by hand; each with its source. Both ABIs share them.
"""

from ring3.abi.wait import __WALL, __WCLONE, __WNOTHREAD

__all__ = ["MSG_STAT_ANY", "UTIME_NOW", "UTIME_OMIT", "__WALL", "__WCLONE", "__WNOTHREAD"]

# glibc's bits/stat.h; utimensat(2)
UTIME_NOW = 0x3FFFFFFF
UTIME_OMIT = 0x3FFFFFFE

# include/linux/msg.h
MSG_STAT_ANY = 13
