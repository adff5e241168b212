"""Compiled Python for guests, in the cache: without it every start of every daemon would compile its modules anew.

Guests see the machine's Python trees read-only, and the machine may keep no bytecode beside its sources.  So the
modules that run in guests are imported once on the machine, with a bytecode directory of our own, which is mounted
into the guests as well.  Python itself finds out what has changed since; a guest that lacks something compiles it.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from backstay_sandbox.command import CommandError, run
from backstay_sandbox.uml.bed import cache_directory

VARIABLE = "PYTHONPYCACHEPREFIX"
PACKAGES = ("backstay", "backstay_kube", "backstay_nodeagent", "backstay_operator", "backstay_sandbox.uml")
COMPILE_TIMEOUT_S = 120.0
_SCRIPT = """
import importlib, pkgutil, sys
for name in sys.argv[1:]:
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""
LOG = logging.getLogger(__name__)


def bytecode_directory() -> Path:
    """As the machine sees it, and guests too."""
    return cache_directory() / "bytecode"


async def compile_for_guests() -> None:
    """Have everything compiled; a failure costs time only, so it is logged and forgotten."""
    bytecode_directory().mkdir(parents=True, exist_ok=True)
    writing = [f"{VARIABLE}={bytecode_directory()}", "PYTHONDONTWRITEBYTECODE="]
    command = ["env", *writing, sys.executable, "-P", "-c", _SCRIPT, *PACKAGES]
    try:
        await run(*command, timeout_s=COMPILE_TIMEOUT_S)
    except CommandError as error:
        LOG.warning("guests have to compile for themselves: %s", error)
