"""Server-side apply, from the configuration a client sent to the candidate `admission` takes.

Assumes the caller looked the live object up. Refuses, with an ApiError, a configuration that names unknown fields,
carries managedFields, or takes fields from other owners without force.
"""

from backstay.objectstore.admission import Request
from backstay.objectstore.document import Json, JsonObject
from backstay.objectstore.errors import bad_request
from backstay.objectstore.ownership import after_apply
from backstay.objectstore.structural import prune


def apply_configuration(
    request: Request, live: JsonObject | None, configuration: Json, *, name: str, force: bool
) -> JsonObject:
    """The live object with the configuration applied and managedFields brought up to date."""
    config = _checked(request, configuration, name=name)
    _refuse_unknown_fields(request, config)
    resource = request.resource
    if request.subresource:
        metadata = {
            key: config["metadata"][key] for key in ("name", "namespace") if key in config["metadata"]
        }
        writable = (request.subresource, "apiVersion", "kind")
        config = {**{key: value for key, value in config.items() if key in writable}, "metadata": metadata}
    elif resource.has_status:
        config = {key: value for key, value in config.items() if key != "status"}
    return after_apply(resource.ownership, live, config, writer=request.writer(), force=force)


def _checked(request: Request, configuration: Json, *, name: str) -> JsonObject:
    resource = request.resource
    if not isinstance(configuration, dict):
        raise bad_request("error decoding YAML: the configuration must be an object")
    for key, wanted in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if configuration.get(key) != wanted:
            raise bad_request(f"invalid object type: {key} must be {wanted}, not {configuration.get(key)}")
    metadata = configuration.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise bad_request("metadata must be an object")
    if metadata.get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    if metadata.get("name", name) != name:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )
    addressed = {**metadata, "name": name}
    if resource.namespaced:
        addressed.setdefault("namespace", request.namespace)
    return {**configuration, "metadata": addressed}


def _refuse_unknown_fields(request: Request, config: JsonObject) -> None:
    """Unlike every other write, an apply never drops a field silently: it could not say who owns it."""
    unknown: list[str] = []
    prune(request.resource.schema, config, unknown=unknown, is_resource=True)
    if unknown:
        resource = request.resource
        raise bad_request(
            f"failed to create typed patch object ({request.namespace}/{config['metadata']['name']}; "
            f"{resource.api_version}, Kind={resource.kind}): .{unknown[0]}: field not declared in schema"
        )
