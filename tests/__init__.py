"""Tests. A package, so that `tests.fakes` never resolves to a `tests` that some library installed."""
