"""Errno classes against Python's own errno table and the C library's texts."""

from __future__ import annotations

import errno as host
import os
import pickle

import pytest

from ring3.abi import errno


def test_every_number_of_the_host_has_a_class_of_that_name() -> None:
    for number, name in host.errorcode.items():
        kind = errno.BY_NUMBER[number]
        assert getattr(errno, name) is kind, name
        assert kind.number == number


def test_names_and_classes_agree() -> None:
    kinds = errno.Errno.__subclasses__()
    assert len(kinds) >= 132  # 1 to 134 without 41 and 58
    assert len({kind.number for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert errno.NAMES[kind.number] == kind.__name__
    assert errno.EWOULDBLOCK is errno.EAGAIN
    assert errno.EDEADLOCK is errno.EDEADLK
    assert errno.ENOTSUP is errno.EOPNOTSUPP


def test_texts_are_those_of_the_c_library() -> None:
    for number in (*range(1, 140), 4095):
        assert errno.strerror(number) == os.strerror(number), number


def test_kernel_internal_results_have_names_and_texts_but_no_class() -> None:
    assert errno.NAMES[errno.ERESTARTSYS] == "ERESTARTSYS"
    assert errno.strerror(errno.ERESTART_RESTARTBLOCK) == "Interrupted by signal"
    for number in (512, 513, 514, 516):
        assert number in errno.NAMES
        assert number not in errno.BY_NUMBER


def test_raise_with_and_without_a_reason() -> None:
    with pytest.raises(errno.ENOENT) as bare:
        raise errno.ENOENT
    assert bare.value.reason == ""
    assert str(bare.value) == "ENOENT (No such file or directory)"
    with pytest.raises(errno.Errno) as told:
        raise errno.EACCES("unveil: /etc is not visible")
    assert told.value.number == 13
    assert told.value.reason == "unveil: /etc is not visible"
    assert str(told.value) == "EACCES (Permission denied): unveil: /etc is not visible"


def test_an_error_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(errno.EPERM("why")))
    assert type(again) is errno.EPERM
    assert again.reason == "why"


def test_host_errors_cross_by_number() -> None:
    with pytest.raises(OSError) as caught:
        os.stat("/nonexistent/file")
    assert type(errno.from_os_error(caught.value)) is errno.ENOENT
    with pytest.raises(ValueError, match="without an errno"):
        errno.from_os_error(TimeoutError("timed out"))
