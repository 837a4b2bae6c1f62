"""Writes every board."""

from tests.boards.board import FOLDER, json_of
from tests.boards.every import BOARDS

for board in BOARDS:
    (FOLDER / f"{board.name}.json").write_text(json_of(board), encoding="utf-8")
