"""The paths that are not objects: version, health, discovery, OpenAPI, metrics.

Assumes an authenticated call, except for OPEN_PATHS. Raises ApiError for a path nobody serves.
"""

from backstay.objectstore import ObjectStore
from backstay.objectstore.errors import method_not_allowed, no_such_resource, not_acceptable
from backstay_sandbox.apiserver import discovery
from backstay_sandbox.apiserver.call import Answer, Call
from backstay_sandbox.apiserver.encoding import encoded
from backstay_sandbox.apiserver.measurements import Measurements
from backstay_sandbox.apiserver.negotiation import JSON, accepts_json, discovery_version
from backstay_sandbox.apiserver.openapi import V2_PROTOBUF, V2_WITHOUT_DEFINITIONS, OpenApi

OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
"""What anybody may ask."""

_HEALTH = ("healthz", "livez", "readyz")
_TEXT = "text/plain"
_VERSION = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+backstay",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}


class Plain:
    def __init__(self, store: ObjectStore, measurements: Measurements) -> None:
        self._store = store
        self._measurements = measurements
        self._open_api = OpenApi()

    def answer(self, call: Call) -> Answer:
        if call.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        steps = [step for step in call.path.split("/") if step]
        match steps:
            case ["version"]:
                return Answer(encoded(_VERSION))
            case [("healthz" | "livez" | "readyz"), *_]:
                return Answer(b"ok", content_type=_TEXT)
            case ["metrics"]:
                return self._metrics()
            case ["openapi", *rest]:
                return self._described(call, rest)
            case [] | ["api"] | ["apis", *_] | ["api", "v1"]:
                return self._discovered(call, steps)
        raise no_such_resource()

    def _metrics(self) -> Answer:
        counts = {}
        for resource in self._store.resources():
            if resource.storage not in counts:
                counts[resource.storage] = self._store.count(resource)
        return Answer(self._measurements.text(objects=counts).encode(), content_type=_TEXT)

    def _described(self, call: Call, rest: list[str]) -> Answer:
        if rest == ["v2"] and V2_PROTOBUF in call.accept:
            return Answer(
                V2_WITHOUT_DEFINITIONS, content_type=V2_PROTOBUF.replace("@", ".")
            )  # as the real one
        if not accepts_json(call.accept):
            raise not_acceptable(JSON)
        resources = self._store.resources()
        match rest:
            case ["v2"]:
                return Answer(self._open_api.v2(resources))
            case ["v3"]:
                return Answer(encoded(self._open_api.index(resources)))
            case ["v3", *name]:
                return Answer(self._open_api.v3(resources, "/".join(name)))
        raise no_such_resource()

    def _discovered(self, call: Call, steps: list[str]) -> Answer:
        resources = self._store.resources()
        match steps:
            case ["api"] | ["apis"]:
                version = discovery_version(call.accept)
                if version:
                    found = discovery.aggregated(resources, version, is_core=steps == ["api"])
                    kind = f"{JSON};g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
                    return Answer(encoded(found), content_type=kind)
                if steps == ["api"]:
                    return Answer(encoded(discovery.core_versions("")))
                return Answer(encoded(discovery.group_list(resources)))
            case ["api", version]:
                return Answer(encoded(discovery.resource_list(resources, "", version)))
            case ["apis", group]:
                return Answer(encoded(discovery.group_of(resources, group)))
            case ["apis", group, version]:
                return Answer(encoded(discovery.resource_list(resources, group, version)))
            case []:
                return Answer(
                    encoded({"paths": ["/api", "/apis", "/healthz", "/metrics", "/openapi/v3", "/version"]})
                )
        raise no_such_resource()
