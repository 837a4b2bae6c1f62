"""Units of systemd and the script that installs them: put into a folder, then looked at by systemd's own tools."""

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "deploy" / "systemd"
INSTALL = ROOT / "deploy" / "install.sh"
LONG_RUNNING = ("trader", "guard", "follower", "ops", "gateway", "ship")
# systemd-analyze security, in tenths: 0 = locked up, 100 = may do anything. Every step up is a reviewed one.
EXPOSURE_MAX = {"trader": 12, "gateway": 12, "guard": 14, "follower": 14, "ops": 14, "ship": 14}
EXPOSURE_MAX_OTHERS = 14


def analyze(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """One run of systemd-analyze; a machine without it skips, in CI it is a failure."""
    program = shutil.which("systemd-analyze")
    if program is None:
        text = "no systemd-analyze here: apt-get install systemd"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    return subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "info"},
    )  # fmt: skip


def install(folder: Path, *arguments: str) -> str:
    """One run of the script into a folder, with the environment of these tests; what it said."""
    done = subprocess.run(
        [str(INSTALL), "--root", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


OURS = ("--environment", str(Path(sys.executable).parent.parent))


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installed folder; its units name programs that are there."""
    folder = tmp_path_factory.mktemp("root")
    install(folder, *OURS)
    units = folder / "checked"
    units.mkdir()
    for unit in (folder / "usr/local/lib/systemd/system").iterdir():
        text = unit.read_text(encoding="utf-8").replace("/opt/quantd/", f"{folder}/opt/quantd/")
        (units / unit.name).write_text(text, encoding="utf-8")
    return folder


def read_unit(path: Path) -> configparser.RawConfigParser:
    """A unit; of keys that stand twice the last."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys are as they are written
    parser.read_string(path.read_text(encoding="utf-8"))
    return parser


def all_values(path: Path, key: str) -> list[str]:
    """Every word under a key that may stand several times."""
    found = re.findall(rf"^{key}=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [word for line in found for word in line.split()]


@pytest.mark.slow
def test_systemd_understands_every_unit(staged: Path) -> None:
    """Also what it would only warn of: an unknown key is a line of output and no exit code."""
    units = staged / "checked"
    names = sorted(f"./{unit.name}" for unit in units.iterdir())
    assert {"./quantd-trader@.service", "./quantd@.target", "./quantd.slice"} < set(names)
    done = analyze("verify", *names, folder=units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.slow
def test_a_mistake_in_a_unit_is_seen(staged: Path, tmp_path: Path) -> None:
    """The check before this one can fail."""
    text = (staged / "checked" / "quantd-guard@.service").read_text(encoding="utf-8")
    (tmp_path / "quantd-guard@.service").write_text(text.replace("WatchdogSec=", "WatchDogSecs="), encoding="utf-8")
    assert "WatchDogSecs" in analyze("verify", "./quantd-guard@.service", folder=tmp_path).stderr


@pytest.mark.slow
def test_every_service_is_locked_up(staged: Path) -> None:
    """What systemd counts as exposure stays below a mark for each."""
    for unit in sorted((staged / "checked").glob("*.service")):
        kind = unit.name.removeprefix("quantd-").partition("@")[0]
        most = EXPOSURE_MAX.get(kind, EXPOSURE_MAX_OTHERS)
        done = analyze(
            "security", "--offline=true", f"--threshold={most}", "--no-pager", f"./{unit.name}", folder=unit.parent
        )
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_times_of_the_timers_exist(staged: Path) -> None:
    """And none of them while the market is open."""
    for timer in sorted(SOURCE.glob("*.timer")):
        when = read_unit(timer)["Timer"]["OnCalendar"]
        done = analyze("calendar", "--iterations=3", when, folder=staged)
        assert done.returncode == 0, done.stderr
        hour = int(when.split()[-2].partition(":")[0])
        assert when.endswith("America/New_York")
        assert hour < 9 or when.startswith(("Sat", "Sun", "*-01-")), f"{timer.name} runs while the market is open"


def test_the_trader_starts_last_and_stops_first() -> None:
    """Stop order is the reverse of After=; nothing that is restarted takes the trader down."""
    after = {kind: all_values(SOURCE / f"quantd-{kind}@.service", "After") for kind in LONG_RUNNING}
    for other in ("guard", "follower", "ops", "gateway", "ship"):
        assert f"quantd-{other}@%i.service" in after["trader"]
        assert "quantd-trader@%i.service" not in after[other]
    assert "quantd-guard@%i.service" in after["follower"]
    assert "quantd-gateway@%i.service" in after["guard"]
    trader = SOURCE / "quantd-trader@.service"
    assert {"quantd-guard@%i.service", "quantd-follower@%i.service"} < set(all_values(trader, "Wants"))
    for key in ("Requires", "BindsTo", "Requisite", "PartOf"):
        assert set(all_values(trader, key)) <= {"quantd@%i.target"}, "a guard that is restarted takes the trader down"
    for kind in ("ops", "ship"):
        assert read_unit(SOURCE / f"quantd-{kind}@.service")["Install"]["WantedBy"] == "quantd@%i.target"


@pytest.mark.parametrize("kind", LONG_RUNNING)
def test_every_process_is_watched_and_a_wrong_config_is_not_tried_again(kind: str) -> None:
    """READY, beats and exit codes as the processes have them."""
    service = read_unit(SOURCE / f"quantd-{kind}@.service")["Service"]
    assert (service["Type"], service["NotifyAccess"]) == ("notify", "main")
    assert int(service["WatchdogSec"]) >= 10
    assert (service["WatchdogSignal"], service["TimeoutAbortSec"]) == ("SIGABRT", "5"), "stacks may have no reader"
    assert service["Restart"] in ("always", "on-failure")
    assert service["RestartPreventExitStatus"] == "2"
    assert service["NoNewPrivileges"] == "yes"
    assert "@privileged" in service["SystemCallFilter"]
    assert ("SocketBindDeny" in service) == (kind not in ("ops", "gateway")), "who may listen on a port"
    assert "MemoryDenyWriteExecute" not in service


PROGRAM = """
import ctypes, sys
assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0 or sys.exit(77)
import numba
try:
    numba.njit("int64(int64)")(lambda x: x + 1)
except OSError as fault:
    sys.exit(str(fault))
"""


@pytest.mark.slow
def test_kernels_do_not_load_where_memory_is_written_or_executed() -> None:
    """Why no unit says MemoryDenyWriteExecute (PR_SET_MDWE): the day this fails it can be said."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False, timeout=120)
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE (Linux 6.3)")
    assert done.returncode == 1
    assert "executable memory" in done.stderr


# ---- the script ------------------------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_second_run_changes_nothing(staged: Path) -> None:
    """The same sources are the same release; configs and state stay."""
    config = staged / "etc/quantd/paper.toml"
    config.write_text("mine", encoding="utf-8")
    before = sorted(str(path) for path in staged.rglob("*"))
    said = install(staged, *OURS)
    assert "is there already" in said
    assert sorted(str(path) for path in staged.rglob("*")) == before
    assert config.read_text(encoding="utf-8") == "mine"
    assert (staged / "etc/quantd/credentials").stat().st_mode & 0o777 == 0o700
    assert (staged / "var/lib/quantd").stat().st_mode & 0o777 == 0o700


@pytest.mark.slow
def test_an_earlier_release_comes_back_and_old_ones_go(tmp_path: Path) -> None:
    """`--activate` moves one link; three releases are kept, the current one among them."""
    install(tmp_path, *OURS)
    releases = tmp_path / "opt/quantd/releases"
    current = tmp_path / "opt/quantd/current"
    (first,) = (path.name for path in releases.iterdir())
    for number in range(4):
        shutil.copytree(releases / first, releases / f"0.0.{number}", symlinks=True)
        os.utime(releases / f"0.0.{number}", (number, number))
    install(tmp_path, "--activate", "0.0.0")
    assert os.readlink(current) == "releases/0.0.0"
    assert (current / "bin" / "quantd").is_file()
    install(tmp_path, *OURS)
    assert os.readlink(current) == f"releases/{first}"
    assert sorted(path.name for path in releases.iterdir()) == ["0.0.2", "0.0.3", first]
    missing = subprocess.run(
        [str(INSTALL), "--root", str(tmp_path), "--activate", "9.9.9"], capture_output=True, text=True, check=False
    )
    assert (missing.returncode, missing.stderr.count("\n")) == (2, 1)
    assert os.readlink(current) == f"releases/{first}"


@pytest.mark.slow
def test_an_uninstall_keeps_configs_and_state(tmp_path: Path) -> None:
    """Everything else is gone."""
    install(tmp_path, *OURS)
    kept = [
        tmp_path / "etc/quantd/live.toml",
        tmp_path / "etc/quantd/credentials/database",
        tmp_path / "var/lib/quantd/x",
    ]
    for path in kept:
        path.write_text("mine", encoding="utf-8")
    install(tmp_path, "--uninstall")
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file() or path.is_symlink()) == sorted(kept)
    install(tmp_path, "--uninstall")


@pytest.mark.parametrize("wrong", [["--rot", "x"], ["--root"], ["--environment", "/nowhere"]])
def test_a_wrong_option_does_nothing(wrong: list[str], tmp_path: Path) -> None:
    """It says what is wrong and ends."""
    done = subprocess.run([str(INSTALL), *wrong], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode != 0
    assert done.stderr
    assert not any(tmp_path.iterdir())
