"""Kinds that are questions, not objects: who am I, may I. Nothing is stored.

There is one user here, who may do everything: the sandbox tests behaviour, not RBAC. Assumes an authenticated
request.
"""

from dataclasses import dataclass

from backstay.objectstore import Json, JsonObject
from backstay.objectstore.errors import bad_request

USER = "sandbox-admin"
GROUPS = ("system:masters", "system:authenticated")


@dataclass(frozen=True, slots=True)
class Review:
    """One kind of question."""

    group: str
    version: str
    plural: str
    kind: str


REVIEWS = (
    Review("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview"),
    Review("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    Review("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
)


def find_review(group: str, version: str, plural: str) -> Review | None:
    for review in REVIEWS:
        if (review.group, review.version, review.plural) == (group, version, plural):
            return review
    return None


def answer(review: Review, body: Json) -> JsonObject:
    """The question with its answer in `status`. Raises BadRequest for a body that is no object."""
    asked = {} if body is None else body
    if not isinstance(asked, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {review.kind})")
    return {
        "metadata": {"creationTimestamp": None},
        **asked,
        "kind": review.kind,
        "apiVersion": f"{review.group}/{review.version}",
        "status": _status(review),
    }


def _status(review: Review) -> JsonObject:
    match review.kind:
        case "SelfSubjectReview":
            return {"userInfo": {"username": USER, "groups": list(GROUPS)}}
        case "SelfSubjectAccessReview":
            return {"allowed": True, "reason": "the sandbox's one user may do everything"}
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    return {
        "resourceRules": [everything],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }
