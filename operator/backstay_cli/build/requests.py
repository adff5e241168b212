"""One-shot requests in spec.requests, and edits of meta attributes: from an object as read, the merge patch to send.

Every patch carries the resourceVersion it was made from (`edit` adds it), because lists are replaced as a whole. Requests that this
program wrote earlier and that the DC has finished with are taken out on the way, so that the list never fills up.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from backstay_cli.errors import CliError

OWN_PREFIX = "kubectl-ha-"
LIMIT = 16
FINISHED = ("Done", "Refused", "TimedOut")

Obj = dict[str, Any]


def with_request(obj: Obj, request: Mapping[str, str]) -> Obj:
    """The patch that adds a request. Raises CliError when the list is full of unfinished ones."""
    kept = [entry for entry in _requests(obj) if not _is_finished(obj, entry)]
    if len(kept) >= LIMIT:
        raise CliError(
            f"{obj['metadata']['name']} has {len(kept)} requests that no DC has answered",
            hint="see whether an operator runs: kubectl ha status",
        )
    return {"spec": {"requests": [*kept, dict(request)]}}


def without_request(obj: Obj, request_id: str) -> Obj:
    """The patch that takes a request back."""
    return {"spec": {"requests": [entry for entry in _requests(obj) if entry.get("id") != request_id]}}


def answer(obj: Obj, request_id: str) -> Mapping[str, str] | None:
    """The DC's acknowledgement of a request, if there is one."""
    acks = (obj.get("status") or {}).get("requests") or []
    return next((ack for ack in acks if ack.get("id") == request_id), None)


def meta_patch(changes: Mapping[str, Any]) -> Obj:
    """Sets meta attributes; None takes one away."""
    return {"spec": {"meta": dict(changes)}}


def inline_meta_patch(obj: Obj, member: str, changes: Mapping[str, Any]) -> Obj:
    """The same for an inline member of a group: its list of members is replaced. Raises CliError when it has gone."""
    members = copy.deepcopy(obj["spec"]["members"])
    for entry in members:
        if entry.get("name") == member and "template" in entry:
            meta = entry["template"].setdefault("meta", {})
            for name, value in changes.items():
                if value is None:
                    meta.pop(name, None)
                else:
                    meta[name] = value
            return {"spec": {"members": members}}
    raise CliError(f"{member} is no longer in the group {obj['metadata']['name']}")


def _requests(obj: Obj) -> list[Obj]:
    return list((obj.get("spec") or {}).get("requests") or [])


def _is_finished(obj: Obj, entry: Obj) -> bool:
    request_id = str(entry.get("id", ""))
    ack = answer(obj, request_id)
    return request_id.startswith(OWN_PREFIX) and ack is not None and ack.get("state") in FINISHED
