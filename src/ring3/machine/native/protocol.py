"""What the kernel and the shim agree on (shim/shim.h states the same; a test compares)."""

from __future__ import annotations

import struct

from ring3.abi.hints import Final

SHIM_TEXT: Final = 0x6E0000000000
SHIM_WINDOW: Final = 0x10000
SLOTS: Final = 0x6D0000000000
SLOT_SIZE: Final = 0x10000
SLOT_STACK: Final = 0x4000
SLOTS_MAX: Final = 0x100000
MAX_CMDS: Final = 180

DOORBELL: Final = 110
MAGIC: Final = 0x5233 << 48
REPLY_RUN: Final = MAGIC | 1 << 32
REPLY_RESUME: Final = MAGIC | 2 << 32
REPLY_ERROR: Final = MAGIC | 3 << 32
REPLY_ENTER: Final = MAGIC | 4 << 32

K_BOOT, K_DONE, K_CHILD, K_SIGNAL = 1, 2, 3, 4

KICK: Final = 62
CMD_WAITS: Final = 1
INTERRUPTED: Final = -512

CMD: Final = struct.Struct("<8Q")
"""nr, six arguments, flags (for clone: start the child on a prepared frame)."""
FRAME_OFFSET: Final = 8
SELECTOR_OFFSET: Final = 24
CMDS_OFFSET: Final = 32

# A signal frame's ucontext as Linux lays it out on x86-64.
GREGS: Final = 40
FPSTATE: Final = 224
UC_SIZE: Final = 304
FRAME: Final = struct.Struct("<5Q23QQ")
"""uc_flags, uc_link, uc_stack[3]; 23 registers; the FP state's address."""
R8, R9, R10, R11, R12, R13, R14, R15 = range(8)
RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP, RIP, EFLAGS, SEGMENTS, ERR, TRAPNO, OLDMASK, CR2 = range(
    8, 23
)
USER_SEGMENTS: Final = 0x33 | 0x2B << 48
"""cs in the low 16 bits, ss in the high 16, gs and fs zero."""


def slot_address(slot: int) -> int:
    return SLOTS + slot * SLOT_SIZE
