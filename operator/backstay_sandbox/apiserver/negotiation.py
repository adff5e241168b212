"""Content negotiation: which form of an answer a client's Accept header asks for.

The server speaks JSON only. Refuses, with a NotAcceptable ApiError, a client that accepts nothing of it (protobuf
alone, for instance); clients then ask again for JSON.
"""

from enum import Enum
from functools import lru_cache

from backstay.objectstore.errors import not_acceptable

JSON = "application/json"
YAML = "application/yaml"


class Form(Enum):
    """How objects are shown."""

    OBJECT = "object"
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"


_ANY = ("*/*", "application/*", JSON)
_FORMS = {form.value: form for form in Form if form is not Form.OBJECT}


def _media_types(accept: str) -> list[tuple[str, dict[str, str]]]:
    """The media types of an Accept header with their parameters, best first."""
    found = []
    for at, part in enumerate(accept.split(",")):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        named = dict(parameter.partition("=")[::2] for parameter in parameters if "=" in parameter)
        try:
            quality = float(named.get("q", "1"))
        except ValueError:
            quality = 0.0
        found.append((-quality, at, name, named))
    found.sort(key=lambda entry: entry[:2])
    return [(name, named) for _, _, name, named in found if name]


@lru_cache(maxsize=256)
def accepted_form(accept: str) -> Form:
    """The form to answer an object request in. Raises NotAcceptable."""
    for name, parameters in _media_types(accept) or [("*/*", {})]:
        if name not in _ANY:
            continue
        wanted = parameters.get("as", "")
        if not wanted:
            return Form.OBJECT
        if wanted in _FORMS and parameters.get("g") == "meta.k8s.io" and parameters.get("v") in ("v1", None):
            return _FORMS[wanted]
    raise not_acceptable(JSON)


@lru_cache(maxsize=256)
def discovery_version(accept: str) -> str:
    """The version of aggregated discovery a client asks for; empty for the legacy form. Raises NotAcceptable."""
    for name, parameters in _media_types(accept) or [("*/*", {})]:
        if name not in _ANY:
            continue
        if parameters.get("as") == "APIGroupDiscoveryList":
            if parameters.get("g") == "apidiscovery.k8s.io" and parameters.get("v") in ("v2", "v2beta1"):
                return parameters["v"]
            continue
        return ""
    raise not_acceptable(JSON)


@lru_cache(maxsize=256)
def accepts_json(accept: str) -> bool:
    return any(name in _ANY for name, _ in _media_types(accept) or [("*/*", {})])
