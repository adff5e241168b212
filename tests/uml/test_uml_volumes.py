"""LVM and xfs on own-kernel hosts, with the real agents, by hand: one owner at a time, and what a power cut leaves."""

from __future__ import annotations

import subprocess

import pytest

from harness.hosts import SandboxUnderTest

pytestmark = pytest.mark.uml
LEGACY = {"volgrpname": "app_vg", "exclusive": "true"}
TAGGING = {"vgname": "app_vg", "lvname": "app_lv", "vg_access_mode": "tagging"}
SYSTEM_ID = {"vgname": "app_vg", "lvname": "app_lv", "vg_access_mode": "system_id"}
XFS = {"device": "/dev/app_vg/app_lv", "directory": "/var/www", "fstype": "xfs"}
PROBE = {"CRM_meta_interval": "0"}
"""Makes a monitor a look at a node where the resource need not be: LVM-activate fails others that find it stopped."""
RUNNING, STOPPED = 0, 7


def succeeds(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr


def vg_field(hosts: SandboxUnderTest, node: str, field: str) -> str:
    return hosts.on_host(node, "vgs", "--noheadings", "-o", field, "app_vg").stdout.strip()


def kernel_log(hosts: SandboxUnderTest, node: str) -> str:
    return (hosts.layout.logs_dir / f"{node}.console.log").read_text(errors="replace")


def test_the_tutorials_lvm_starts_by_tagging_and_stops_by_untagging(hosts: SandboxUnderTest) -> None:
    assert hosts.agent("n1", "LVM", "monitor", **LEGACY).returncode == STOPPED
    succeeds(hosts.agent("n1", "LVM", "start", **LEGACY))
    assert hosts.agent("n1", "LVM", "monitor", **LEGACY).returncode == RUNNING
    assert hosts.agent("n2", "LVM", "monitor", **LEGACY).returncode == STOPPED
    assert vg_field(hosts, "n2", "vg_tags") == "pacemaker"
    # Without the agent's tag in its own call, a host activates nothing of the shared volume group.
    hosts.on_host("n2", "vgchange", "-ay", "app_vg")
    assert hosts.on_host("n2", "test", "-e", "/dev/app_vg/app_lv").returncode == 1
    succeeds(hosts.agent("n1", "LVM", "stop", **LEGACY))
    assert vg_field(hosts, "n2", "vg_tags") == ""
    assert hosts.on_host("n1", "test", "-e", "/dev/app_vg/app_lv").returncode == 1


def test_a_file_synced_before_a_power_cut_is_there_after_log_recovery(hosts: SandboxUnderTest) -> None:
    succeeds(hosts.agent("n1", "LVM", "start", **LEGACY))
    succeeds(hosts.agent("n1", "Filesystem", "start", **XFS))
    write = (
        "echo precious >/var/www/kept && sync /var/www/kept && for n in $(seq 300); do : >/var/www/$n; done"
    )
    succeeds(hosts.on_host("n1", "sh", "-c", write))
    before = kernel_log(hosts, "n2").count("Starting recovery")
    hosts.ask("crash", node="n1")
    succeeds(hosts.agent("n2", "LVM", "start", **LEGACY))
    succeeds(hosts.agent("n2", "Filesystem", "start", **XFS))
    assert kernel_log(hosts, "n2").count("Starting recovery") == before + 1
    assert hosts.on_host("n2", "cat", "/var/www/kept").stdout == "precious\n"
    succeeds(hosts.agent("n2", "Filesystem", "stop", **XFS))
    # A clean stop leaves nothing to recover.
    succeeds(hosts.agent("n2", "Filesystem", "start", **XFS))
    assert kernel_log(hosts, "n2").count("Starting recovery") == before + 1


def test_each_kernel_has_its_own_mounts_of_the_shared_disk(hosts: SandboxUnderTest) -> None:
    succeeds(hosts.agent("n1", "LVM", "start", **LEGACY))
    succeeds(hosts.agent("n1", "Filesystem", "start", **XFS))
    assert hosts.agent("n1", "Filesystem", "monitor", **XFS).returncode == RUNNING
    assert hosts.agent("n2", "Filesystem", "monitor", **XFS).returncode == STOPPED
    page = hosts.on_host("n1", "cat", "/var/www/html/index.html").stdout
    assert "Website-Testes" in page


def test_lvm_activate_by_tagging_moves_a_volume_group_off_a_dead_host(hosts: SandboxUnderTest) -> None:
    succeeds(hosts.agent("n1", "LVM-activate", "start", **TAGGING))
    assert hosts.agent("n1", "LVM-activate", "monitor", **TAGGING).returncode == RUNNING
    assert hosts.agent("n2", "LVM-activate", "monitor", **TAGGING, **PROBE).returncode == STOPPED
    hosts.ask("crash", node="n1")
    succeeds(hosts.agent("n2", "LVM-activate", "start", **TAGGING))
    assert hosts.agent("n2", "LVM-activate", "monitor", **TAGGING).returncode == RUNNING
    assert hosts.on_host("n2", "test", "-b", "/dev/app_vg/app_lv").returncode == 0
    succeeds(hosts.agent("n2", "LVM-activate", "stop", **TAGGING))
    assert hosts.agent("n2", "LVM-activate", "monitor", **TAGGING, **PROBE).returncode == STOPPED


def test_lvm_activate_by_system_id_takes_over_what_a_dead_host_owned(hosts_by_id: SandboxUnderTest) -> None:
    hosts = hosts_by_id
    succeeds(hosts.agent("n1", "LVM-activate", "start", **SYSTEM_ID))
    assert vg_field(hosts, "n1", "vg_systemid") == "n1"
    assert hosts.agent("n1", "LVM-activate", "monitor", **SYSTEM_ID).returncode == RUNNING
    assert hosts.agent("n2", "LVM-activate", "monitor", **SYSTEM_ID, **PROBE).returncode == STOPPED
    # Another host may not activate it meanwhile.
    assert hosts.on_host("n2", "vgchange", "-ay", "app_vg").returncode != 0
    succeeds(hosts.agent("n1", "Filesystem", "start", **XFS))
    succeeds(hosts.on_host("n1", "sh", "-c", "echo precious >/var/www/kept && sync /var/www/kept"))
    hosts.ask("crash", node="n1")
    succeeds(hosts.agent("n2", "LVM-activate", "start", **SYSTEM_ID))
    assert vg_field(hosts, "n2", "vg_systemid") == "n2"
    succeeds(hosts.agent("n2", "Filesystem", "start", **XFS))
    assert hosts.on_host("n2", "cat", "/var/www/kept").stdout == "precious\n"


def test_legacy_lvm_leaves_alone_what_another_host_owns(hosts_by_id: SandboxUnderTest) -> None:
    hosts = hosts_by_id
    succeeds(hosts.agent("n1", "LVM-activate", "start", **SYSTEM_ID))
    assert hosts.agent("n2", "LVM", "start", **LEGACY).returncode != 0
    assert hosts.on_host("n2", "test", "-e", "/dev/app_vg/app_lv").returncode == 1
    succeeds(hosts.agent("n1", "LVM-activate", "stop", **SYSTEM_ID))
