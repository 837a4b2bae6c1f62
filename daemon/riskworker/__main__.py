"""`python -m daemon.riskworker`: answers books on standard output until standard input ends. Started by the trader
alone (daemon/riskworker/client.py); holds no state that it is not told again after a restart.
"""

import sys
from typing import BinaryIO

from core.events import RiskMeasured
from daemon.riskworker.frames import PREFIX, frame, length_of, read_question
from risk.measure import Book, History, RiskModel, Rules


class Worker:
    """Rules and histories as told so far; the model is made when a book needs it."""

    def __init__(self) -> None:
        self._rules: Rules | None = None
        self._histories: dict[int, History] = {}
        self._model: RiskModel | None = None

    def take(self, payload: bytes) -> RiskMeasured | None:
        """One message; a book is answered. Raises ValueError on foreign bytes, and on a book before the rules."""
        message = read_question(payload)
        if isinstance(message, Book):
            if self._rules is None:
                raise ValueError("a book came before the rules")
            if self._model is None:
                self._model = RiskModel(self._rules, self._histories.values())
            return self._model.measure(message)
        self._model = None
        if isinstance(message, Rules):
            self._rules = message
        else:
            self._histories[message.inst] = message
        return None


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """Until the questions end."""
    worker = Worker()
    while len(prefix := questions.read(PREFIX)) == PREFIX:
        payload = questions.read(length_of(prefix))
        answer = worker.take(payload)
        if answer is not None:
            answers.write(frame(answer))
            answers.flush()


if __name__ == "__main__":
    try:
        serve(sys.stdin.buffer, sys.stdout.buffer)
    except (ValueError, BrokenPipeError) as fault:
        sys.exit(f"risk worker: {fault}")
