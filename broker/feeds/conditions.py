"""Sale conditions of recorded prints: which of them must not move "last", each with its reason.

Bits are those of the recorded tape (LEAN's TradeConditionFlags). The rule behind the table is the
consolidated tape's (CTA and UTP sale condition tables); where that says "sometimes", the answer here is no: a wrong
last price costs more than a late one.
"""

from typing import Final

REGULAR: Final = 1 << 0
OPENING: Final = 1 << 6
CLOSING: Final = 1 << 7
AVERAGE_PRICE: Final = 1 << 20

# Bit -> (name, why a print that carries it must not update last).
NOT_LAST_BITS: Final[dict[int, tuple[str, str]]] = {
    1: ("Cash", "settles the same day: the price contains interest"),
    2: ("NextDay", "settles the next day: the price contains interest"),
    3: ("Seller", "settles when the seller chooses: not a regular-way price"),
    9: ("DerivativelyPriced", "priced by a formula off another market, reported late"),
    11: ("SoldLast", "reported late: true once, not now"),
    14: ("OutOfSequence", "reported late and out of order"),
    18: ("StockOption", "one leg of a package with an option: its price means nothing alone"),
    20: ("AveragePrice", "an average over the past, often of hours"),
    22: ("PriceVariation", "its price is away from the market by agreement"),
    24: ("OfficialClose", "repeats the closing auction's price; size is a copy, not a trade"),
    25: ("PriorReferencePrice", "executed at the price of an earlier moment"),
    26: ("OfficialOpen", "repeats the opening auction's price; size is a copy, not a trade"),
    30: ("Undocumented", "nobody says what it is (contingent trades hide here): deny"),
    31: ("OddLot", "below a round lot: the tapes exclude it from last"),
}

# Bit -> (name, why it may update last).
LAST_BITS: Final[dict[int, tuple[str, str]]] = {
    0: ("Regular", "the ordinary trade"),
    4: ("YellowFlag", "a regular trade in a nervous market"),
    5: ("IntermarketSweep", "a regular trade that took several venues at once"),
    6: ("OpeningPrint", "the auction itself"),
    7: ("ClosingPrint", "the auction itself"),
    8: ("ReOpeningPrint", "the auction after a halt: the first price one may believe again"),
    10: ("FormT", "see ExtendedHours"),
    12: ("Stopped", "guaranteed price, executed now"),
    13: ("ExtendedHours", "the only evidence before the open and after the close, and the trader knows its session; "
         "late reports and averages among them carry one of the bits above as well"),
    15: ("Split", "an execution in several parts"),
    16: ("Acquisition", "a block bought now"),
    17: ("Bunched", "several small orders at one price, now"),
    19: ("Distribution", "a block sold now"),
    21: ("Cross", "both sides by one broker, at the market's price"),
    23: ("Rule155", "a specialist's block, at one clean-up price, now"),
    27: ("CapElection", "a converted order, executed now"),
    28: ("AutoExecution", "an ordinary electronic trade"),
    29: ("TradeThroughExempt", "a flag on the order protection rule, not on the price; most sweeps carry it"),
}  # fmt: skip

NOT_LAST_MASK: Final = sum(1 << bit for bit in NOT_LAST_BITS)
KNOWN_MASK: Final = NOT_LAST_MASK | sum(1 << bit for bit in LAST_BITS)
assert KNOWN_MASK == 2**32 - 1, "every bit of the tape has one row in one of the two tables"
