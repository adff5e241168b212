"""The disk that every node begins with: the two images, just built from this checkout, imported as `ctr images import` does it.

Imported once on the machine (three seconds) and not in each guest (half a minute). Cached by the digest of what the images are made of,
one disk at a time: images of another state of the checkout are removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from backstay_sandbox.controlplane.go_module import Progress, cache_root
from harness.nodes.configuration import PAUSE_IMAGE
from harness.nodes.programs import NodePrograms

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ("operator", "nodeagent", "pyproject.toml", "uv.lock", "tools/images.sh", "tools/uv.txt")
IMAGES = ("backstay-operator", "backstay-nodeagent")
DISK_MEGABYTES = 4096
BUILD_TIMEOUT_S = 1200.0
TOOL_TIMEOUT_S = 300.0
SOCKET_TIMEOUT_S = END_TIMEOUT_S = 30.0
FORMAT = 1


class ImagesError(RuntimeError):
    """The images cannot be built or imported; the message is for the user."""


def version() -> str:
    """The tag: the chart's appVersion."""
    found = re.search(r"^appVersion: (\S+)$", (ROOT / "charts/backstay/Chart.yaml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def cached_disk(programs: NodePrograms) -> Path | None:
    """The disk of this very checkout, if it is there; never builds."""
    disk = _place(programs)
    return disk if disk.is_file() else None


def prepare_disk(programs: NodePrograms, progress: Progress) -> Path:
    """The disk, made now if it is not there. Raises ImagesError."""
    disk = _place(programs)
    if disk.is_file():
        return disk
    progress("building the images (a few minutes)")
    started = time.monotonic()
    _run(str(ROOT / "tools/images.sh"), timeout_s=BUILD_TIMEOUT_S)
    progress(f"built the images in {time.monotonic() - started:.0f} s")
    with tempfile.TemporaryDirectory(dir=disk.parent, prefix="importing-") as scratch:
        folder = Path(scratch)
        _pause_image(programs)
        archives = [
            _archive(f"localhost/{one}:{version()}", f"docker.io/library/{one}:{version()}", folder)
            for one in IMAGES
        ]
        archives.append(_archive(PAUSE_IMAGE, PAUSE_IMAGE, folder))
        made = _empty_disk(folder / "disk")
        _import(programs, archives, made)
        for left in disk.parent.glob("disk-*.img"):
            left.unlink()
        made.rename(disk)
    progress(f"the nodes' disk is ready after {time.monotonic() - started:.0f} s")
    return disk


def _place(programs: NodePrograms) -> Path:
    digest = hashlib.sha256(json.dumps([FORMAT, programs.tree.name, version()]).encode())
    for path in _source_files():
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    folder = cache_root() / "nodes"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"disk-{digest.hexdigest()[:12]}.img"


def _source_files() -> list[Path]:
    """What the images are made of; not what Python leaves beside it."""
    found = []
    for name in SOURCES:
        path = ROOT / name
        found += [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sorted(one for one in found if "__pycache__" not in one.parts and one.suffix != ".md")


def _pause_image(programs: NodePrograms) -> None:
    container = _run("buildah", "from", "scratch").strip()
    _run("buildah", "add", container, str(programs.tree / "bin/pause"), "/pause")
    _run("buildah", "config", "--entrypoint", '["/pause"]', container)
    _run("buildah", "commit", "--quiet", "--rm", container, PAUSE_IMAGE)


def _archive(image: str, known_as: str, folder: Path) -> Path:
    """``known_as`` is the image's name on the nodes: without a registry, the chart's names mean docker.io/library's."""
    archive = folder / f"{image.rpartition('/')[2].partition(':')[0]}.tar"
    _run("buildah", "push", "--quiet", image, f"docker-archive:{archive}:{known_as}")
    return archive


def _import(programs: NodePrograms, archives: list[Path], disk: Path) -> None:
    """Have a containerd of our own unpack them, onto ``disk``."""
    with _containerd(programs, disk) as socket:
        ctr = [str(programs.tree / "bin/ctr"), "--address", str(socket), "--namespace", "k8s.io", "images"]
        for archive in archives:
            _run(*ctr, "import", "--snapshotter", "overlayfs", str(archive))


@contextlib.contextmanager
def _containerd(programs: NodePrograms, disk: Path) -> Iterator[Path]:
    """A containerd that serves images only, kept on ``disk``; mounts, the disk's too, go with its mount namespace."""
    state = Path(tempfile.mkdtemp(prefix="bsc-", dir="/run"))
    socket, log = state / "s", state / "log"
    (state / "disk").mkdir()
    (state / "config.toml").write_text(
        f'version = 3\nroot = "{state}/disk/lib/containerd"\nstate = "{state}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images",'
        ' "io.containerd.nri.v1.nri"]\n'
        f'[grpc]\n  address = "{socket}"\n'
    )
    script = 'mount -o loop "$1" "$2/disk" && shift 2 && exec "$@"'
    containerd = [str(programs.tree / "bin/containerd"), "--config", str(state / "config.toml")]
    command = ["unshare", "--mount", "--", "sh", "-c", script, "sh", str(disk), str(state), *containerd]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        deadline = time.monotonic() + SOCKET_TIMEOUT_S
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ImagesError(f"containerd does not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield socket
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(END_TIMEOUT_S)
        shutil.rmtree(state, ignore_errors=True)


def _empty_disk(disk: Path) -> Path:
    with disk.open("wb") as file:
        os.truncate(file.fileno(), DISK_MEGABYTES << 20)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", "-L", "node", "-J", "size=16", str(disk))
    return disk


def _run(*command: str, timeout_s: float = TOOL_TIMEOUT_S) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={
                **os.environ,
                "STORAGE_DRIVER": os.environ.get("STORAGE_DRIVER", "vfs"),
            },  # as tools/images.sh
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ImagesError(f"`{' '.join(command[:3])}`: {error}") from None
    if done.returncode != 0:
        raise ImagesError(
            f"`{' '.join(command[:3])}` ended with status {done.returncode}: {(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout
