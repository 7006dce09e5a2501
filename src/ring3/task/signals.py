"""Signals: the names other rooms use. State, sending and delivery have files of their own.

A signal is *sent* (sending.py), *pending* (sigstate.py) and *delivered* on the return to user
mode (delivery.py), which pushes a frame (sigframe.py) or stops or ends the process (jobs.py).
"""

from __future__ import annotations

from ring3.task.delivery import DIE, RUN, STOP, deliver, sigreturn
from ring3.task.sending import (
    deliverable,
    dequeue,
    flush,
    force,
    has_deliverable,
    recompute,
    restore_mask,
    send_to_process,
    send_to_task,
    set_mask,
    swap_mask,
    thread_exits,
)
from ring3.task.siginfo import SigInfo
from ring3.task.sigstate import Action, AltStack, Handlers, PendingSignals, bits

__all__ = [
    "DIE",
    "RUN",
    "STOP",
    "Action",
    "AltStack",
    "Handlers",
    "PendingSignals",
    "SigInfo",
    "bits",
    "deliver",
    "deliverable",
    "dequeue",
    "flush",
    "force",
    "has_deliverable",
    "recompute",
    "restore_mask",
    "send_to_process",
    "send_to_task",
    "set_mask",
    "sigreturn",
    "swap_mask",
    "thread_exits",
]
