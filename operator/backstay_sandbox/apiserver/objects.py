"""The verbs on objects: from a Call on a resource path to an Answer.

Synchronous and without I/O: the store answers at once. Watches are `watching`'s. Assumes an authenticated call;
raises ApiError for every refusal.
"""

from collections.abc import Sequence
from dataclasses import replace

from backstay.objectstore import (
    DeleteOptions,
    Json,
    JsonObject,
    ObjectStore,
    Patch,
    PatchType,
    Propagation,
    Resource,
    Written,
)
from backstay.objectstore.errors import (
    bad_request,
    method_not_allowed,
    no_such_resource,
    unsupported_media_type,
)
from backstay_sandbox.apiserver.call import Answer, Call
from backstay_sandbox.apiserver.encoding import Encoder, encoded
from backstay_sandbox.apiserver.negotiation import Form, accepted_form
from backstay_sandbox.apiserver.query import (
    dry_run,
    flag,
    list_query,
    propagation_of,
    selector_of,
    write_options,
)
from backstay_sandbox.apiserver.reviews import answer as review_answer
from backstay_sandbox.apiserver.reviews import find_review
from backstay_sandbox.apiserver.route import Target
from backstay_sandbox.apiserver.table import partial_metadata, table_of


class Objects:
    """Serves the objects of one store."""

    def __init__(self, store: ObjectStore, encoder: Encoder) -> None:
        self._store = store
        self._encoder = encoder

    def resource_of(self, target: Target) -> Resource:
        """The resource a path addresses. Raises NotFound for one nobody serves, or addressed wrongly."""
        resource = self._store.resource(target.group, target.version, target.plural)
        if resource is None:
            raise no_such_resource()
        if not resource.namespaced and target.namespace is not None:
            raise no_such_resource()
        if resource.namespaced and target.namespace is None and target.name:
            raise no_such_resource()
        if target.subresource and target.subresource not in resource.subresources:
            raise no_such_resource()
        return resource

    def answer(self, call: Call, target: Target) -> Answer:
        """The answer to anything but a watch."""
        review = find_review(target.group, target.version, target.plural)
        if review is not None:
            if call.method != "POST" or target.name:
                raise method_not_allowed()
            return Answer(encoded(review_answer(review, call.document())), status=201)
        resource = self.resource_of(target)
        match call.method, bool(target.name):
            case "GET", False:
                return self._list(call, target, resource)
            case "GET", True:
                return self._get(call, target, resource)
            case "POST", False:
                return self._create(call, target, resource)
            case "PUT", True:
                return self._replace(call, target, resource)
            case "PATCH", True:
                return self._patch(call, target, resource)
            case "DELETE", True:
                return self._delete(call, target, resource)
            case "DELETE", False:
                return self._delete_collection(call, target, resource)
        raise method_not_allowed()

    def _get(self, call: Call, target: Target, resource: Resource) -> Answer:
        document = self._store.get(resource, target.namespace or "", target.name)
        return self._shown(call, resource, document)

    def _list(self, call: Call, target: Target, resource: Resource) -> Answer:
        form = accepted_form(call.accept)
        listing = self._store.list(resource, target.namespace, list_query(call.params, resource))
        metadata: JsonObject = {"resourceVersion": str(listing.version)}
        if listing.continue_token:
            metadata["continue"] = listing.continue_token
        if listing.remaining is not None:
            metadata["remainingItemCount"] = listing.remaining
        if form is Form.TABLE:
            include = call.params.get("includeObject", "Metadata")
            table = table_of(resource, listing.documents, now=call.now, metadata=metadata, include=include)
            return Answer(encoded(table))
        if form is not Form.OBJECT:
            items = [partial_metadata(document) for document in listing.documents]
            return Answer(
                encoded(
                    {
                        "kind": "PartialObjectMetadataList",
                        "apiVersion": "meta.k8s.io/v1",
                        "metadata": metadata,
                        "items": items,
                    }
                )
            )
        return Answer(self._encoded_list(resource, listing.documents, metadata))

    def _encoded_list(
        self, resource: Resource, documents: Sequence[JsonObject], metadata: JsonObject
    ) -> bytes:
        # Put together from the kept bytes of each object: a list of a thousand is mostly copying.
        head = encoded({"kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata})
        items = b",".join(self._encoder.stored(document) for document in documents)
        return b'%s,"items":[%s]}' % (head[:-1], items)

    def _shown(
        self,
        call: Call,
        resource: Resource,
        document: JsonObject,
        *,
        status: int = 200,
        warnings: tuple[str, ...] = (),
    ) -> Answer:
        form = accepted_form(call.accept)
        if form is Form.TABLE:
            include = call.params.get("includeObject", "Metadata")
            metadata = {"resourceVersion": document["metadata"].get("resourceVersion", "")}
            table = table_of(resource, [document], now=call.now, metadata=metadata, include=include)
            return Answer(encoded(table), status=status, warnings=warnings)
        if form is not Form.OBJECT:
            return Answer(encoded(partial_metadata(document)), status=status, warnings=warnings)
        return Answer(self._encoder.stored(document), status=status, warnings=warnings)

    def _written(self, call: Call, resource: Resource, written: Written) -> Answer:
        status = 201 if written.is_new else 200
        return self._shown(call, resource, written.document, status=status, warnings=written.warnings)

    def _create(self, call: Call, target: Target, resource: Resource) -> Answer:
        if target.subresource:
            raise method_not_allowed()
        namespace = target.namespace
        if namespace is None and resource.namespaced:
            raise method_not_allowed()
        document = _required(call.document())
        options = write_options(call.params, call.user_agent)
        written = self._store.create(resource, namespace or "", document, now=call.now, options=options)
        return self._written(call, resource, written)

    def _replace(self, call: Call, target: Target, resource: Resource) -> Answer:
        written = self._store.replace(
            resource,
            target.namespace or "",
            target.name,
            _required(call.document()),
            now=call.now,
            options=write_options(call.params, call.user_agent),
            subresource=target.subresource,
        )
        return self._written(call, resource, written)

    def _patch(self, call: Call, target: Target, resource: Resource) -> Answer:
        patch_type = _patch_type(call.content_type, resource)
        force = flag(call.params, "force")
        if patch_type is PatchType.APPLY and not call.params.get("fieldManager"):
            raise bad_request(
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
            )
        written = self._store.patch(
            resource,
            target.namespace or "",
            target.name,
            Patch(patch_type, _required(call.document()), force=force),
            now=call.now,
            options=write_options(call.params, call.user_agent),
            subresource=target.subresource,
        )
        return self._written(call, resource, written)

    def _delete(self, call: Call, target: Target, resource: Resource) -> Answer:
        if target.subresource:
            raise method_not_allowed()
        deleted = self._store.delete(
            resource, target.namespace or "", target.name, now=call.now, options=_delete_options(call)
        )
        if not deleted.is_gone:
            return self._shown(call, resource, deleted.document)
        details = {
            "name": target.name,
            "group": resource.group,
            "kind": resource.plural,
            "uid": deleted.document["metadata"]["uid"],
        }
        status: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {key: value for key, value in details.items() if value},
        }
        return Answer(encoded(status))

    def _delete_collection(self, call: Call, target: Target, resource: Resource) -> Answer:
        if resource.namespaced and target.namespace is None:
            raise method_not_allowed()
        deleted = self._store.delete_collection(
            resource,
            target.namespace,
            now=call.now,
            selector=selector_of(call.params, resource),
            options=_delete_options(call),
        )
        metadata = {"resourceVersion": str(self._store.version)}
        return Answer(self._encoded_list(resource, deleted, metadata))


def _required(document: Json) -> Json:
    if document is None:
        raise bad_request("the request body is empty")
    return document


def _patch_type(content_type: str, resource: Resource) -> PatchType:
    name = content_type.partition(";")[0].strip().lower()
    try:
        return PatchType(name)
    except ValueError:
        accepted = [
            kind.value for kind in PatchType if not (resource.is_custom and kind is PatchType.STRATEGIC)
        ]
        raise unsupported_media_type(", ".join(accepted)) from None


def _delete_options(call: Call) -> DeleteOptions:
    body = call.document()
    if body is None:
        body = {}
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized (must be of type DeleteOptions)")
    preconditions = body.get("preconditions") or {}
    options = DeleteOptions(
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
        propagation=propagation_of(body.get("propagationPolicy") or call.params.get("propagationPolicy", "")),
        dry_run=dry_run("".join(body.get("dryRun") or ()) or call.params.get("dryRun", "")),
    )
    if body.get("orphanDependents") is True:
        options = replace(options, propagation=Propagation.ORPHAN)
    return options
