"""JSON merge patch (RFC 7386) and JSON patch (RFC 6902), copy on write.

Both return a new document that shares what they did not touch with the old one. Assumes documents as `json.loads`
makes them; refuses, with PatchError, a JSON patch that cannot be carried out.
"""

from backstay.objectstore.document import Json, JsonObject, same


class PatchError(Exception):
    """A patch that does not fit the document, in words for the client."""


def merge_patch(target: Json, patch: Json) -> Json:
    """`target` with an RFC 7386 patch applied: null takes a member away, anything but an object replaces."""
    if not isinstance(patch, dict):
        return patch
    base: JsonObject = target if isinstance(target, dict) else {}
    merged = dict(base)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(base.get(key), value)
    return merged


OPERATIONS_MAX = 10_000


def json_patch(target: Json, operations: Json) -> Json:
    """`target` with an RFC 6902 patch applied, all or nothing.

    Raises PatchError when an operation is malformed, its path is missing, or a test fails.
    """
    if not isinstance(operations, list):
        raise PatchError("json: cannot unmarshal value into Go value of type jsonpatch.Patch")
    if len(operations) > OPERATIONS_MAX:
        raise PatchError(
            f"The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {len(operations)}"
        )
    for operation in operations:
        target = _apply_operation(target, operation)
    return target


def _apply_operation(target: Json, operation: Json) -> Json:
    if not isinstance(operation, dict) or not isinstance(operation.get("op"), str):
        raise PatchError("Unexpected kind: unknown")
    path = _steps(operation.get("path"))
    match operation["op"]:
        case "add":
            return _add(target, path, _value(operation))
        case "remove":
            return _remove(target, path)
        case "replace":
            _find(target, path)
            return _replace(target, path, _value(operation))
        case "move":
            source = _steps(operation.get("from"))
            moved = _find(target, source)
            return _add(_remove(target, source), path, moved)
        case "copy":
            return _add(target, path, _find(target, _steps(operation.get("from"))))
        case "test":
            if not same(_find(target, path), operation.get("value")):
                raise PatchError(f"testing value {operation.get('path')} failed: test failed")
            return target
        case unknown:
            raise PatchError(f"Unexpected kind: {unknown}")


def _value(operation: JsonObject) -> Json:
    if "value" not in operation:
        raise PatchError("missing value")
    return operation["value"]


def _steps(pointer: Json) -> list[str]:
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchError(f"invalid JSON pointer: {pointer!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def _missing(path: list[str]) -> PatchError:
    return PatchError(f"doc is missing path: /{'/'.join(path)}: missing value")


def _index(step: str, *, limit: int, path: list[str]) -> int:
    if not step.isascii() or not step.isdigit() or int(step) >= limit:
        raise PatchError(f"error in path /{'/'.join(path)}: invalid index referenced: {step}")
    return int(step)


def _find(target: Json, path: list[str]) -> Json:
    for step in path:
        if isinstance(target, dict):
            if step not in target:
                raise _missing(path)
            target = target[step]
        elif isinstance(target, list):
            target = target[_index(step, limit=len(target), path=path)]
        else:
            raise _missing(path)
    return target


def _rebuilt(target: Json, path: list[str], change: Json) -> Json:
    """`target` with the container that holds the last step of `path` replaced by `change(container)`."""
    if len(path) == 1:
        return change(target)
    head = path[0]
    child = _rebuilt(_find(target, [head]), path[1:], change)
    if isinstance(target, dict):
        return {**target, head: child}
    at = int(head)
    return [*target[:at], child, *target[at + 1 :]]


def _add(target: Json, path: list[str], value: Json) -> Json:
    if not path:
        return value

    def put(container: Json) -> Json:
        last = path[-1]
        if isinstance(container, dict):
            return {**container, last: value}
        if not isinstance(container, list):
            raise _missing(path)
        at = len(container) if last == "-" else _index(last, limit=len(container) + 1, path=path)
        return [*container[:at], value, *container[at:]]

    return _rebuilt(target, path, put)


def _replace(target: Json, path: list[str], value: Json) -> Json:
    if not path:
        return value

    def put(container: Json) -> Json:
        last = path[-1]
        if isinstance(container, dict):
            return {**container, last: value}
        at = int(last)
        return [*container[:at], value, *container[at + 1 :]]

    return _rebuilt(target, path, put)


def _remove(target: Json, path: list[str]) -> Json:
    if not path:
        raise PatchError("unable to remove the whole document")
    _find(target, path)

    def take(container: Json) -> Json:
        last = path[-1]
        if isinstance(container, dict):
            return {key: item for key, item in container.items() if key != last}
        at = int(last)
        return [*container[:at], *container[at + 1 :]]

    return _rebuilt(target, path, take)
