"""What a control plane signs and proves itself with: a serving certificate, and the key of service account tokens."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backstay_sandbox.apiserver.certificates import Certificate, CertificateError, make_certificate

OPENSSL_TIMEOUT_S = 30.0
NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
ADMIN = ("kubernetes-admin", "system:masters")
MANAGER = "system:kube-controller-manager"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files in one directory that only its owner reads."""

    serving: Certificate
    signing_key: Path
    """Of service account tokens."""
    tokens: Path
    """A static token per program or person that a real cluster would give a client certificate."""
    admin_token: str
    manager_token: str
    user_tokens: Mapping[str, str]
    """Of the further users that were asked for, by name."""


def make_credentials(
    directory: Path, *, addresses: Sequence[str], users: Mapping[str, str] | None = None
) -> Credentials:
    """Everything new, for a server that is reached by these addresses; ``users`` are more of them, name to group (or "").
    Raises CertificateError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    serving = make_certificate(directory, addresses=addresses, names=NAMES)
    signing_key = directory / "service-accounts.key"
    signing_key.touch(mode=0o600)
    command = ["openssl", "genrsa", "-out", str(signing_key), "2048"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=OPENSSL_TIMEOUT_S)
    except (FileNotFoundError, subprocess.SubprocessError) as error:
        raise CertificateError(f"openssl could not make a key: {error}") from None
    admin_token, manager_token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    tokens = directory / "tokens.csv"
    tokens.touch(mode=0o600)
    user_tokens = {name: secrets.token_urlsafe(24) for name in users or {}}
    lines = [f'{admin_token},{ADMIN[0]},{ADMIN[0]},"{ADMIN[1]}"', f"{manager_token},{MANAGER},{MANAGER}"]
    lines += [f'{user_tokens[name]},{name},{name},"{group}"' for name, group in (users or {}).items()]
    tokens.write_text("".join(f"{line}\n" for line in lines))
    return Credentials(serving, signing_key, tokens, admin_token, manager_token, user_tokens)
