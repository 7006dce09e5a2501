"""The page that i386 programs call to enter the kernel (AT_SYSINFO, Linux's __kernel_vsyscall).

Source: arch/x86/entry/vdso/vdso32/system_call.S. It is not a whole vDSO: there is no ELF header.
"""

from __future__ import annotations

from ring3.abi.hints import Final

CODE: Final = bytes.fromhex(
    "51"  # push %ecx
    "52"  # push %edx
    "55"  # push %ebp
    "89e5"  # mov %esp, %ebp
    "0f34"  # sysenter
    "cd80"  # int $0x80: a restarted call comes here, two bytes before the landing place
    "5d"  # pop %ebp: the landing place
    "5a"  # pop %edx
    "59"  # pop %ecx
    "c3"  # ret
)
LANDING: Final = 9
