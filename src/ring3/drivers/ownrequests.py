"""ioctl(2) on the kernel's own terminals, both ends. Source: drivers/tty/tty_ioctl.c, pty.c."""

from __future__ import annotations

from ring3.abi import ioctl as io
from ring3.abi.errno import EINVAL, EIO, ENOTTY, EPERM
from ring3.abi.fcntl import O_ACCMODE, O_CLOEXEC, O_NOCTTY, O_NONBLOCK
from ring3.abi.hints import TYPE_CHECKING
from ring3.abi.signal import SIGINT, SIGQUIT, SIGTSTP
from ring3.drivers.requests import BY_VALUE, FLUSHING, JOB_REQUESTS, READING, SETTING

if TYPE_CHECKING:
    from ring3.abi.types import Memory
    from ring3.drivers.ownmaster import OwnMaster
    from ring3.drivers.ownpty import OwnPair
    from ring3.drivers.owntty import OwnTty


def answer(pair: OwnPair, request: int, size: int) -> bytes:
    """What a request that only asks gives."""
    if request in (io.TCGETS, io.TCGETS2, io.TCGETA):
        return pair.line.termios.pack(size)
    if request == io.TIOCGWINSZ:
        return pair.size
    if request == io.TIOCGSOFTCAR:
        return int(bool(pair.line.termios.cflag & io.CLOCAL)).to_bytes(4, "little")
    return bytes(size)  # nothing waits for output here, discipline 0, nothing locked


def slave_request(tty: OwnTty, memory: Memory, request: int, arg: int) -> int:
    pair: OwnPair = tty.pair
    if pair.hung_up:
        raise ENOTTY if request == io.TIOCSPGRP else EIO("the master was closed")
    if request in JOB_REQUESTS:
        return pair.control.control(tty.caller, memory, request, arg, False)
    if request in READING:
        memory.store(arg, answer(pair, request, READING[request]))
    elif request == io.FIONREAD:
        memory.store(arg, pair.line.count().to_bytes(4, "little"))
    elif request in SETTING:
        tty.control.check_change(tty.caller)
        data = memory.load(arg, SETTING[request])
        if request in FLUSHING:
            pair.flush_input()
        pair.configure(data)
    elif request == io.TIOCSWINSZ:
        pair.resize(memory.load(arg, 8))
    elif request in BY_VALUE:
        tty.control.check_change(tty.caller)
        by_value(pair, request, arg)
    else:
        return rare(tty, memory, request, arg)
    return 0


def by_value(pair: OwnPair, request: int, arg: int) -> None:
    """tcflush(3), tcflow(3)."""
    line, cc = pair.line, pair.line.termios.cc
    if request == io.TCFLSH:
        if arg not in (io.TCIFLUSH, io.TCOFLUSH, io.TCIOFLUSH):
            raise EINVAL("queue")
        if arg != io.TCOFLUSH:
            pair.flush_input()
        if arg != io.TCIFLUSH:
            pair.flush_output()
    elif arg == io.TCOOFF:
        line.stop()
    elif arg == io.TCOON:
        line.start()
    elif arg in (io.TCIOFF, io.TCION):
        # The other end is asked to stop or to go on, by a character.
        character = cc[io.VSTOP if arg == io.TCIOFF else io.VSTART]
        if character:
            pair.output.append(character)
            pair.at_master.wake()
    else:
        raise EINVAL("action")


def rare(tty: OwnTty, memory: Memory, request: int, arg: int) -> int:
    pair: OwnPair = tty.pair
    if request in (io.TCSBRK, io.TCSBRKP, io.TIOCSBRK, io.TIOCCBRK):
        tty.control.check_change(tty.caller)
    elif request == io.TIOCSETD:
        tty.control.check_change(tty.caller)
        if int.from_bytes(memory.load(arg, 4), "little"):
            raise EINVAL("only the ordinary line discipline")
    elif request == io.TIOCGDEV:
        memory.store(arg, (pair.control.rdev & 0xFFFFFFFF).to_bytes(4, "little"))
    elif request == io.TIOCGEXCL:
        memory.store(arg, int(pair.exclusive).to_bytes(4, "little"))
    elif request in (io.TIOCEXCL, io.TIOCNXCL):
        pair.exclusive = request == io.TIOCEXCL
    elif request == io.TIOCSTI:
        raise EIO("injecting input is never allowed (as with dev.tty.legacy_tiocsti=0)")
    elif request in (io.TIOCCONS, io.TIOCVHANGUP, io.TIOCSLCKTRMIOS):
        raise EPERM("not on this terminal")
    else:
        raise ENOTTY
    return 0


def master_request(master: OwnMaster, memory: Memory, request: int, arg: int) -> int:
    pair = master.pair
    if request == io.TIOCNOTTY:
        raise ENOTTY("a master is no controlling terminal")
    if request in JOB_REQUESTS:
        return pair.control.control(master.caller, memory, request, arg, True)
    if request in READING:
        memory.store(arg, answer(pair, request, READING[request]))
    elif request == io.FIONREAD:
        memory.store(arg, len(pair.output).to_bytes(4, "little"))
    elif request in SETTING:
        pair.configure(memory.load(arg, SETTING[request]))
    elif request == io.TIOCSWINSZ:
        pair.resize(memory.load(arg, 8))
    elif request == io.TIOCGPTN:
        memory.store(arg, pair.index.to_bytes(4, "little"))
    elif request == io.TIOCGPTPEER:
        return open_peer(master, arg)
    else:
        return rare_master(master, memory, request, arg)
    return 0


def rare_master(master: OwnMaster, memory: Memory, request: int, arg: int) -> int:
    pair = master.pair
    if request == io.TIOCSPTLCK:
        pair.locked = any(memory.load(arg, 4))
    elif request == io.TIOCGPTLCK:
        memory.store(arg, int(pair.locked).to_bytes(4, "little"))
    elif request == io.TIOCPKT:
        wanted = any(memory.load(arg, 4))
        if wanted and not pair.packet:
            pair.status = 0
        pair.packet = wanted
    elif request == io.TIOCGPKT:
        memory.store(arg, int(pair.packet).to_bytes(4, "little"))
    elif request == io.TIOCSIG:
        if arg not in (SIGINT, SIGQUIT, SIGTSTP):
            raise EINVAL("only the signals of keys")
        pair.control.signal(arg)
    elif request == io.TCFLSH:
        flush_at_master(pair, arg)
    elif request == io.TCXONC:
        by_value(pair, request, arg)
    elif request in (io.TCSBRK, io.TCSBRKP, io.TIOCSBRK, io.TIOCCBRK):
        return 0  # output is handed over at once, and there is no line to break
    else:
        raise ENOTTY
    return 0


def flush_at_master(pair: OwnPair, arg: int) -> None:
    """The master's input is the slave's output."""
    if arg not in (io.TCIFLUSH, io.TCOFLUSH, io.TCIOFLUSH):
        raise EINVAL("queue")
    if arg != io.TCOFLUSH:
        pair.output.clear()
        pair.at_slave.wake()
    if arg != io.TCIFLUSH:
        pair.waiting.clear()
        pair.at_master.wake()


def open_peer(master: OwnMaster, flags: int) -> int:
    """TIOCGPTPEER: the slave as a new descriptor of the caller."""
    pair = master.pair
    slave = pair.open(master.caller, flags & (O_ACCMODE | O_NOCTTY | O_NONBLOCK))
    place = pair.table.place(pair.index)
    if place is not None:
        slave.attach(place)
    number: int = master.caller.fds.install(slave, cloexec=bool(flags & O_CLOEXEC))
    return number
