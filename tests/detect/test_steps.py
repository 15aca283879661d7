"""When a step runs, and when its result counts as changed."""

import numpy as np

from monitor.collect.frame import Frame
from monitor.detect import steps
from monitor.detect.nodes import Node
from monitor.model import F64


class Told(steps.Step):
    """Says what it is told to say, and counts."""

    def __init__(self, *says: F64) -> None:
        super().__init__(Node("told", "", (), ()), [])
        self.says = list(says)
        self.ran = 0

    def run(self, frame: Frame) -> None:
        self.out = self.says[min(self.ran, len(self.says) - 1)].copy()
        self.ran += 1


class Read(Told, steps._Read):
    """The same, but from the frame alone."""


def values(*numbers: float) -> F64:
    return np.array(numbers)


def moved(frame: Frame, *, few: bool) -> Frame:
    frame.moved += 1
    frame.few = few
    return frame


def test_the_same_is_the_same_to_the_bit_and_nan_is_nan() -> None:
    assert steps._same(values(1.0, np.nan), values(1.0, np.nan))
    assert not steps._same(values(1.0, np.nan), values(2.0, np.nan))
    assert not steps._same(values(1.0), values(1.0, 1.0))
    assert steps._same(np.array([1, -1], np.int8), np.array([1, -1], np.int8))
    assert not steps._same(np.array([1, -1], np.int8), np.array([1, 0], np.int8))


def test_what_may_be_one_memory_or_another_type_is_not_surely_the_same() -> None:
    one = values(1.0, 2.0)

    assert not steps._same(one, one[:])
    assert not steps._same(values(1.0), np.array([1.0], np.float32))
    assert not steps._same(np.zeros(2, np.int8), np.zeros(2, np.bool_))


def test_a_step_with_memory_always_runs_and_counts_a_change_where_there_is_one() -> None:
    frame = Frame()
    step = Told(values(1.0), values(1.0), values(2.0), values(2.0))
    versions = []
    for moves in (1, 0, 0, 1):
        frame.moved += moves
        step.turn(frame)
        versions.append(step.version)

    assert step.ran == 4
    assert versions == [1, 1, 2, 3]  # while values move it is not compared


def test_what_reads_the_frame_runs_when_a_value_moved_and_compares_when_few_spoke() -> None:
    frame = Frame()
    step = Read(values(1.0), values(1.0), values(2.0), values(2.0))
    versions = []
    for few in (False, True, True, False):
        step.turn(moved(frame, few=few))
        step.turn(frame)
        versions.append(step.version)

    assert step.ran == 4
    assert versions == [1, 1, 2, 3]


def test_what_reads_the_monitors_own_points_always_runs() -> None:
    frame = Frame()
    step = Read(values(1.0), values(1.0), values(3.0))
    step.always = True
    for _ in range(3):
        frame.few = True
        step.turn(frame)

    assert step.ran == 3
    assert step.version == 2
