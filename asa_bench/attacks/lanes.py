"""Runs many searches at once in one thread, each in a lane of its own, and answers their questions together.

A search is ordinary synchronous code. It runs in a greenlet until it asks; then the next one runs. When all of them
wait, their questions are answered in one go. Greenlets switch in about 5 microseconds, threads that hand over to each
other in about 120 (measured with 32 of them on two busy cores), and a greenlet is never interrupted where it does not
ask. Both of Python's and numpy's global generators are exchanged at every switch, because searches draw from them.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
from greenlet import getcurrent, greenlet

T = TypeVar("T")
Texts = tuple[str, ...]
# All texts of a round, from whatever lane -> array of shape (texts, labels).
Answer = Callable[[Sequence[Texts]], np.ndarray]


_NUMPY: Any = np.random  # its type stubs lack get_bit_generator and set_bit_generator


class TimeLimitReached(BaseException):
    """The job has used up its time. No `Exception`, so that no search can take it for an error of its own."""


def seeds(text: str) -> tuple[int, int]:
    """The seeds of Python's and numpy's generator that a text stands for."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:20], "big")


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """While inside, numpy's global generator is another one; afterwards both global generators are as before."""
    state, numpy_state = random.getstate(), np.random.get_state()
    generator = _NUMPY.get_bit_generator()
    try:
        yield
    finally:
        _NUMPY.set_bit_generator(generator)
        random.setstate(state)
        np.random.set_state(numpy_state)


@dataclass
class _Lane(Generic[T]):
    """One running search.

    Attributes:
        number: which lane this is, 0 .. lanes - 1.
        job: which job it runs.
        question: the texts that it waits for.
        weight: how much memory its job may take, in whatever unit.
        whom: who is to answer it; None: whoever answers where nobody is named.
        spent: seconds that it ran, and its share of the seconds in which its questions were answered.
    """

    number: int
    job: int
    greenlet: Any
    weight: float = 0.0
    question: list[Texts] = field(default_factory=list)
    whom: Answer | None = None
    spent: float = 0.0
    random_state: Any = None
    bit_generator: Any = None
    result: T | None = None


class Lanes(Generic[T]):
    """Runs jobs, at most `count` of them at once.

    Args:
        count: how many lanes there are, which bounds the memory.
        answer: answers the questions of all lanes. If it raises, every lane's questions are asked again on their own,
            so that the error reaches only the job that causes it.
        time_limit: seconds for each job: while it runs, and its share of the time in which questions are answered.
            A job or an answer that never comes back is interrupted by a signal, which Python allows in the main
            thread only; in another one, a job is stopped when it asks next.
        most: what the weights of the jobs that run at once add up to at most; a heavier job runs alone.
    """

    def __init__(
        self, count: int, answer: Answer, time_limit: float | None = None, most: float = math.inf
    ) -> None:
        self.count = count
        self.answer = answer
        self.time_limit = math.inf if time_limit is None else time_limit
        self.most = most
        self._hub: Any = None
        self._running: dict[Any, _Lane[T]] = {}

    def ask(self, texts: Sequence[Texts], whom: Answer | None = None) -> np.ndarray:
        """Called by a job: waits until its lane's questions are answered.

        Args:
            whom: who is to answer instead of the lanes' own `answer`, such as a sentence encoder; all lanes that name
                the same one are answered together.

        Raises:
            Exception: whatever answering these texts, on their own, raises.
            TimeLimitReached: the job has used up its time.
        """
        lane = self._running[getcurrent()]
        lane.question, lane.whom = list(texts), whom
        return self._hub.switch()

    def run(
        self,
        jobs: int,
        work: Callable[[int, int], T],
        seed: Callable[[int], str],
        ended: Callable[[int, T], None],
        weight: Callable[[int], float] = lambda _: 0.0,
    ) -> None:
        """Runs jobs 0 .. jobs - 1; what becomes of one depends neither on the others nor on the number of lanes.

        Args:
            work: (job, lane) -> result; may call `ask`. Must not raise: what it raises ends the whole run.
            seed: job -> a text from which the random numbers of that job derive.
            ended: called with (job, its result) as they end, in no particular order.
            weight: job -> how much memory it may take, see `most`.
        """
        self._hub = getcurrent()
        waiting: list[_Lane[T]] = []
        free = list(range(self.count))[::-1]
        following = 0

        def sort_out(lane: _Lane[T]) -> None:
            if not lane.greenlet.dead:
                waiting.append(lane)
                return
            del self._running[lane.greenlet]
            free.append(lane.number)
            ended(lane.job, lane.result)  # type: ignore[arg-type]

        with random_state_kept():
            try:
                while waiting or following < jobs:
                    while free and following < jobs and self._admits(weight(following)):
                        lane = self._start(free.pop(), following, work, seed(following))
                        lane.weight = weight(following)
                        following += 1
                        self._resume(lane, lane.job, lane.number)
                        sort_out(lane)
                    asking, waiting = waiting, []
                    for lane, answer in self._answers(asking):
                        if isinstance(answer, BaseException):
                            self._resume(lane, error=answer)
                        else:
                            self._resume(lane, answer)
                        sort_out(lane)
            finally:
                for running in list(self._running):
                    running.throw()  # ends a greenlet silently
                self._running.clear()

    def _admits(self, weight: float) -> bool:
        running = sum(lane.weight for lane in self._running.values())
        return not self._running or running + weight <= self.most

    def _start(self, number: int, job: int, work: Callable[[int, int], T], seed: str) -> _Lane[T]:
        lane: _Lane[T] = _Lane(number, job, None)

        def body(job: int, number: int) -> None:
            lane.result = work(job, number)

        lane.greenlet = greenlet(body)
        self._running[lane.greenlet] = lane
        for_python, for_numpy = seeds(seed)
        random.seed(for_python)
        lane.random_state = random.getstate()
        lane.bit_generator = np.random.MT19937()
        _NUMPY.set_bit_generator(lane.bit_generator)
        np.random.seed(for_numpy)
        return lane

    def _resume(self, lane: _Lane[T], *values: Any, error: BaseException | None = None) -> None:
        """Lets a lane run, with its own random state, until it asks or ends."""
        random.setstate(lane.random_state)
        _NUMPY.set_bit_generator(lane.bit_generator)
        started = time.monotonic()
        left = self.time_limit - lane.spent
        if left <= 0 and error is None:
            error = TimeLimitReached()
        try:
            if error is not None:
                lane.greenlet.throw(error)
            else:
                with _alarm(left):
                    lane.greenlet.switch(*values)
        except TimeLimitReached as late:
            # The signal came in the last moment, when the lane had already given control back.
            if lane.greenlet.dead:
                raise
            lane.greenlet.throw(late)
        finally:
            lane.spent += time.monotonic() - started
            lane.random_state = random.getstate()

    def _answers(self, lanes: list[_Lane[T]]) -> Iterator[tuple[_Lane[T], np.ndarray | BaseException]]:
        """Each lane with the answer to its question, or with the error that this question causes."""
        asked: dict[Answer, list[_Lane[T]]] = {}
        for lane in lanes:
            asked.setdefault(lane.whom or self.answer, []).append(lane)
        for whom, asking in asked.items():
            yield from self._answers_of(whom, asking)

    def _answers_of(
        self, whom: Answer, lanes: list[_Lane[T]]
    ) -> Iterator[tuple[_Lane[T], np.ndarray | BaseException]]:
        texts = [text for lane in lanes for text in lane.question]
        started = time.monotonic()
        try:
            with _alarm(max((self.time_limit - lane.spent for lane in lanes), default=math.inf)):
                answers = whom(texts)
        except (Exception, SystemExit, TimeLimitReached) as error:
            if len(lanes) == 1:
                lanes[0].spent += time.monotonic() - started
                yield lanes[0], error
            else:
                for lane in lanes:
                    yield from self._answers_of(whom, [lane])
            return
        each = (time.monotonic() - started) / max(len(texts), 1)
        at = 0
        for lane in lanes:
            number = len(lane.question)
            lane.spent += each * number
            yield lane, answers[at : at + number]
            at += number


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raises `TimeLimitReached` in whatever runs in this thread after so many seconds, where that is possible."""
    if (
        math.isinf(seconds)
        or not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def late(*_: Any) -> None:
        raise TimeLimitReached

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, late)
    before, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if before:  # somebody else's timer, such as that of a test runner
            signal.setitimer(signal.ITIMER_REAL, max(before - (time.monotonic() - started), 0.001), interval)
