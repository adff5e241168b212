"""A certificate for the API server, made on the spot.

kubectl sends a bearer token over TLS only, so a server with tokens needs a certificate. It is self-signed and its
own authority: a kubeconfig carries it whole. Needs the `openssl` program; says so when it is missing.
"""

import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DAYS_VALID = 3650
OPENSSL_TIMEOUT_S = 30.0


class CertificateError(RuntimeError):
    """No certificate could be made; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of a certificate and its key."""

    certificate: Path
    key: Path

    def authority_pem(self) -> bytes:
        """What a kubeconfig's certificate-authority-data encodes."""
        return self.certificate.read_bytes()

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(
    directory: Path, *, addresses: Sequence[str], names: Sequence[str] = ("localhost",)
) -> Certificate:
    """A fresh certificate for these IP addresses and DNS names, in `directory`. Raises CertificateError."""
    made = Certificate(directory / "api.crt", directory / "api.key")
    alternatives = ",".join([*(f"IP:{address}" for address in addresses), *(f"DNS:{name}" for name in names)])
    command = [
        *("openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-keyout", str(made.key), "-out", str(made.certificate), "-days", str(DAYS_VALID)),
        *("-subj", "/CN=backstay-sandbox", "-addext", f"subjectAltName={alternatives}"),
        *(
            "-addext",
            "keyUsage=critical,digitalSignature,keyCertSign",
            "-addext",
            "extendedKeyUsage=serverAuth",
        ),
    ]
    try:
        made.key.touch(mode=0o600)
        subprocess.run(command, check=True, capture_output=True, timeout=OPENSSL_TIMEOUT_S)
    except FileNotFoundError:
        raise CertificateError("the program openssl is needed to make a certificate; install it") from None
    except subprocess.CalledProcessError as failed:
        detail = failed.stderr.decode(errors="replace").strip()
        raise CertificateError(f"openssl could not make a certificate: {detail}") from None
    except subprocess.TimeoutExpired:
        raise CertificateError(f"openssl did not end within {OPENSSL_TIMEOUT_S:.0f} s") from None
    return made
