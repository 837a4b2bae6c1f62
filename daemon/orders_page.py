"""docs/orders.md, from the order table: `python -m daemon.orders_page > docs/orders.md`. Reads core/orders.py only."""

from core.orders import TABLE, TERMINAL_FROM, Fact, State

INTRO = """# The life of an order

Made from `core/orders.py` by `python -m daemon.orders_page > docs/orders.md`; a test compares. Rows are states, columns
facts, cells the next state. `-` = cannot happen: it raises with the order's story. `!` = legal but odd: noted in the
journal, and listed below. A live order keeps its risk reserved, an UNKNOWN one until evidence settles it.
"""


def page() -> str:
    """The whole page, with its newline at the end."""
    live = [state for state in State if state < TERMINAL_FROM]
    ended = [state for state in State if state >= TERMINAL_FROM]
    parts = [INTRO, "## Live states\n", *_rows(live), "\n## Ended states\n", *_rows(ended), "\n## Odd rows\n", *_odd()]
    parts += ["\n## Picture\n", "```mermaid", "stateDiagram-v2", "    [*] --> SENDING", *_arrows(), "```"]
    return "\n".join(parts) + "\n"


def _rows(states: list[State]) -> list[str]:
    lines = ["| fact | " + " | ".join(state.name for state in states) + " |", "|---" * (len(states) + 1) + "|"]
    cells = ((fact, " | ".join(_cell(state, fact) for state in states)) for fact in Fact)
    return [*lines, *(f"| {fact.name} | {row} |" for fact, row in cells)]


def _cell(state: State, fact: Fact) -> str:
    row = TABLE.get((state, fact))
    if row is None:
        return "-"
    to = "same" if row[0] is state else row[0].name
    return f"{to} !" if row[1] else to


def _odd() -> list[str]:
    odd = [(state, fact, why) for (state, fact), (_, why) in TABLE.items() if why and state < TERMINAL_FROM]
    return [f"- {state.name} + {fact.name}: {why}" for state, fact, why in odd]


def _arrows() -> list[str]:
    moves: dict[tuple[State, State], list[str]] = {}
    for (state, fact), (to, _) in TABLE.items():
        if to is not state:
            moves.setdefault((state, to), []).append(fact.name)
    return [f"    {state.name} --> {to.name}: {', '.join(facts)}" for (state, to), facts in moves.items()]


if __name__ == "__main__":
    print(page(), end="")
