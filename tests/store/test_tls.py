"""A store behind TLS: trusted when its certificate is, and never otherwise."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from proxy.runtime.store_address import parse_store_url
from proxy.store.pool import trust
from proxy.store.scripts import Script
from tests.store.recording import AT_ONCE, PATIENCE, TIMEOUT, Recorded, fails, recorded
from tests.store.servers import Server, free_ports, running

PROBE = Script("probe")
KEYS = ["segue:{segue}:x"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a store")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "store.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
async def port(server: Server, certificate: Path) -> AsyncIterator[int]:
    """Where TLS ends in front of `server`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(server.address.path)

        async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while content := await source.read(65536):
                    sink.write(content)
            sink.close()

        await asyncio.gather(copy(reader, to_server), copy(from_server, writer))

    edge = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield edge.sockets[0].getsockname()[1]
    edge.close()


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    trust.cache_clear()
    yield
    trust.cache_clear()


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_the_system_trusts(port: int):
    async with recorded(parse_store_url(f"rediss://127.0.0.1:{port}")) as client:
        assert await asyncio.gather(*(client.store.run(PROBE, KEYS, []) for _ in range(50))) == [1] * 50


@pytest.mark.usefixtures("trusted")
async def test_a_certificate_of_another_name(port: int):
    async with recorded(parse_store_url(f"rediss://localhost:{port}")) as client:
        await is_refused(client)


async def test_a_certificate_nobody_trusts(port: int):
    async with recorded(parse_store_url(f"rediss://127.0.0.1:{port}")) as client:
        await is_refused(client)


async def is_refused(client: Recorded) -> None:
    failure = await fails(client.store.run(PROBE, KEYS, []), PATIENCE)
    assert failure.kind == "refused"
    assert "certificate" in str(failure)
    assert (await fails(client.store.run(PROBE, KEYS, []), AT_ONCE)).kind == "breaker"


async def test_one_side_without_tls(binary: Path, port: int):
    """Neither waits for ever for the other to say something it understands."""
    (plain,) = free_ports(1)
    with running(binary, port=plain):
        for url in (f"rediss://127.0.0.1:{plain}", f"redis://127.0.0.1:{port}"):
            async with recorded(parse_store_url(url), TIMEOUT) as client:
                assert (await fails(client.store.run(PROBE, KEYS, []))).kind in ("refused", "timeout", "broken")
                assert (await fails(client.store.run(PROBE, KEYS, []), AT_ONCE)).kind == "breaker"
