"""Ids for a store that serves real clients: random, so that two servers never give the same uid."""

import secrets
import uuid

from backstay.objectstore.ids import SUFFIX_LENGTH, suffix_from


class RandomIds:
    """An IdSource on the operating system's randomness."""

    def uid(self) -> str:
        return str(uuid.uuid4())

    def suffix(self) -> str:
        return suffix_from(secrets.token_bytes(SUFFIX_LENGTH))
