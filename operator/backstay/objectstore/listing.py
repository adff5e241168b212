"""Lists: selected, paged, and consistent from the first page to the last.

A page after the first shows the collection as it was when the first was read, rebuilt from the history; when that
no longer reaches back, the client is told to start again (410), as the real server tells it. Refuses a continue
token it did not make.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from backstay.objectstore.collection import Collection, ObjectKey
from backstay.objectstore.document import JsonObject
from backstay.objectstore.errors import ApiError, Reason, bad_request
from backstay.objectstore.resource import Resource
from backstay.objectstore.selector import EVERYTHING, Selector


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What to list. `limit` 0 means all; `version` is the query's resourceVersion, 0 for "any"."""

    selector: Selector = EVERYTHING
    limit: int = 0
    continue_token: str = ""
    version: int = 0
    is_exact: bool = False
    """resourceVersionMatch=Exact: the collection as it was at `version`."""


EVERY_OBJECT = ListQuery()


@dataclass(frozen=True, slots=True)
class Listing:
    """One page. `remaining` is None where the server does not count (selectors)."""

    documents: list[JsonObject]
    version: int
    continue_token: str = ""
    remaining: int | None = None


def list_documents(
    resource: Resource, collection: Collection, query: ListQuery, *, namespace: str | None, version: int
) -> Listing:
    """One page of a collection as `resource` shows it; `version` is the store's resourceVersion. Raises ApiError."""
    start: ObjectKey | None = None
    if query.continue_token:
        version, start = _decoded(query.continue_token)
        documents = _past(collection, namespace, version)
    elif query.version > version:
        raise ApiError(
            504, Reason.TIMEOUT, f"Too large resource version: {query.version}, current: {version}"
        )
    elif query.is_exact:
        version = query.version
        documents = _past(collection, namespace, version)
    elif query.selector.single_name is not None and namespace is not None:
        found = collection.get((namespace, query.selector.single_name))
        documents = [found] if found is not None else []
    else:
        documents = collection.documents(namespace)
    if start is not None:
        documents = [document for document in documents if key_of(document) > start]
    documents = [resource.shown(document) for document in documents]
    if not query.selector.selects_all:
        documents = [document for document in documents if query.selector.matches(document)]
    return _page(documents, query, version=version)


def _past(collection: Collection, namespace: str | None, version: int) -> list[JsonObject]:
    past = collection.as_of(version)
    return [past[key] for key in sorted(past) if namespace is None or key[0] == namespace]


def _page(documents: list[JsonObject], query: ListQuery, *, version: int) -> Listing:
    if not query.limit or len(documents) <= query.limit:
        return Listing(documents, version)
    page = documents[: query.limit]
    remaining = len(documents) - query.limit if query.selector.selects_all else None
    return Listing(page, version, _encoded(version, key_of(page[-1])), remaining)


def key_of(document: JsonObject) -> ObjectKey:
    metadata = document["metadata"]
    return (metadata.get("namespace", ""), metadata["name"])


def _encoded(version: int, last: ObjectKey) -> str:
    return urlsafe_b64encode(json.dumps([version, *last]).encode()).decode()


def _decoded(token: str) -> tuple[int, ObjectKey]:
    try:
        version, namespace, name = json.loads(urlsafe_b64decode(token.encode()))
    except ValueError:
        raise bad_request("continue key is not valid") from None
    if not isinstance(version, int) or not isinstance(namespace, str) or not isinstance(name, str):
        raise bad_request("continue key is not valid")
    return version, (namespace, name)
