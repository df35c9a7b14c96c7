"""The certificates of a cluster: two authorities (Kubernetes and etcd) and a client certificate for each user.

etcd has an authority of its own, so that nobody but the API server can get at the store behind it.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = timedelta(days=3650)
LOOPBACK = IPv4Address("127.0.0.1")
CA_KEY_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class User:
    """A client of the API server; Kubernetes takes name and group from the certificate's CN and O."""

    name: str
    group: str | None = None


ADMIN = User("devcluster:admin", group="system:masters")
# The names that the built-in roles of Kubernetes are bound to.
CONTROLLER_MANAGER = User("system:kube-controller-manager")
SCHEDULER = User("system:kube-scheduler")
# Their roles are in manifests/rbac.yaml.
KWOK = User("devcluster:kwok")
LWS_STAND_IN = User("devcluster:lws-stand-in")


@dataclass(frozen=True)
class KeyPair:
    """A private key and its certificate, both in PEM."""

    key: bytes
    certificate: bytes

    def write(self, folder: Path, name: str) -> None:
        """Write name.key (readable by its owner only) and name.crt."""
        write_private(folder / f"{name}.key", self.key)
        (folder / f"{name}.crt").write_bytes(self.certificate)


class Authority:
    """A certificate authority that lives in memory: its key is never written, so nobody can sign later."""

    def __init__(self, name: str) -> None:
        """Make a new key and a self-signed certificate."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._subject, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(CA_KEY_USAGE, critical=True)
        self.certificate = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue_client(self, user: User) -> KeyPair:
        """Make a certificate that lets its holder act as a user."""
        return self._issue(user, [ExtendedKeyUsageOID.CLIENT_AUTH])

    def issue_server(self, name: str) -> KeyPair:
        """Make a certificate for a server on loopback; it may call as a client too, as members of etcd do."""
        return self._issue(User(name), [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])

    def issue_token_signer(self, name: str) -> KeyPair:
        """Make a key to sign tokens with; its certificate is good for no connection."""
        return self._issue(User(name), [ExtendedKeyUsageOID.CODE_SIGNING])

    def _issue(self, user: User, usages: Sequence[x509.ObjectIdentifier]) -> KeyPair:
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user.name)]
        if user.group:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, user.group))
        builder = self._builder(x509.Name(attributes), key.public_key())
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if ExtendedKeyUsageOID.SERVER_AUTH in usages:
            names = [x509.DNSName("localhost"), x509.IPAddress(LOOPBACK)]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return KeyPair(key=private_pem(key), certificate=certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + VALID_FOR)
            # Strict verifiers, such as Python's since 3.13, refuse certificates without these two.
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(authority_key, critical=False)
        )


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as unencrypted PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first moment on."""
    path.touch(mode=0o600)
    path.write_bytes(content)


def write_kubeconfig(path: Path, *, cluster: str, server: str, authority: bytes, client: KeyPair) -> None:
    """Write a kubeconfig with one context, the certificates inside it."""
    name = f"devcluster-{cluster}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": _base64(authority)}},
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": _base64(client.certificate),
                    "client-key-data": _base64(client.key),
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    write_private(path, yaml.safe_dump(document, sort_keys=False).encode())


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
