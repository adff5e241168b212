"""Operation records of the status section: one lrm_rsc_op each."""

from collections.abc import Mapping

from backstay.cib.tree import Element, label, parsed, read, required
from backstay.cib.values import date, duration_ms, integer
from backstay.numerals import whole
from backstay.state.choices import OpStatus
from backstay.state.history import OpRecord
from backstay.state.resource import Agent


def agent_of(attributes: Mapping[str, str]) -> Agent | None:
    """The agent that an lrm_resource names, if it does."""
    standard, kind = attributes.get("class"), attributes.get("type")
    if not standard or not kind:
        return None
    return Agent.shared(standard=standard, provider=attributes.get("provider") or "", type=kind)


def record_of(element: Element) -> OpRecord:
    """Raises CibError."""
    attributes = element.attrib
    key = attributes.get("transition-key", "")
    rc = read(element, "rc-code", integer)
    status = read(element, "op-status", integer)
    if rc is None or status is None:
        magic_status, magic_rc = _magic(attributes.get("transition-magic", ""))
        rc = magic_rc if rc is None else rc
        status = magic_status if status is None else status
    force = attributes.get("op-force-restart")
    secure = attributes.get("op-secure-params")
    identity = attributes.get("id", "")
    return OpRecord(
        id=identity,
        key=attributes.get("operation_key", identity),
        operation=required(element, "operation"),
        interval_ms=_interval(element),
        call_id=read(element, "call-id", integer) or 0,
        rc=rc,
        status=_op_status(status),
        target_rc=_target_rc(key),
        last_run=read(element, "last-run", date_or_number),
        last_rc_change=read(element, "last-rc-change", date_or_number),
        exec_ms=read(element, "exec-time", integer),
        queue_ms=read(element, "queue-time", integer),
        exit_reason=attributes.get("exit-reason", ""),
        digest=attributes.get("op-digest"),
        restart_digest=attributes.get("op-restart-digest"),
        restart_params=None if force is None else tuple(force.split()),
        secure_digest=attributes.get("op-secure-digest"),
        secure_params=None if secure is None else tuple(secure.split()),
        transition_key=key,
        failure_record="_last_failure_" in identity,
        migrate_source=attributes.get("migrate_source") or attributes.get("migrate_from"),
        migrate_target=attributes.get("migrate_target"),
    )


def date_or_number(text: str) -> float | None:
    """Epoch seconds; 0 means "unknown"."""
    word = text.strip()
    number = whole(word)
    seconds = float(number) if number is not None else date(word)
    return seconds or None


def _interval(element: Element) -> int:
    text = element.get("interval") or "0"
    milliseconds = whole(text)
    if milliseconds is not None:
        return milliseconds  # recorded intervals are milliseconds already
    return parsed(text, duration_ms, element=label(element), attribute="interval")


def _op_status(number: int) -> OpStatus:
    try:
        return OpStatus(number)
    except ValueError:
        return OpStatus.UNKNOWN


def _magic(text: str) -> tuple[int, int]:
    """`status:rc;key`"""
    head = text.partition(";")[0].split(":")
    if len(head) != 2:
        return OpStatus.UNKNOWN.value, 1
    try:
        return int(head[0]), int(head[1])
    except ValueError:
        return OpStatus.UNKNOWN.value, 1


def _target_rc(key: str) -> int | None:
    """`action:transition:target:uuid`"""
    parts = key.split(":")
    if len(parts) != 4:
        return None
    try:
        return int(parts[2])
    except ValueError:
        return None
