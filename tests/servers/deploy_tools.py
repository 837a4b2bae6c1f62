"""Docker Compose and kustomize for tests, provisioned once by deploy_tools.sh into a folder: they read compositions and
manifests as they would before starting anything. Neither reaches a container engine or a cluster.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.servers.required import Unavailable

SCRIPT = Path(__file__).with_name("deploy_tools.sh")
FOLDER_VARIABLE = "QUANTD_DEPLOY_TOOLS_FOLDER"  # where they are provisioned; default in the temporary folder
DEADLINE_S = 120.0


class DeployTools:
    """Both programs. Raises RuntimeError with their words on a file they refuse."""

    def __init__(self, folder: Path) -> None:
        self._compose = folder / "root" / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-compose"
        self._kustomize = folder / "root" / "usr" / "bin" / "kustomize"

    def composed(self, file: Path, environment: dict[str, str]) -> dict[str, Any]:
        """A composition with everything resolved, of all profiles."""
        command = [str(self._compose), "--file", str(file), "--profile", "*", "config", "--format", "json"]
        found: dict[str, Any] = json.loads(_output(command, {"PATH": os.environ["PATH"], **environment}))
        return found

    def built(self, folder: Path) -> list[dict[str, Any]]:
        """Every object of a kustomization."""
        return list(yaml.safe_load_all(_output([str(self._kustomize), "build", str(folder)], dict(os.environ))))


def provision() -> DeployTools:
    """The programs. Raises Unavailable with the script's words."""
    default = Path(tempfile.gettempdir()) / f"quantd-deploy-tools-{os.getuid()}"
    folder = Path(os.environ.get(FOLDER_VARIABLE, default))
    done = subprocess.run([str(SCRIPT), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(f"no Docker Compose: {' '.join((done.stderr or done.stdout).split())[-300:]}")
    return DeployTools(folder)


def _output(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return done.stdout
