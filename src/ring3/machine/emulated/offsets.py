"""Where Unicorn keeps the fields of the processor's state whose place differs between versions.

Found at start by storing marks through the API: nothing here trusts a version number.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

MSR_NAMES: Final = {
    "star": 0xC0000081,
    "lstar": 0xC0000082,
    "cstar": 0xC0000083,
    "sfmask": 0xC0000084,
    "kernel_gs_base": 0xC0000102,
    "sysenter_esp": 0x175,
    "sysenter_eip": 0x176,
}
MSR_SYSENTER_CS: Final = 0x174
MSR_EFER: Final = 0xC0000080
EFER_SCE: Final = 1
EFER_LME_LMA: Final = 0x500


class UnknownLayout(ImportError):
    """This Unicorn keeps its processor in a way that this file does not understand."""


class Offsets:
    """Where the fields lie whose place differs from version to version (64-bit word indices)."""

    __slots__ = (
        "cstar",
        "efer",
        "error_code",
        "kernel_gs_base",
        "lstar",
        "old_exception",
        "sfmask",
        "size",
        "star",
        "sysenter_cs",
        "sysenter_eip",
        "sysenter_esp",
        "xmm",
    )

    star: int
    lstar: int
    cstar: int
    sfmask: int
    kernel_gs_base: int
    sysenter_esp: int
    sysenter_eip: int

    def __init__(
        self,
        save: Callable[[], bytes],
        msr_write: Callable[[int, int], None],
        xmm_write: Callable[[int], None],
    ) -> None:
        """Find the model-specific registers by writing marks to them.

        *save* returns the processor's bytes, *msr_write* and *xmm_write* (of XMM0) store through
        the API. The exception fields are found later, by ``find_exception_fields``, because that
        takes a fault.
        """
        self.size = len(save())
        for position, (name, number) in enumerate(MSR_NAMES.items()):
            mark = 0x00007A5A10000000 + 0x1111 * (position + 1)
            msr_write(number, mark)
            setattr(self, name, the_place(save(), mark.to_bytes(8, "little"), 8, name) // 8)
            msr_write(number, 0)
        msr_write(MSR_SYSENTER_CS, 0x7A58)
        before = self.sysenter_esp * 8 - 8
        if int.from_bytes(save()[before : before + 4], "little") != 0x7A58:
            raise UnknownLayout("SYSENTER_CS does not lie before SYSENTER_ESP")
        self.sysenter_cs = before // 4
        msr_write(MSR_SYSENTER_CS, 0)
        self.efer = self.find_efer(save, msr_write)
        mark = 0x123456789ABCDEF05A5AA5A5C3C33C3C
        xmm_write(mark)
        self.xmm = the_place(save(), mark.to_bytes(16, "little"), 8, "XMM0")
        xmm_write(0)
        self.error_code = self.old_exception = 0

    def find_efer(self, save: Callable[[], bytes], msr_write: Callable[[int, int], None]) -> int:
        """The word in which the system call enable bit comes and goes."""
        msr_write(MSR_EFER, EFER_LME_LMA)
        without = save()
        msr_write(MSR_EFER, EFER_LME_LMA | EFER_SCE)
        with_sce = save()
        places = [
            at for at in range(0, self.size, 8) if without[at : at + 8] != with_sce[at : at + 8]
        ]
        if len(places) != 1 or with_sce[places[0]] != without[places[0]] | EFER_SCE:
            raise UnknownLayout(f"EFER found at {places}")
        return places[0] // 8

    def find_exception_fields(self, image: bytes, error: int, vector: int, next_rip: int) -> None:
        """Find error_code and old_exception after a fault with a telling *error* code.

        error_code, exception_is_int, exception_next_eip follow one another; old_exception, which
        Unicorn forgets to clear, comes some way after them.
        """
        place = the_place(image, error.to_bytes(4, "little"), 4, "error_code")
        self.error_code = place // 4
        # 112 bytes between the two since QEMU 2.9; a version that moves it must be looked at.
        if int.from_bytes(image[place + 112 : place + 116], "little") != vector:
            raise UnknownLayout("old_exception")
        self.old_exception = place // 4 + 28


def the_place(image: bytes, mark: bytes, step: int, name: str) -> int:
    places = [at for at in range(0, len(image), step) if image[at : at + len(mark)] == mark]
    if len(places) != 1:
        raise UnknownLayout(f"{name} found at {places}")
    return places[0]
