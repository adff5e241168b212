"""Make a CIB smaller as long as it still shows what it is to show."""

import copy
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator

_REMOVABLE = (
    "rsc_colocation", "rsc_order", "rsc_location", "node", "clone", "group", "primitive", "lrm_resource", "nvpair",
    "lrm_rsc_op", "op", "meta_attributes", "operations", "instance_attributes", "transient_attributes",
)  # fmt: skip

_KEPT = {"Fencing", "stonith-enabled"}  # without a device, or by default, the cluster is not the same


def shrunk(cib: str, shows: Callable[[str], bool], *, attempts: int = 600) -> str:
    """The smallest CIB found by leaving out one part after the other, and by taking members out of their group or
    clone. `shows` must hold for the CIB given."""
    root = ET.fromstring(cib)
    progress = True
    while progress:
        progress = False
        for candidate in _smaller(root):
            attempts -= 1
            if attempts < 0:
                return ET.tostring(root, encoding="unicode")
            if shows(ET.tostring(candidate, encoding="unicode")):
                root, progress = candidate, True
                break
    return ET.tostring(root, encoding="unicode")


def _smaller(root: ET.Element) -> Iterator[ET.Element]:
    for tag in _REMOVABLE:
        for number in range(sum(1 for _ in root.iter(tag))):
            candidate = copy.deepcopy(root)
            element = list(candidate.iter(tag))[number]
            identity = element.get("id")
            if _KEPT & {identity, element.get("name")} or (tag == "node" and number == 0):
                continue
            _parent(candidate, element).remove(element)
            if tag == "node":
                for state in candidate.findall(f"status/node_state[@id='{identity}']"):
                    _parent(candidate, state).remove(state)
            if tag in ("primitive", "group", "clone"):
                _forget(candidate, element)
            yield candidate
    for tag in ("clone", "group"):
        for number in range(sum(1 for _ in root.iter(tag))):
            candidate = copy.deepcopy(root)
            element = list(candidate.iter(tag))[number]
            parent = _parent(candidate, element)
            inner = element.find("group") if tag == "clone" else None
            inner = element.find("primitive") if inner is None else inner
            if inner is not None:
                parent[list(parent).index(element)] = inner
                _rename(candidate, element.get("id") or "", inner.get("id") or "")
                yield candidate


def _parent(root: ET.Element, element: ET.Element) -> ET.Element:
    return next(parent for parent in root.iter() if element in list(parent))


def _forget(root: ET.Element, gone: ET.Element) -> None:
    """Nothing may name what is no longer there, nor may it be known from history."""
    names = {one.get("id") for one in gone.iter()}
    for parent in list(root.iter()):
        for child in list(parent):
            named = {child.get(name) for name in ("rsc", "with-rsc", "first", "then")} - {None}
            if named & names or (child.tag == "lrm_resource" and child.get("id") in names):
                parent.remove(child)


def _rename(root: ET.Element, old: str, new: str) -> None:
    for element in root.iterfind("configuration/constraints/*"):
        for name in ("rsc", "with-rsc", "first", "then"):
            if element.get(name) == old:
                element.set(name, new)
