"""From a CIB's XML to a ClusterState.

Accepts old and new spellings of options and roles, whichever schema the CIB names. Structure that makes no
sense is refused with a CibError that names element and attribute; a single option with a senseless value
falls back to its default, because Pacemaker runs clusters that have such, and an import must show what
Pacemaker would do.
"""

from collections.abc import Iterable
from dataclasses import replace

from backstay.cib.absences import read_document
from backstay.cib.constraints import ConstraintReader
from backstay.cib.options import read_properties
from backstay.cib.resources import ResourceReader, meta_of, meta_sets_of, operation_of, operation_sets_of
from backstay.cib.rules import merged, read_sets
from backstay.cib.status import read_status
from backstay.cib.tree import Element, Index, label, read
from backstay.cib.values import CibError, boolean, date, integer
from backstay.state.cluster import ClusterState, FencingLevel
from backstay.state.resource import Resource


def parse_cib(
    xml: str | bytes | Iterable[bytes], *, now: float | None = None, override_now: float | None = None
) -> ClusterState:
    """Read a whole CIB, at once or in pieces. `now` (epoch seconds) is used unless the CIB carries an execution-date; with
    neither, CibError, as is every other fault. `override_now` wins over both."""
    root, absences = read_document(xml)
    if root.tag != "cib":
        raise CibError(f"not a CIB: the root is {root.tag!r}")
    recorded = execution_date(root)
    now = recorded if recorded is not None else now
    now = now if override_now is None else override_now
    if now is None:
        raise CibError("no execution-date, and no other time given", element="cib")
    index = Index(root)
    properties = read_properties(root.find("configuration/crm_config"), index, now=now)
    status = read_status(root, index, properties, now=now, absences=absences)
    state = ClusterState(
        now=now,
        nodes=status.nodes,
        histories=status.histories,
        fail_counts=status.fail_counts,
        tickets=status.tickets,
        properties=properties,
        resources=_resources(root, index),
        fencing_levels=tuple(
            _level(one) for one in root.iterfind("configuration/fencing-topology/fencing-level")
        ),
        have_quorum=read(root, "have-quorum", boolean) is not False,
        dc=_dc(root),
        cluster_name=properties.extra.get("cluster-name", ""),
    )
    reader = ConstraintReader(root, index)
    constraints = tuple(
        one for element in root.iterfind("configuration/constraints/*") for one in reader.read(element)
    )
    return _with_defaults(replace(state, constraints=constraints), root, index)


def execution_date(root: Element) -> float | None:
    """When the CIB was saved for the scheduler, if it says so."""
    return read(root, "execution-date", date)


def _resources(root: Element, index: Index) -> tuple[Resource, ...]:
    reader = ResourceReader(root, index)
    found = (reader.read(element) for element in root.iterfind("configuration/resources/*"))
    resources = tuple(one for one in found if one is not None)
    seen: set[str] = set()
    for element in root.iterfind("configuration/resources//*"):
        if element.tag in ("primitive", "group", "clone", "master", "bundle"):
            identity = element.get("id") or ""
            if identity in seen:
                raise CibError("this id is used twice", element=label(element), attribute="id")
            seen.add(identity)
    return resources


def _with_defaults(state: ClusterState, root: Element, index: Index) -> ClusterState:
    resource_defaults = root.find("configuration/rsc_defaults")
    if resource_defaults is not None:
        sets = read_sets(resource_defaults, "meta_attributes", index)
        state = replace(
            state, resource_defaults=meta_of(merged(sets)), resource_default_sets=meta_sets_of(sets)
        )
    operation_defaults = root.find("configuration/op_defaults")
    if operation_defaults is not None:
        sets = read_sets(operation_defaults, "meta_attributes", index)
        state = replace(
            state,
            operation_defaults=operation_of(merged(sets), name=""),
            operation_default_sets=operation_sets_of(sets),
        )
    return state


def _dc(root: Element) -> str | None:
    uuid = root.get("dc-uuid")
    for element in root.iterfind("configuration/nodes/node"):
        if uuid is not None and element.get("id") == uuid:
            return element.get("uname")
    return None


def _level(element: Element) -> FencingLevel:
    attribute, value = element.get("target-attribute"), element.get("target-value")
    devices = (element.get("devices") or "").replace(",", " ").split()
    return FencingLevel(
        index=read(element, "index", integer) or 0,
        devices=tuple(devices),
        target=element.get("target"),
        target_pattern=element.get("target-pattern"),
        target_attribute=(attribute, value) if attribute and value else None,
    )
