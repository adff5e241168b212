"""Own-kernel hosts as hosts: kernels, power, cable, disks, the command channel, clean-up."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from backstay_sandbox import background
from backstay_sandbox.inspection import describe, host_argv, host_environment, host_pid
from backstay_sandbox.layout import NETNS_ROOT
from backstay_sandbox.options import NO_API, HostKind, SandboxOptions
from backstay_sandbox.process_record import kill
from harness.hosts import SandboxUnderTest, sandbox_name, wait_for

pytestmark = pytest.mark.uml
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def boot_id(hosts: SandboxUnderTest, node: str) -> str:
    return hosts.on_host(node, "cat", BOOT_ID).stdout.strip()


def test_every_host_and_every_boot_has_a_kernel_of_its_own(hosts: SandboxUnderTest) -> None:
    seen = [Path(BOOT_ID).read_text().strip(), boot_id(hosts, "n1"), boot_id(hosts, "n2")]
    hosts.ask("crash", node="n1")
    hosts.ask("boot", node="n1")
    seen.append(boot_id(hosts, "n1"))
    assert len(set(seen)) == 4
    assert hosts.on_host("n1", "uname", "-r").stdout.strip() != os.uname().release


def test_a_power_cut_takes_what_was_in_memory_and_leaves_what_was_synced(hosts: SandboxUnderTest) -> None:
    assert hosts.on_host("n1", "sh", "-c", "echo here >/var/lib/backstay/kept && sync").returncode == 0
    assert hosts.on_host("n1", "sh", "-c", "echo here >/etc/forgotten && sync").returncode == 0
    hosts.ask("crash", node="n1")
    assert not hosts.reaches("10.0.0.11")
    hosts.ask("boot", node="n1")
    assert hosts.on_host("n1", "cat", "/var/lib/backstay/kept").stdout == "here\n"
    assert hosts.on_host("n1", "test", "-e", "/etc/forgotten").returncode == 1


def test_nothing_of_a_host_runs_after_its_power_cut(hosts: SandboxUnderTest) -> None:
    namespace = os.readlink(f"/proc/{host_pid(hosts.layout, 'n2')}/ns/pid")
    assert living_in(namespace) > 1
    hosts.ask("crash", node="n2")
    assert living_in(namespace) == 0
    assert not (NETNS_ROOT / hosts.layout.netns("n2")).exists()


def living_in(namespace: str) -> int:
    count = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            count += os.readlink(entry / "ns/pid") == namespace
        except OSError:
            continue  # it ended while we looked
    return count


def test_a_cut_host_is_alone_until_healed_and_can_still_be_looked_at(hosts: SandboxUnderTest) -> None:
    assert hosts.reaches("10.0.0.11")
    hosts.ask("cut", node="n1")
    assert not hosts.reaches("10.0.0.11")
    assert hosts.on_host("n1", "ping", "-n", "-c", "1", "-W", "1", "10.0.0.12").returncode != 0
    assert hosts.on_host("n1", "hostname").stdout == "n1\n"
    hosts.ask("heal", node="n1")
    wait_for(lambda: hosts.reaches("10.0.0.11"), timeout_s=5.0, what="n1 answers again")


def test_a_host_that_boots_behind_a_cut_cable_stays_alone(hosts: SandboxUnderTest) -> None:
    hosts.ask("cut", node="n2")
    hosts.ask("crash", node="n2")
    hosts.ask("boot", node="n2")
    assert not hosts.reaches("10.0.0.12")
    hosts.ask("heal", node="n2")
    wait_for(lambda: hosts.reaches("10.0.0.12"), timeout_s=5.0, what="n2 answers again")


def test_the_power_switch_switches_own_kernel_hosts(hosts: SandboxUnderTest) -> None:
    booted = hosts.host_status("n2")["boots"] + 1
    off = hosts.fence("n1", action="off", plug="n2")
    assert off.returncode == 0, off.stderr
    assert hosts.host_status("n2")["power"] == "off"
    assert hosts.fence("n1", action="status", plug="n2").returncode == 2
    assert hosts.fence("n1", action="on", plug="n2").returncode == 0
    wait_for(lambda: hosts.host_status("n2")["boots"] == booted, timeout_s=30.0, what="n2 has booted")
    assert hosts.on_host("n2", "hostname").stdout == "n2\n"


def test_a_command_gets_its_input_and_gives_its_output_and_status(hosts: SandboxUnderTest) -> None:
    script = "read line; echo got $line $WORD; echo aside >&2; exit 7"
    done = subprocess.run(
        host_argv(hosts.layout, "n1", ["sh", "-c", script]),
        env={**host_environment(), "WORD": "two"},
        input="one\n",
        capture_output=True,
        text=True,
        timeout=30.0,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("got one two\n", "aside\n", 7)
    assert hosts.on_host("n1", "sh", "-c", "kill -9 $$").returncode == 128 + 9
    assert hosts.on_host("n1", "/no/such/program").returncode == 127


def test_a_long_output_comes_out_whole_and_a_background_process_holds_nobody(hosts: SandboxUnderTest) -> None:
    start = time.monotonic()
    done = hosts.on_host("n1", "sh", "-c", "sleep 100 & seq 100000")
    assert done.stdout == "".join(f"{number}\n" for number in range(1, 100001))
    assert time.monotonic() - start < 50.0


def test_a_command_ends_when_its_host_loses_power(hosts: SandboxUnderTest) -> None:
    argv = host_argv(hosts.layout, "n1", ["sh", "-c", "echo begun; sleep 1000"])
    with subprocess.Popen(
        argv, env=host_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "begun\n"
        hosts.ask("crash", node="n1")
        assert command.wait(timeout=15.0) == 255


def test_status_tells_what_runs_inside(hosts: SandboxUnderTest) -> None:
    hosts.on_host("n1", "sh", "-c", "sleep 1000 >/dev/null 2>&1 &")
    lines = {line.split()[0]: line for line in describe(hosts.layout) if line[:2] in ("n1", "n2")}
    assert lines["n1"].endswith("others")
    hosts.ask("crash", node="n2")
    lines = {line.split()[0]: line for line in describe(hosts.layout) if line[:2] in ("n1", "n2")}
    assert "off" in lines["n2"].split()


@pytest.mark.parametrize("daemon_dies", [False, True])
def test_down_leaves_nothing_even_when_the_daemon_was_killed(daemon_dies: bool) -> None:
    options = SandboxOptions(
        name=sandbox_name("uml-down"), nodes=1, api=NO_API, daemons=(), cluster=False, hosts=HostKind.UML
    )
    layout = options.layout
    background.start(options, progress=lambda _step: None)
    try:
        namespace = os.readlink(f"/proc/{host_pid(layout, 'n1')}/ns/pid")
        if daemon_dies:
            assert kill(int((layout.processes_dir / "daemon").read_text().split()[0]))
    finally:
        background.stop(layout)
    assert living_in(namespace) == 0
    assert not layout.state_dir.exists()
    assert not [path for path in NETNS_ROOT.iterdir() if path.name.startswith(layout.netns_prefix)]
