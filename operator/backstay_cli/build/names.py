"""Names of objects that commands make."""

from __future__ import annotations

from backstay.api import names
from backstay_cli.errors import UsageError


def kubernetes_name(resource_id: str) -> str:
    """The object's name for a resource id. Raises UsageError."""
    try:
        return names.kubernetes_name(resource_id)
    except ValueError as error:
        raise UsageError(
            str(error),
            hint="an id begins with a letter or underscore and holds only letters, digits, '.', '_' and '-' (at most 128)",
        ) from None


def ban_name(resource: str, node: str) -> str:
    """Name of the constraint that `ban` makes, as crm_resource names its own."""
    return f"cli-ban-{resource}-on-{node}"[:253].rstrip("-.")
