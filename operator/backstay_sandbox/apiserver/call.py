"""A request and its answer as plain values: what the server's parts pass among themselves.

So every part but the wire itself is a function from a Call to an Answer, and tests need no socket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from backstay.objectstore import Json
from backstay.objectstore.errors import ApiError
from backstay_sandbox.apiserver import protobuf
from backstay_sandbox.apiserver.encoding import decoded_body, encoded
from backstay_sandbox.apiserver.negotiation import JSON


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `now` is Unix seconds; header values are as sent, empty when absent."""

    method: str
    path: str
    params: Mapping[str, str]
    now: float
    accept: str = ""
    content_type: str = ""
    user_agent: str = ""
    body: bytes = b""

    def document(self) -> Json:
        """The body's document, None when empty. Raises BadRequest or UnsupportedMediaType."""
        if self.body and self.content_type.partition(";")[0].strip() == protobuf.MEDIA_TYPE:
            return protobuf.decode_protobuf(self.body)
        return decoded_body(self.body, self.content_type)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    warnings: tuple[str, ...] = field(default=())


def refusal(error: ApiError) -> Answer:
    return Answer(encoded(error.status()), status=error.code)
