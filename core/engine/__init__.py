"""The pure engine: facts in, records (notes and commands) out, the only writer of state."""

from core.engine.engine import Engine
from core.engine.trading import EngineSettings, Records

__all__ = ["Engine", "EngineSettings", "Records"]
