"""Ctrl-C and SIGTERM keep a run at its next step; a second one ends it at once."""
import signal
from types import FrameType


class Interruption:
    """`stop` for loop.setup.fit. `number` is that of the signal that came, 0 while none did."""

    def __init__(self) -> None:
        self.number = 0
        self._before = {which: signal.signal(which, self._note) for which in (signal.SIGINT, signal.SIGTERM)}

    def _note(self, number: int, _: FrameType | None) -> None:
        self.number = number
        for which, handler in self._before.items():
            signal.signal(which, handler)

    def __call__(self, step: int) -> bool:
        return bool(self.number)

    @property
    def exit_code(self) -> int:
        """As a shell tells of a process that a signal ended."""
        return 128 + self.number
