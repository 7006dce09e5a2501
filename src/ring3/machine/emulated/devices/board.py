"""All devices of the board, put together, and the few calls that the run loop makes.

    while True:
        board.advance()                          # events due by now become requests
        vector = board.pending()
        if vector is not None and engine.can_interrupt():
            engine.deliver_irq(board.acknowledge())
        run the CPU until board.next_event_ns()  # or idle until board.next_event_ns(idle=True)

On ``PORT_IRQ`` the kernel calls ``handle(vector)`` (the top half and the EOI), and on the way back
to user mode ``bottom_halves()``.
"""

from __future__ import annotations

from ring3.abi.hints import TYPE_CHECKING, Final
from ring3.machine.emulated.devices.irq import Interrupts
from ring3.machine.emulated.devices.keyboard import Keyboard
from ring3.machine.emulated.devices.pic import InterruptController
from ring3.machine.emulated.devices.schedule import Schedule
from ring3.machine.emulated.devices.softirq import BLOCK, NET_RX, NET_TX, Softirqs
from ring3.machine.emulated.devices.timer import Ticker, Timer
from ring3.machine.emulated.layout import IRQ_DISK, IRQ_KEYBOARD, IRQ_NET, IRQ_TIMER

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ring3.machine.emulated.devices.disk import Disk
    from ring3.machine.emulated.devices.net import NetworkDevice
    from ring3.machine.emulated.devices.timer import Deadlines

    Probe = Callable[[str, dict[str, object]], None]


WIRE_NS: Final = 2_000
BYTE_NS: Final = 1
"""The network's latency, and its time per byte (8 Gbit/s)."""


class Board:
    """*clock* is the kernel's, in virtual time; *on_tick* is called once per tick (250 Hz while
    the CPU is busy), in the timer's top half. *ram* is all of physical memory."""

    def __init__(
        self, clock: Deadlines, on_tick: Callable[[], None], ram: memoryview | None = None
    ) -> None:
        self.ram = ram if ram is not None else memoryview(b"")
        self.schedule = Schedule(clock.monotonic_ns)
        self.controller = InterruptController()
        self.interrupts = Interrupts(self.controller)
        self.softirqs = Softirqs()
        self.timer = Timer(self.schedule, self.controller)
        self.ticker = Ticker(self.timer, self.softirqs, clock, on_tick)
        self.interrupts.attach(IRQ_TIMER, "timer", self.ticker.interrupt)
        self.keyboard = Keyboard(self.schedule, self.controller, self.softirqs)
        self.interrupts.attach(IRQ_KEYBOARD, "keyboard", self.keyboard.interrupt)
        self.disk: Disk | None = None
        self.network: NetworkDevice | None = None
        self.pending = self.controller.pending
        self.acknowledge = self.controller.acknowledge
        self.handle = self.interrupts.handle
        self.bottom_halves = self.softirqs.run_pending

    def next_event_ns(self, idle: bool = False) -> int | None:
        """The virtual time up to which nothing happens on the board by itself. *idle*: no thread
        can run, so the tick stops; None then means that only the host can bring news."""
        self.ticker.set_idle(idle)
        self.ticker.program()
        return self.schedule.next_ns()

    def advance(self) -> int:
        """Let the devices do what is due by now; return how many events that were."""
        return self.schedule.run_due()

    def set_probe(self, probe: Probe | None) -> None:
        """Tell *probe* of the devices' requests (layout.PROBES, "irq")."""
        self.controller.probe = probe

    # --- what not every run needs ----------------------------------------------------------------
    def attach_disk(
        self, source: str | os.PathLike[str] | bytes | bytearray, writable: bool, name: str = "vda"
    ) -> Disk:
        """Plug the drive in: *source* is an image's path on the host, or its content, which
        changes only here. OSError for a path that cannot be opened; ValueError for a second
        drive. The caller gives ``disk.backing`` back at the end (``close``)."""
        from ring3.machine.emulated.devices.backing import FileBacking, MemoryBacking
        from ring3.machine.emulated.devices.disk import Disk

        if self.disk is not None:
            raise ValueError("the channel has its drive already")
        backing: FileBacking | MemoryBacking
        if isinstance(source, (bytes, bytearray)):
            backing = MemoryBacking(source)
        else:
            backing = FileBacking(source, writable)
        self.disk = disk = Disk(
            name, backing, writable, self.ram, self.schedule, self.controller, self.softirqs
        )
        self.softirqs.open(BLOCK, disk.bottom_half)
        self.interrupts.attach(IRQ_DISK, name, disk.interrupt)
        return disk

    def attach_network(
        self, new_frame: Callable[[], int], wire_ns: int = WIRE_NS, byte_ns: int = BYTE_NS
    ) -> NetworkDevice:
        """Plug the network device in. *new_frame*: a page frame's physical address, kept for
        good (net.FRAME_PAGES times)."""
        from ring3.machine.emulated.devices.net import NetworkDevice

        if self.network is not None:
            raise ValueError("there is a network device already")
        self.network = device = NetworkDevice(
            self.ram, new_frame, self.schedule, self.controller, self.softirqs, wire_ns, byte_ns
        )
        self.softirqs.open(NET_TX, device.transmitted)
        self.softirqs.open(NET_RX, device.poll)
        self.interrupts.attach(IRQ_NET, "eth0", device.interrupt)
        return device

    def close(self) -> None:
        if self.disk is not None:
            self.disk.backing.close()
