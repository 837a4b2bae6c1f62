"""All boards, in the order of their links."""

from tests.boards.board import Board
from tests.boards.execution import EXECUTION
from tests.boards.risk import RISK
from tests.boards.system import SYSTEM
from tests.boards.trading import TRADING

BOARDS: tuple[Board, ...] = (TRADING, RISK, EXECUTION, SYSTEM)
