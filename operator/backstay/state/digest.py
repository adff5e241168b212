"""Digests of agent parameters: how the cluster notices that a running service's definition changed.

The form is Pacemaker's (MD5 over one XML element with sorted attributes), found by comparing recorded
digests with their parameters, so that an imported history stays valid. MD5 serves change detection only,
never security.
"""

import hashlib
from collections.abc import Collection, Mapping
from functools import lru_cache


def params_digest(params: Mapping[str, str]) -> str:
    """Digest of all given parameters. Of the meta attributes (CRM_meta_*) only the timeout counts, which recurring
    operations carry."""
    return _digest(
        tuple(
            sorted(
                (name, value)
                for name, value in params.items()
                if name == "CRM_meta_timeout" or not name.startswith("CRM_meta_")
            )
        )
    )


@lru_cache(maxsize=16384)
def _digest(pairs: tuple[tuple[str, str], ...]) -> str:
    """Each is asked for once per record that holds one, and again in every scheduling."""
    text = "".join(f" {name}={_quoted(value)}" for name, value in pairs)
    return hashlib.md5(f" <parameters{text}/>\n".encode(), usedforsecurity=False).hexdigest()


def restart_digest(params: Mapping[str, str], *, restart_params: Collection[str]) -> str:
    """Digest of those parameters whose change needs a restart."""
    return params_digest({name: value for name, value in params.items() if name in restart_params})


def secure_digest(params: Mapping[str, str], *, private_params: Collection[str]) -> str:
    """Digest without the parameters that must not be written down, such as passwords."""
    return params_digest({name: value for name, value in params.items() if name not in private_params})


_ESCAPED = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
)


def _quoted(value: str) -> str:
    return f'"{value.translate(_ESCAPED)}"'
