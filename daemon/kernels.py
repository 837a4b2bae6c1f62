"""Where compiled kernels are kept, and compiling them ahead of time (`quantd warm`).

`configure` must run before anything imports numba, which reads its environment once. The cache folder carries a digest
of all kernel sources and of everything that shapes machine code, so a stale kernel can never be loaded.
"""

import os
import platform
import sys
import time
from importlib import import_module, metadata
from pathlib import Path
from typing import Final

from core.errors import Bug, ConfigError
from daemon.digests import KERNEL_LIBRARIES, ROOT, digest, kernel_digest, kernel_modules

CACHE_VARIABLE: Final = "QUANTD_CACHE"
# Compile for any processor of this level instead of for this one: images are made elsewhere than they run.
CPU_VARIABLE: Final = "QUANTD_CPU"
NUMBA_CACHE: Final = "NUMBA_CACHE_DIR"
NUMBA_CPU: Final = "NUMBA_CPU_NAME"
NUMBA_FEATURES: Final = "NUMBA_CPU_FEATURES"
NUMBA_LOCATORS: Final = "NUMBA_CACHE_LOCATOR_CLASSES"
# SVML's exp and log differ from the C library's in the last bit and between CPUs.
NUMBA_NO_SVML: Final = "NUMBA_DISABLE_INTEL_SVML"
# What each level needs, by Linux's names (x86-64 psABI, table 3.1; abm is lzcnt).
CPU_LEVELS: Final = {
    "x86-64-v3": frozenset((
        "cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3",
        "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave",
    )),
}  # fmt: skip


def configure() -> Path:
    """Point numba at our cache; returns the folder. Values already in the environment win.

    Raises Bug when numba was imported before, ConfigError when the folder cannot be made or this processor lacks what
    the kernels are compiled for.
    """
    wanted = {NUMBA_CACHE: os.environ.get(NUMBA_CACHE) or str(cache_folder()), NUMBA_NO_SVML: "1"}
    if level := _cpu_level():
        wanted |= {NUMBA_CPU: level, NUMBA_FEATURES: ""}  # "" = those of the level, none of this machine's
    if "numba" in sys.modules and any(os.environ.get(name) is None for name in wanted):
        raise Bug("daemon.kernels.configure() came after the first import of numba, which reads its settings once")
    for name, value in wanted.items():
        os.environ.setdefault(name, value)
    folder = Path(os.environ[NUMBA_CACHE])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise ConfigError(
            f"${CACHE_VARIABLE}: cannot make {folder}: {fault.strerror}; set it to a folder that can be written"
        ) from fault
    if not os.access(folder, os.W_OK):
        os.environ.setdefault(NUMBA_LOCATORS, "daemon.kernel_cache.SealedCacheLocator")
    return folder


def cache_folder() -> Path:
    """The folder for exactly these sources, libraries and CPU."""
    base = os.environ.get(CACHE_VARIABLE) or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "quantd"
    libraries = [f"{name} {metadata.version(name)}" for name in KERNEL_LIBRARIES]
    parts = [kernel_digest(), *libraries, platform.python_version(), platform.machine(), _cpu()]
    return Path(base).expanduser() / "numba" / digest(part.encode() for part in parts)


def _cpu() -> str:
    """The level that is compiled for, else the processor's name and abilities, without importing llvmlite (60 ms) to
    ask for it.
    """
    level = os.environ.get(CPU_VARIABLE)
    if level:
        return level
    wanted = ("model name", "flags", "Features", "CPU part")
    return "\n".join(line for line in _cpu_lines() if line.partition("\t")[0].strip() in wanted) or platform.processor()


def _cpu_lines() -> list[str]:
    """Of the first processor; none where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return []
    return text.splitlines()


def _cpu_level() -> str:
    """The level asked for, "" = this very processor. A kernel beyond what it can do would end the process mid-trade."""
    level = os.environ.get(CPU_VARIABLE, "")
    if not level:
        return ""
    if level not in CPU_LEVELS:
        known = ", ".join(CPU_LEVELS)
        raise ConfigError(f"${CPU_VARIABLE}: {level} is not known; set it to {known}, or to nothing: this processor")
    flags = {flag for line in _cpu_lines() if line.startswith("flags") for flag in line.partition(":")[2].split()}
    missing = sorted(CPU_LEVELS[level] - flags)
    if missing:
        raise ConfigError(
            f"${CPU_VARIABLE}: this processor is no {level}: it lacks {' '.join(missing)}; "
            f"set it to nothing and ${CACHE_VARIABLE} to a folder that can be written, then `quantd warm`"
        )
    return level


def compile_kernels() -> float:
    """Compile every kernel into the cache and check that live equals batch; returns the seconds it took.

    Raises Bug when the check fails.
    """
    started = time.perf_counter()
    for path in kernel_modules():
        relative = path.relative_to(ROOT).with_suffix("")
        import_module(".".join(relative.parts))  # explicit signatures compile at import
    import_module("strategies.kernels").assert_live_equals_batch()
    import_module("strategies.signal.kernels").assert_scored_live_equals_batch()
    return time.perf_counter() - started


def warm() -> None:
    """`quantd warm`: compile, and print how long it took and where the result is."""
    folder = configure()
    print(f"kernels compiled and checked in {compile_kernels():.1f} s, kept in {folder}")
