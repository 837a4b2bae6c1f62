"""Kernels that are compiled elsewhere than they run: for a level of processors, and read from a sealed folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConfigError
from daemon import kernels
from daemon.digests import ROOT

# In a process of its own: numba reads its settings once.
SCRIPT = """
import sys
from daemon.kernels import configure
configure()
import numba
sys.path.insert(0, {folder!r})
import small
assert small.twice(21) == 42
print(sum(small.twice.stats.cache_hits.values()))
import new
"""
# As a read-only file system answers, also to root, whom permissions do not stop.
SEALED = """
import builtins, os
access, open_ = os.access, builtins.open
os.access = lambda path, mode: mode != os.W_OK and access(path, mode)
def refuse(path, mode="r", *more, **named):
    if "w" in mode:
        raise OSError(30, f"sealed: {path}")
    return open_(path, mode, *more, **named)
builtins.open = refuse
"""
SMALL = "from numba import njit\n@njit('int64(int64)', cache=True)\ndef twice(x):\n    return x * 2\n"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of this machine's own settings."""
    for name in (kernels.NUMBA_CACHE, kernels.NUMBA_CPU, kernels.NUMBA_FEATURES, kernels.NUMBA_LOCATORS):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.setitem(os.environ, name, "")
        del os.environ[name]


def flags(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """This processor can do everything but `missing`."""
    have = sorted(kernels.CPU_LEVELS["x86-64-v3"] - set(missing))
    monkeypatch.setattr(kernels, "_cpu_lines", lambda: ["model name\t: any", f"flags\t\t: fpu {' '.join(have)}"])


@pytest.mark.slow
def test_a_level_gives_one_folder_on_every_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without it each processor has its own."""
    monkeypatch.setenv(kernels.CACHE_VARIABLE, str(tmp_path))
    found = []
    for level in ("", "x86-64-v3"):
        monkeypatch.setenv(kernels.CPU_VARIABLE, level)
        for model in ("one", "another"):
            monkeypatch.setattr(kernels, "_cpu_lines", lambda model=model: [f"model name\t: {model}"])
            found.append(kernels.cache_folder())
    own, other, level_here, level_there = found
    assert level_here == level_there
    assert len({own, other, level_here}) == 3


@pytest.mark.slow
def test_a_processor_that_lacks_something_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An instruction that is not there would end the process in the middle of a trade."""
    monkeypatch.setenv(kernels.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv(kernels.CPU_VARIABLE, "x86-64-v3")
    flags(monkeypatch, "avx2", "fma")
    with pytest.raises(ConfigError, match=r"QUANTD_CPU: this processor is no x86-64-v3: it lacks avx2 fma; .* warm"):
        kernels.configure()
    flags(monkeypatch)
    monkeypatch.setenv(kernels.CPU_VARIABLE, "x86-64-v9")
    with pytest.raises(ConfigError, match=r"QUANTD_CPU: x86-64-v9 is not known; set it to x86-64-v3"):
        kernels.configure()


@pytest.mark.slow
def test_a_sealed_folder_is_read_and_what_it_lacks_is_no_secret(tmp_path: Path) -> None:
    """The second process finds the first one's kernel where nothing can be written; a new kernel fails loudly."""
    modules, cache = tmp_path / "modules", tmp_path / "cache"
    modules.mkdir()
    (modules / "small.py").write_text(SMALL)
    (modules / "new.py").write_text("")

    def run(before: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), kernels.CACHE_VARIABLE: str(cache)}
        command = [sys.executable, "-B", "-c", before + SCRIPT.format(folder=str(modules))]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)

    first = run()
    assert (first.returncode, first.stdout) == (0, "0\n"), first.stderr
    made = {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb*")}
    assert made
    (modules / "new.py").write_text(SMALL)
    sealed = run(SEALED)
    assert (sealed.returncode, sealed.stdout) == (1, "1\n"), sealed.stderr
    assert f"sealed: {cache}" in sealed.stderr
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*.nb*")} == made
