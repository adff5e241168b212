"""Requests and answers without a socket: paths, forms, options, discovery, descriptions."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstay.objectstore import ApiError
from backstay_sandbox.apiserver.ages import human_age
from backstay_sandbox.apiserver.call import Answer, Call
from backstay_sandbox.apiserver.encoding import Encoder
from backstay_sandbox.apiserver.jsonpath import PathError, values_at
from backstay_sandbox.apiserver.measurements import Measurements
from backstay_sandbox.apiserver.negotiation import Form, accepted_form
from backstay_sandbox.apiserver.objects import Objects
from backstay_sandbox.apiserver.plain import Plain
from backstay_sandbox.apiserver.protobuf import decode_protobuf
from backstay_sandbox.apiserver.route import Target, parse_target
from unit.objectstore.stores import NOW, World, thing

THINGS = "/apis/example.com/v1/namespaces/default/things"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


class Asker:
    """A world behind its face."""

    def __init__(self) -> None:
        self.world = World()
        self._objects = Objects(self.world.store, Encoder())
        self._plain = Plain(self.world.store, Measurements())

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        accept: str = "",
        kind: str = "application/json",
        **params: str,
    ) -> Answer:
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        call = Call(
            method, path, params, NOW, accept=accept, content_type=kind, user_agent="tester/1.0", body=sent
        )
        target = parse_target(path)
        return self._plain.answer(call) if target is None else self._objects.answer(call, target)

    def read(self, path: str, *, accept: str = "", **params: str) -> Any:
        return json.loads(self.ask("GET", path, accept=accept, **params).body)

    def refusal(self, *arguments: Any, **options: Any) -> ApiError:
        with pytest.raises(ApiError) as refused:
            self.ask(*arguments, **options)
        return refused.value


@pytest.fixture
def asker() -> Asker:
    return Asker()


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target("", "v1", "pods", None, "", "")),
        ("/api/v1/namespaces/x/pods/p/status", Target("", "v1", "pods", "x", "p", "status")),
        ("/api/v1/namespaces", Target("", "v1", "namespaces", None, "", "")),
        ("/api/v1/namespaces/x", Target("", "v1", "namespaces", None, "x", "")),
        ("/api/v1/namespaces/x/status", Target("", "v1", "namespaces", None, "x", "status")),
        ("/apis/g.io/v1/things", Target("g.io", "v1", "things", None, "", "")),
        ("/apis/g.io/v1/namespaces/x/things/t", Target("g.io", "v1", "things", "x", "t", "")),
        ("/apis/g.io/v1/namespaces/x/status", Target("g.io", "v1", "status", "x", "", "")),
        ("/apis/g.io/v1", None),
        ("/api/v1", None),
        ("/version", None),
        ("/api/v1/namespaces/x/pods/p/status/deeper", None),
    ],
)
def test_paths_address_what_they_say(path: str, target: Target | None) -> None:
    assert parse_target(path) == target


def test_writes_answer_with_the_object_and_the_right_status(asker: Asker) -> None:
    created = asker.ask("POST", THINGS, thing("a"))
    assert created.status == 201
    document = json.loads(created.body)
    assert document["metadata"]["managedFields"][0]["manager"] == "tester"
    assert asker.ask("PUT", f"{THINGS}/a", document).status == 200
    gone = asker.ask("DELETE", f"{THINGS}/a")
    status = json.loads(gone.body)
    assert (status["status"], status["details"]["uid"]) == ("Success", document["metadata"]["uid"])


def test_dry_run_leaves_no_trace_in_later_answers(asker: Asker) -> None:
    asker.ask("POST", THINGS, thing("a", size=1))
    patch = "application/merge-patch+json"
    tried = asker.ask("PATCH", f"{THINGS}/a", {"spec": {"size": 2}}, kind=patch, dryRun="All")
    assert json.loads(tried.body)["spec"]["size"] == 2
    assert asker.read(f"{THINGS}/a")["spec"]["size"] == 1
    assert asker.refusal("POST", THINGS, thing("b"), dryRun="Some").code == 422


def test_list_is_a_list_of_its_kind(asker: Asker) -> None:
    for name in "abc":
        asker.ask("POST", THINGS, thing(name))
    page = asker.read(THINGS, limit="2")
    assert (page["kind"], page["apiVersion"]) == ("ThingList", "example.com/v1")
    assert [item["metadata"]["name"] for item in page["items"]] == ["a", "b"]
    rest = asker.read(THINGS, limit="2", **{"continue": page["metadata"]["continue"]})
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c"]


def test_metadata_form_shows_metadata_only(asker: Asker) -> None:
    asker.ask("POST", THINGS, thing("a"))
    accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    listed = asker.read(THINGS, accept=accept)
    assert listed["kind"] == "PartialObjectMetadataList"
    assert set(listed["items"][0]) == {"kind", "apiVersion", "metadata"}


def test_table_has_a_cell_for_every_column(asker: Asker) -> None:
    asker.ask("POST", THINGS, thing("a"))
    for path in (
        THINGS,
        f"{THINGS}/a",
        "/api/v1/namespaces",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    ):
        table = asker.read(path, accept=TABLE)
        assert table["kind"] == "Table"
        assert all(len(row["cells"]) == len(table["columnDefinitions"]) for row in table["rows"])
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_every_kind_can_be_listed_in_every_form(asker: Asker) -> None:
    for resource in asker.world.store.resources():
        base = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        assert asker.read(f"{base}/{resource.plural}")["kind"] == resource.list_kind
        assert asker.read(f"{base}/{resource.plural}", accept=TABLE)["kind"] == "Table"


def test_negotiation_takes_the_best_of_what_it_can() -> None:
    assert accepted_form("") is Form.OBJECT
    assert accepted_form("application/vnd.kubernetes.protobuf,application/json") is Form.OBJECT
    assert accepted_form("application/json;q=0.5,application/json;as=Table;g=meta.k8s.io;v=v1") is Form.TABLE
    assert accepted_form("application/json;as=Table;g=meta.k8s.io;v=v1beta1,application/json") is Form.OBJECT
    with pytest.raises(ApiError) as refused:
        accepted_form("application/vnd.kubernetes.protobuf")
    assert refused.value.code == 406


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/apis/nowhere.io/v1/things", 404),
        ("GET", "/nowhere", 404),
        ("GET", f"{THINGS}/a/scale", 404),
        ("GET", "/apis/example.com/v1/things/a", 404),
        ("POST", "/api/v1/namespaces/x", 405),
        ("POST", "/apis/example.com/v1/things", 405),
        ("DELETE", "/apis/example.com/v1/things", 405),
        ("PUT", THINGS, 405),
        ("POST", "/version", 405),
        ("POST", THINGS, 400),
    ],
)
def test_wrong_requests_are_refused_with_their_code(asker: Asker, method: str, path: str, code: int) -> None:
    assert asker.refusal(method, path).code == code


def test_bodies_that_are_no_objects_are_refused(asker: Asker) -> None:
    for body in (b"{", b"[]", b"3", b"\xff\xfe", b"[" * 100_000):
        assert asker.refusal("POST", THINGS, body).code == 400
    assert asker.refusal("POST", THINGS, b"x", kind="text/html").code == 415
    assert asker.refusal("PATCH", f"{THINGS}/a", {}, kind="application/json").code == 415
    assert asker.refusal("POST", THINGS, b"a: [", kind="application/yaml").code == 400
    yaml_body = b"apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: y}\nspec: {agent: x}\n"
    assert asker.ask("POST", THINGS, yaml_body, kind="application/yaml").status == 201


def test_bad_parameters_are_refused(asker: Asker) -> None:
    assert asker.refusal("GET", THINGS, limit="many").code == 400
    assert asker.refusal("GET", THINGS, resourceVersion="x").code == 400
    assert asker.refusal("GET", THINGS, fieldSelector="spec.nothing=1").code == 400
    assert asker.refusal("GET", THINGS, resourceVersionMatch="Exact").code == 422
    assert asker.refusal("GET", THINGS, resourceVersion="999999").code == 504
    assert asker.refusal("POST", THINGS, thing("a"), fieldValidation="Maybe").code == 422
    apply = "application/apply-patch+yaml"
    assert asker.refusal("PATCH", f"{THINGS}/a", thing("a"), kind=apply).code == 400


def test_unknown_fields_warn_unless_told_otherwise(asker: Asker) -> None:
    assert asker.ask("POST", THINGS, thing("a", typo=1)).warnings == ('unknown field "spec.typo"',)
    assert asker.ask("POST", THINGS, thing("b", typo=1), fieldValidation="Ignore").warnings == ()
    assert asker.refusal("POST", THINGS, thing("c", typo=1), fieldValidation="Strict").code == 400


def test_discovery_forms_agree(asker: Asker) -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    found = set()
    for path in ("/api", "/apis"):
        for group in asker.read(path, accept=accept)["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                found |= {(name, version["version"], entry["resource"]) for entry in version["resources"]}
    legacy = {
        ("", "v1", entry["name"]) for entry in asker.read("/api/v1")["resources"] if "/" not in entry["name"]
    }
    for group in asker.read("/apis")["groups"]:
        assert asker.read(f"/apis/{group['name']}")["preferredVersion"] == group["preferredVersion"]
        for version in group["versions"]:
            listed = asker.read(f"/apis/{version['groupVersion']}")["resources"]
            legacy |= {
                (group["name"], version["version"], entry["name"])
                for entry in listed
                if "/" not in entry["name"]
            }
    assert found == legacy
    assert ("example.com", "v1", "things") in found


def test_descriptions_cover_every_group_and_follow_the_definitions(asker: Asker) -> None:
    index = asker.read("/openapi/v3")["paths"]
    before = index["apis/example.com/v1"]["serverRelativeURL"]
    document = asker.read(before.partition("?")[0])
    schema = document["components"]["schemas"]["com.example.v1.Thing"]
    assert schema["properties"]["spec"]["properties"]["size"]["maximum"] == 100
    assert "ObjectMeta" in json.dumps(schema["properties"]["metadata"])
    for name in index:
        assert asker.read(f"/openapi/v3/{name}")["openapi"] == "3.0.0"
    assert "com.example.v1.Thing" in asker.read("/openapi/v2")["definitions"]
    asker.ask("DELETE", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com")
    assert "apis/example.com/v1" not in asker.read("/openapi/v3")["paths"]
    assert asker.refusal("GET", before.partition("?")[0]).code == 404


def test_reviews_say_yes_and_store_nothing(asker: Asker) -> None:
    version = asker.world.store.version
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    answer = asker.ask("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert json.loads(answer.body)["status"]["allowed"] is True
    assert asker.world.store.version == version
    assert asker.refusal("GET", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews").code == 405


def test_metrics_count_objects(asker: Asker) -> None:
    asker.ask("POST", THINGS, thing("a"))
    text = asker.ask("GET", "/metrics").body.decode()
    assert 'apiserver_storage_objects{resource="things.example.com"} 1' in text


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.size", [3]),
        ("spec.size", [3]),
        ("{.spec.size}", [3]),
        (".spec.items[0].name", ["a"]),
        (".spec.items[-1].name", ["b"]),
        (".spec.items[*].name", ["a", "b"]),
        ('.conditions[?(@.type=="Ready")].status', ["True"]),
        (".conditions[?(@.type!='Ready')].status", ["False"]),
        (".metadata.labels.a\\.b/c", ["dotted"]),
        (".metadata.labels['a.b/c']", ["dotted"]),
        (".nothing.here", []),
        (".spec.size.deeper", []),
        (".spec.items[9]", []),
    ],
)
def test_column_paths_find_their_values(path: str, found: list[Any]) -> None:
    document = {
        "spec": {"size": 3, "items": [{"name": "a"}, {"name": "b"}]},
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}],
        "metadata": {"labels": {"a.b/c": "dotted"}},
    }
    assert values_at(path, document) == found


@given(st.text(alphabet=".[]()?@='\"*abc\\0-{}$ ", max_size=20))
def test_garbage_paths_parse_or_are_refused(path: str) -> None:
    try:
        values_at(path, {"a": [{"b": 1}], "c": {"a": "b"}})
    except PathError:
        return


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-0.5, "0s"), (-5, "<invalid>"), (0, "0s"), (119, "119s"), (120, "2m"), (185, "3m5s"), (600, "10m"),
        (10_799, "179m"), (10_800, "3h"), (12_000, "3h20m"), (28_800, "8h"), (172_800, "2d"), (180_000, "2d2h"),
        (700_000, "8d"), (63_072_000, "2y"), (66_000_000, "2y33d"), (300_000_000, "9y"),
    ],
)  # fmt: skip
def test_ages_read_as_kubectl_prints_them(seconds: float, text: str) -> None:
    assert human_age(seconds) == text


@given(st.binary(max_size=60))
def test_garbage_protobuf_is_refused(raw: bytes) -> None:
    for body in (
        raw,
        b"k8s\x00" + raw,
        b"k8s\x00\n\x0f\n\x02v1\x12\x09Namespace\x12" + bytes([len(raw)]) + raw,
    ):
        try:
            decode_protobuf(body)
        except ApiError as refused:
            assert refused.code in (400, 415)  # noqa: PT017 (what is refused is refused properly)


def test_protobuf_namespace_is_understood() -> None:
    name = b"\n\x04team"  # metadata.name
    metadata = b"\n" + bytes([len(name)]) + name
    body = b"k8s\x00\n\x0f\n\x02v1\x12\x09Namespace\x12" + bytes([len(metadata)]) + metadata
    assert decode_protobuf(body) == {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}


def test_kept_bytes_follow_the_object_not_its_version(asker: Asker) -> None:
    asker.ask("POST", THINGS, thing("a", note="shown"))
    assert asker.read(f"{THINGS}/a")["spec"]["note"] == "shown"
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.example.com"
    definition = asker.read(path)
    del definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][
        "note"
    ]
    asker.ask("PUT", path, definition)
    assert "note" not in asker.read(f"{THINGS}/a")["spec"], "the schema changed, the version did not"
