"""Real processes: agents that hang, flood, fork, lie, or are not there."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backstay.ocf.exitcode import OpStatus
from backstay.ocf.metadata import parse_metadata
from backstay_nodeagent import urgency
from backstay_nodeagent.host_process import ProcessControl
from backstay_nodeagent.proc_stat import start_ticks
from unit.nodeagent.little_agents import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


async def gone(pid: int) -> bool:
    for _ in range(100):
        if start_ticks(pid) == 0:
            return True
        await asyncio.sleep(0.02)
    return False


@pytest.mark.parametrize(
    ("rc", "verb", "status"),
    [
        (0, "start", OpStatus.DONE),
        (1, "start", OpStatus.ERROR),
        (2, "start", OpStatus.ERROR),
        (3, "start", OpStatus.NOT_SUPPORTED),
        (4, "start", OpStatus.ERROR),
        (5, "start", OpStatus.NOT_INSTALLED),
        (6, "start", OpStatus.ERROR),
        (7, "start", OpStatus.ERROR),
        (7, "monitor", OpStatus.DONE),
        (8, "monitor", OpStatus.DONE),
        (9, "monitor", OpStatus.DONE),
        (190, "monitor", OpStatus.DONE),
        (191, "monitor", OpStatus.ERROR),
        (77, "monitor", OpStatus.ERROR),
    ],
)
async def test_exit_code_is_kept_and_judged(host: Host, rc: int, verb: str, status: OpStatus) -> None:
    host.agent(f"exit {rc}")
    outcome = await host.run(verb)
    assert (outcome.rc, outcome.status) == (rc, status)


async def test_exit_reason_is_the_last_one_said_on_standard_error(host: Host) -> None:
    host.agent(
        'echo ocf-exit-reason:not-me; echo "ocf-exit-reason:first" >&2; printf "ocf-exit-reason:disk is gone" >&2; exit 1'
    )
    outcome = await host.run()
    assert outcome.reason == "disk is gone"


async def test_agent_that_hangs_is_killed_with_its_whole_group(host: Host, tmp_path: Path) -> None:
    host.agent(f"trap '' TERM\nsleep 60 &\necho $! > {tmp_path}/child\nwait\nwait\nsleep 60")
    began = time.monotonic()
    outcome = await host.run(timeout_ms=300)
    assert (outcome.rc, outcome.status) == (1, OpStatus.TIMEOUT)
    assert "0.3 s" in outcome.reason
    assert time.monotonic() - began < 5.0
    assert await gone(int((tmp_path / "child").read_text()))


async def test_agent_that_heeds_sigterm_is_not_waited_for_any_longer(host: Host) -> None:
    host.agent("trap 'exit 3' TERM\nsleep 60 & wait")
    began = time.monotonic()
    outcome = await host.run(timeout_ms=200)
    assert outcome.status is OpStatus.TIMEOUT
    assert time.monotonic() - began < 1.5


async def test_daemon_that_keeps_the_pipes_open_holds_up_nobody_and_survives(
    host: Host, tmp_path: Path
) -> None:
    host.agent(f"echo begun\nsleep 30 &\necho $! > {tmp_path}/child\nexit 0")
    began = time.monotonic()
    outcome = await host.run()
    child = int((tmp_path / "child").read_text())
    try:
        assert time.monotonic() - began < 5.0
        assert (outcome.rc, outcome.status, outcome.output) == (0, OpStatus.DONE, "begun\n")
        assert start_ticks(child) != 0, "what an agent leaves running is its business"
    finally:
        os.kill(child, 9)


async def test_flood_is_drained_and_kept_within_bounds(host: Host) -> None:
    host.agent(
        'echo head-of-it\nhead -c 30000000 /dev/zero | tr "\\0" x\necho; echo tail-of-it\necho "ocf-exit-reason:full" >&2\nexit 1'
    )
    outcome = await host.run()
    assert outcome.rc == 1
    assert len(outcome.output.encode()) <= 4096
    assert outcome.output.startswith("head-of-it")
    assert "tail-of-it" in outcome.output
    assert "left out" in outcome.output
    assert outcome.reason == "full"


async def test_flooding_daemon_left_behind_does_not_hold_the_operation(host: Host, tmp_path: Path) -> None:
    host.agent(f"yes & echo $! > {tmp_path}/child\nexit 0")
    began = time.monotonic()
    outcome = await host.run()
    os.kill(int((tmp_path / "child").read_text()), 9)
    assert outcome.rc == 0
    assert time.monotonic() - began < 5.0


async def test_rubbish_output_becomes_printable_text(host: Host) -> None:
    host.agent(r"printf '\000\377\033[31m\303' ; exit 0")
    outcome = await host.run()
    assert "\0" not in outcome.output
    assert "\x1b" not in outcome.output
    outcome.output.encode()


async def test_killed_agent_is_an_error_that_names_the_signal(host: Host) -> None:
    host.agent("kill -9 $$")
    outcome = await host.run()
    assert (outcome.rc, outcome.status) == (1, OpStatus.ERROR)
    assert "signal 9" in outcome.reason


async def test_ended_operation_is_cancelled_and_its_group_is_gone(host: Host, tmp_path: Path) -> None:
    host.agent(f"sleep 60 &\necho $! > {tmp_path}/child\nwait")
    control = ProcessControl()
    running = asyncio.create_task(host.run("monitor", control=control))
    while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
        await asyncio.sleep(0.01)
    control.end("stop was ordered")
    outcome = await running
    assert (outcome.status, outcome.reason) == (OpStatus.CANCELLED, "stop was ordered")
    assert await gone(int((tmp_path / "child").read_text()))


async def test_agent_that_is_not_there_is_not_installed(host: Host) -> None:
    outcome = await host.run(agent="ocf:test:Nothing")
    assert (outcome.rc, outcome.status) == (5, OpStatus.NOT_INSTALLED)


async def test_stop_of_an_agent_that_was_removed_is_no_success(host: Host) -> None:
    outcome = await host.run("stop", agent="ocf:test:Nothing")
    assert outcome.rc == 5


async def test_agent_that_may_not_be_executed_lacks_privileges(host: Host) -> None:
    host.agent("exit 0", mode=0o644)
    assert (await host.run()).rc == 4


async def test_name_that_would_leave_the_directory_is_refused(host: Host) -> None:
    outcome = await host.run(agent="ocf:..:../../bin/sh")
    assert outcome.rc == 6


async def test_environment_is_complete_and_nothing_leaks(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKSTAY_LEAK", "1")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    host.agent("env; exit 0")
    outcome = await host.run(
        "monitor",
        params={"ip": "10.0.0.3", "OCF_CHECK_LEVEL": "10"},
        interval_ms=30_000,
        timeout_ms=15_000,
        meta={"notify-type": "pre"},
    )
    env = dict(line.split("=", 1) for line in outcome.output.splitlines() if "=" in line)
    assert env["OCF_RESKEY_ip"] == "10.0.0.3"
    assert env["OCF_RESKEY_CRM_meta_interval"] == "30000"
    assert env["OCF_RESKEY_CRM_meta_timeout"] == "15000"
    assert env["OCF_RESKEY_CRM_meta_name"] == "monitor"
    assert env["OCF_RESKEY_CRM_meta_on_node"] == "n1"
    assert env["OCF_RESKEY_CRM_meta_notify_type"] == "pre"
    assert env["OCF_RESOURCE_INSTANCE"] == "r"
    assert (env["OCF_RESOURCE_TYPE"], env["OCF_RESOURCE_PROVIDER"]) == ("Tiny", "test")
    assert (env["OCF_RA_VERSION_MAJOR"], env["OCF_RA_VERSION_MINOR"]) == ("1", "1")
    assert env["OCF_CHECK_LEVEL"] == "10"
    assert env["LC_ALL"] == "C"
    assert "BACKSTAY_LEAK" not in env
    assert "PYTHONPATH" not in env


META_DATA = (
    '<?xml version="1.0"?><resource-agent name="Tiny"><actions><action name="{}"/></actions></resource-agent>'
)


async def test_meta_data_comes_whole_and_noise_on_standard_error_stays_out(host: Host) -> None:
    text = META_DATA.format("start") + "<!-- " + "x" * 100_000 + " -->"
    (host.root / "doc").write_text(text)
    host.agent(f"echo noise >&2; cat {host.root}/doc")
    outcome = await host.run("meta-data")
    assert (outcome.rc, outcome.document) == (0, text)


async def test_meta_data_that_is_none_is_an_error(host: Host) -> None:
    host.agent("echo usage: me")
    outcome = await host.run("meta-data")
    assert (outcome.rc, outcome.document) == (1, "")


@pytest.mark.parametrize("agent", ["lsb:tiny", "service:tiny"])
async def test_service_has_meta_data_that_can_be_read(host: Host, agent: str) -> None:
    host.init_script("exit 9")
    outcome = await host.run("meta-data", agent)
    assert outcome.rc == 0
    assert parse_metadata(outcome.document).action("start") is not None


@pytest.mark.parametrize(("advertised", "called"), [("reload-agent", "reload-agent"), ("reload", "reload")])
async def test_reload_calls_the_action_that_the_agent_advertises(
    host: Host, advertised: str, called: str
) -> None:
    host.agent(f"[ $1 = meta-data ] && echo '{META_DATA.format(advertised)}' || echo \"called $1\"")
    assert (await host.run("reload")).output == f"called {called}\n"


@pytest.mark.parametrize(("code", "rc"), [(0, 0), (1, 7), (2, 7), (3, 7), (4, 1), (99, 1)])
async def test_lsb_status_is_read_as_a_monitor(host: Host, code: int, rc: int) -> None:
    host.init_script(f'[ "$1" = status ] || exit 9; exit {code}')
    assert (await host.run("monitor", "lsb:tiny")).rc == rc


async def test_lsb_actions_share_ocfs_numbers(host: Host) -> None:
    host.init_script('[ "$1" = start ] && exit 6; exit 7')
    assert (await host.run("start", "lsb:tiny")).rc == 6
    assert (await host.run("stop", "lsb:tiny")).rc == 1


SYSTEMCTL = """
echo "$@" >> {log}
case "$1" in
show) cat {state};;
start) printf 'LoadState=loaded\\nActiveState=%s\\nSubState=x\\nResult=success\\n' {after} > {state}; exit {code};;
stop) printf 'LoadState=loaded\\nActiveState=inactive\\nSubState=dead\\nResult=success\\n' > {state};;
esac
"""


def systemd_host(tmp_path: Path, *, after: str = "active", code: int = 0) -> Host:
    host = Host(tmp_path, systemd_runs=True)
    (tmp_path / "state").write_text("LoadState=loaded\nActiveState=inactive\nSubState=dead\nResult=success\n")
    host.program(
        SYSTEMCTL.format(log=tmp_path / "log", state=tmp_path / "state", after=after, code=code), "systemctl"
    )
    return host


async def test_systemd_unit_is_started_watched_and_stopped(tmp_path: Path) -> None:
    host = systemd_host(tmp_path)
    assert (await host.run("monitor", "systemd:web")).rc == 7
    assert (await host.run("start", "systemd:web")).rc == 0
    assert (await host.run("monitor", "systemd:web")).rc == 0
    assert (await host.run("stop", "systemd:web")).rc == 0
    assert (await host.run("monitor", "systemd:web")).rc == 7
    assert "start web.service" in (tmp_path / "log").read_text()


async def test_systemd_unit_that_failed_to_stay_up_is_a_failed_start(tmp_path: Path) -> None:
    host = systemd_host(tmp_path, after="failed")
    outcome = await host.run("start", "systemd:web")
    assert (outcome.rc, outcome.status) == (1, OpStatus.ERROR)
    assert "failed" in outcome.reason


async def test_systemd_unit_that_keeps_activating_times_out(tmp_path: Path) -> None:
    host = systemd_host(tmp_path, after="activating")
    began = time.monotonic()
    outcome = await host.run("start", "systemd:web", timeout_ms=700)
    assert outcome.status is OpStatus.TIMEOUT
    assert time.monotonic() - began < 3.0


async def test_systemd_unit_that_does_not_exist_is_not_installed(tmp_path: Path) -> None:
    host = systemd_host(tmp_path, code=5)
    assert (await host.run("start", "systemd:web")).rc == 5


async def test_service_is_the_unit_where_systemd_runs_and_else_the_init_script(tmp_path: Path) -> None:
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    with_systemd, without = systemd_host(tmp_path / "with"), Host(tmp_path / "without")
    with_systemd.init_script("exit 6")
    without.init_script("exit 0", "web")
    assert (await with_systemd.run("start", "service:web")).rc == 0
    assert (await without.run("start", "service:web")).rc == 0
    assert (await without.run("start", "systemd:web")).rc == 5


async def test_fence_agent_gets_its_orders_on_standard_input(host: Host) -> None:
    host.program("cat; exit 0", "fence_test")
    outcome = await host.run(
        "fence",
        "stonith:fence_test",
        target="n2",
        fence_action="off",
        params={"ip": "10.0.0.9", "pcmk_host_map": "n1:3;n2:4", "pcmk_off_action": "cut"},
    )
    assert outcome.output == "action=cut\nip=10.0.0.9\nnodename=n2\nplug=4\n"


@pytest.mark.parametrize("verb", ["fence", "meta-data"])
async def test_program_that_is_no_fence_agent_is_not_run(host: Host, verb: str) -> None:
    host.program(f"touch {host.root}/ran; exit 0", "reboot")
    order = {"target": "n2", "fence_action": "off"} if verb == "fence" else {}
    outcome = await host.run(verb, "stonith:reboot", **order)
    assert outcome.rc == 6
    assert "fence_*" in outcome.reason
    assert not (host.root / "ran").exists()


async def test_fencing_is_tried_as_often_as_allowed(host: Host) -> None:
    host.program(f'echo x >> {host.root}/tries; [ "$(wc -l < {host.root}/tries)" -ge 2 ]', "fence_test")
    order = {"target": "n2", "fence_action": "off"}
    assert (await host.run("fence", "stonith:fence_test", attempts=1, **order)).rc == 1
    (host.root / "tries").unlink()
    assert (await host.run("fence", "stonith:fence_test", attempts=3, **order)).rc == 0
    assert (host.root / "tries").read_text() == "x\nx\n"


async def test_lvm_is_mapped_where_only_lvm_activate_ships(host: Host) -> None:
    directory = host.root / "ocf" / "resource.d" / "heartbeat"
    directory.mkdir(parents=True)
    (directory / "LVM-activate").write_text(
        '#!/bin/sh\necho "$OCF_RESKEY_vgname $OCF_RESKEY_vg_access_mode"\n'
    )
    (directory / "LVM-activate").chmod(0o755)
    params = {"volgrpname": "app_vg", "exclusive": "true"}
    outcome = await host.run("start", "ocf:heartbeat:LVM", params=params)
    assert "app_vg tagging" in outcome.output
    assert "LVM-activate" in outcome.output.splitlines()[0]
    (directory / "LVM").write_text("#!/bin/sh\necho real\n")
    (directory / "LVM").chmod(0o755)
    assert (await host.run("start", "ocf:heartbeat:LVM", params=params)).output == "real\n"


async def test_many_operations_run_side_by_side_and_leave_no_descriptor_open(host: Host) -> None:
    host.agent("sleep 0.1; exit 0")
    before = len(os.listdir("/proc/self/fd"))
    outcomes = await asyncio.gather(*(host.run() for _ in range(20)))
    assert {outcome.rc for outcome in outcomes} == {0}
    assert len(os.listdir("/proc/self/fd")) <= before + 1


@contextmanager
def no_descriptors_left() -> Iterator[list[int]]:
    """Every descriptor of this process is in use; those in the list may be closed."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(one) for one in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, limits[1]))
    taken: list[int] = []
    try:
        fill_descriptors(taken)
        yield taken
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def fill_descriptors(taken: list[int]) -> None:
    while True:
        try:
            taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            return


async def test_what_fails_after_the_fork_is_killed_with_its_group_before_it_is_told(
    host: Host, tmp_path: Path
) -> None:
    """The journal's ENOSPC once said "can't be executed" while the start ran on for two seconds."""
    host.agent(
        f"sleep 60 & echo $! > {tmp_path}/child\necho begun > {tmp_path}/begun\nwait\nsleep 2\necho x > {tmp_path}/late"
    )
    pids: list[int] = []

    def full(pid: int) -> None:
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        pids.append(pid)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    outcome = await host.run(control=ProcessControl(on_spawn=full))
    assert start_ticks(pids[0]) == 0, "its leader is gone when the outcome is told"
    assert start_ticks(int((tmp_path / "child").read_text())) == 0
    assert outcome.status is OpStatus.ERROR
    assert "it was started and had to be killed" in outcome.reason
    assert "No space left" in outcome.reason
    assert "can't be executed" not in outcome.reason
    assert not (tmp_path / "late").exists()


async def test_operation_that_cannot_be_minded_for_want_of_a_descriptor_is_killed_first(
    host: Host, tmp_path: Path
) -> None:
    host.agent(f"echo $$ > {tmp_path}/pid\nsleep 60")
    taken: list[int] = []
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    pids: list[int] = []

    def on_spawn(pid: int) -> None:
        pids.append(pid)
        highest = max(int(one) for one in os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 5, limits[1]))
        fill_descriptors(taken)

    try:
        outcome = await host.run(control=ProcessControl(on_spawn=on_spawn))
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert outcome.status is OpStatus.ERROR
    assert "Too many open files" in outcome.reason
    assert start_ticks(pids[0]) == 0


async def test_stop_waits_for_a_descriptor_instead_of_failing(host: Host, tmp_path: Path) -> None:
    """A stop that fails fences the node: what passes by itself is no reason for that."""
    host.agent(f"echo $1 >> {tmp_path}/calls")
    with no_descriptors_left() as taken:

        def relent() -> None:
            for _ in range(15):
                os.close(taken.pop())

        asyncio.get_running_loop().call_later(0.5, relent)
        outcome = await host.run("stop", timeout_ms=10_000)
    assert outcome.status is OpStatus.DONE
    assert (tmp_path / "calls").read_text() == "stop\n"


async def test_operation_that_finds_no_descriptor_in_its_time_has_not_run(host: Host, tmp_path: Path) -> None:
    host.agent(f"echo $1 >> {tmp_path}/calls")
    with no_descriptors_left():
        outcome = await host.run("stop", timeout_ms=400)
    assert outcome.status is OpStatus.ERROR
    assert "can't be executed: Too many open files" in outcome.reason
    assert not (tmp_path / "calls").exists()


async def test_agent_has_more_descriptors_than_what_it_starts(host: Host) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, limits[1]))
    try:
        assert urgency.raise_descriptor_limit() > 512
        host.agent("sleep 0.3\nulimit -S -n\nexit 0")
        outcome = await host.run()
    finally:
        urgency._ordinary_descriptors.clear()
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert outcome.output.strip() == "512"
