"""Where deliveries may not go: every spelling of an address that is not public, and names that lead to one."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cityloom.settings import Settings, SettingsError
from cityloom.testing.webhooks import Receiver, receiving
from cityloom.webhooks.addresses import Egress, UrlRefused
from cityloom.webhooks.sender import KEPT, Sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from cityloom.testing.clock import ManualClock

PRODUCTION = Egress.of(Settings(environment="production"))
DEVELOPMENT = Egress.of(Settings())

REFUSED_ADDRESSES = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104 - an address that must be refused
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "not an address",
)

REFUSED_URLS = (
    "http://example.com/hook",
    "ftp://example.com/",
    "https://example.com:8080/",
    "https://example.com:0/",
    "https://example.com:22/",
    "https://example.com:99999/",
    "https://user@example.com/",
    "https://user:secret@example.com/",
    "https://example.com@127.0.0.1/",
    "https://example.com/#fragment",
    "https://2130706433/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://127.0.1/",
    "https://127.0.0.1./",
    "https://example.com./",
    "https://①②⑦.⓪.⓪.①/",
    "https://１２７.0.0.1/",
    "https://127。0。0。1/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fe80::1%25eth0]/",
    "https://localhost/",
    "https://printer.local/",
    "https://metadata.google.internal/",
    "https://intranet/",
    "https://example..com/",
    "https://-example.com/",
    "https://exa_mple.com/",
    "https://exam ple.com/",
    "https://example.com\\@127.0.0.1/",
    "https://example.com/\r\nX-Injected: 1",
    "https://example.com/\t",
    "https:///hook",
    "https://",
    "//example.com/",
    "example.com/hook",
    "javascript:alert(1)",
    "https://例子.中国/",
    "https://example.com/" + "a" * 2_000,
    *(f"https://{a}/" for a in REFUSED_ADDRESSES if ":" not in a and " " not in a),
    *(f"https://[{a}]/" for a in REFUSED_ADDRESSES if ":" in a and "%" not in a),
)


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_an_address_that_is_not_public_is_not_connected_to(address: str) -> None:
    assert not PRODUCTION.allows(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "223.5.5.5", "2400:3200::1", "2001:4860:4860::8888"])
def test_a_public_address_is_connected_to(address: str) -> None:
    assert PRODUCTION.allows(address)


@pytest.mark.parametrize("url", REFUSED_URLS)
def test_an_odd_url_is_refused_when_it_is_stated(url: str) -> None:
    with pytest.raises(UrlRefused) as refused:
        PRODUCTION.demand_url(url)
    assert refused.value.path == ("url",)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hook",
        "https://example.com",
        "https://example.com:8443/a/b?c=d",
        "https://xn--fsqu00a.xn--fiqs8s/",
        "https://8.8.8.8/",
        "https://[2400:3200::1]/",
        "https://EXAMPLE.com/%E4%B8%AD",
    ],
)
def test_a_plain_url_is_taken_as_it_is(url: str) -> None:
    assert PRODUCTION.demand_url(url) == url


def test_development_reaches_this_machine_and_nothing_else_that_is_private() -> None:
    assert DEVELOPMENT.demand_url("http://localhost:3000/hook")
    assert DEVELOPMENT.allows("127.0.0.1")
    assert not DEVELOPMENT.allows("10.0.0.1")
    assert not DEVELOPMENT.allows("169.254.169.254")


def test_an_installation_states_its_own_networks() -> None:
    own = Egress.of(Settings(environment="production", webhook_networks="10.20.0.0/16, fd00:1::/64"))
    assert own.networks == (ip_network("10.20.0.0/16"), ip_network("fd00:1::/64"))
    assert own.allows("10.20.3.4")
    assert not own.allows("10.21.0.1")
    with pytest.raises(SettingsError):
        Settings.from_environment({"CITYLOOM_WEBHOOK_NETWORKS": "everything"})


class Misleading(aiohttp.abc.AbstractResolver):
    """A name service that leads every name, also a literal one, to an address of its choice; one after the other."""

    def __init__(self, *addresses: str, port: int) -> None:
        self._addresses, self._port = list(addresses), port

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> list[Any]:
        address = self._addresses.pop(0) if len(self._addresses) > 1 else self._addresses[0]
        del port
        return [
            {"hostname": host, "host": address, "port": self._port, "family": family or socket.AF_INET, "proto": 0}
            | {"flags": socket.AI_NUMERICHOST}
        ]

    async def close(self) -> None:
        """Nothing is open."""


async def test_a_name_that_leads_to_this_machine_is_refused_where_the_connection_is_made(
    clock: ManualClock, receiver: Receiver
) -> None:
    port = int(receiver.url.rsplit(":", 1)[1].split("/")[0])
    resolver = Misleading("127.0.0.1", port=port)
    async with Sender(Egress(is_strict=False), clock, resolver=resolver) as sender:
        result = await sender.send(f"http://rebind.example.com:{port}/hook", b"{}", {})
    assert (result.outcome, result.status, result.answer) == ("ADDRESS_REFUSED", None, None)
    assert not receiver.received


async def test_a_name_that_moves_between_two_look_ups_is_refused_the_second_time(
    clock: ManualClock, receiver: Receiver
) -> None:
    # The first address is "public" by the installation's own word, the second is not.
    port = int(receiver.url.rsplit(":", 1)[1].split("/")[0])
    resolver = Misleading("127.0.0.1", "127.0.0.2", port=port)
    egress = Egress(is_strict=False, networks=(ip_network("127.0.0.1/32"),))
    receiver.answers = [web.Response(status=204, headers={"connection": "close"})]
    async with Sender(egress, clock, resolver=resolver) as sender:
        first = await sender.send("http://rebind.example.com/hook", b"{}", {})
        second = await sender.send("http://other.example.com/hook", b"{}", {})
    assert (first.outcome, second.outcome) == ("DELIVERED", "ADDRESS_REFUSED")
    assert len(receiver.received) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/", "http://127.1:{port}/", "http://2130706433:{port}/"])
async def test_literal_addresses_go_through_the_same_gate(clock: ManualClock, receiver: Receiver, url: str) -> None:
    port = receiver.url.rsplit(":", 1)[1].split("/")[0]
    async with Sender(Egress(is_strict=False), clock) as sender:
        result = await sender.send(url.format(port=port), b"{}", {})
    assert result.outcome == "ADDRESS_REFUSED"
    assert not receiver.received


async def test_a_redirect_is_not_followed(sender: Sender, receiver: Receiver) -> None:
    receiver.answers = [web.Response(status=307, headers={"location": receiver.url + "/elsewhere"})]
    result = await sender.send(receiver.url, b"{}", {})
    assert (result.outcome, result.status) == ("REDIRECTED", 307)
    assert len(receiver.received) == 1


async def test_a_large_answer_is_cut_and_its_connection_closed(sender: Sender, receiver: Receiver) -> None:
    receiver.answers = [web.Response(text="万" * 3_000_000)]
    result = await sender.send(receiver.url, b"{}", {})
    assert result.outcome == "DELIVERED"
    assert result.answer is not None
    assert len(result.answer.encode()) <= KEPT + 3
    assert (await sender.send(receiver.url, b"{}", {})).outcome == "DELIVERED"


async def test_an_answer_without_an_end_is_cut(sender: Sender, receiver: Receiver) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b"x" * 65_536)

    receiver.answers = [endless]
    result = await sender.send(receiver.url, b"{}", {})
    assert (result.outcome, result.answer) == ("DELIVERED", "x" * KEPT)


async def test_a_receiver_that_hangs_is_left_when_the_time_is_up(clock: ManualClock, receiver: Receiver) -> None:
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    receiver.answers = [hang]
    async with Sender(DEVELOPMENT, clock, limit_seconds=0.2) as sender:
        result = await sender.send(receiver.url, b"{}", {})
    released.set()
    assert (result.outcome, result.status) == ("TIMED_OUT", None)


async def test_a_body_that_drips_is_left_when_the_time_is_up(clock: ManualClock, receiver: Receiver) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        while True:
            await answer.write(b".")
            await asyncio.sleep(0.05)

    receiver.answers = [drip]
    async with Sender(DEVELOPMENT, clock, limit_seconds=0.3) as sender:
        result = await sender.send(receiver.url, b"{}", {})
    assert result.outcome == "TIMED_OUT"


@asynccontextmanager
async def raw(answer: bytes) -> AsyncIterator[str]:
    """Somebody who answers these bytes, whatever is asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\nx-large: " + b"a" * 100_000 + b"\r\n\r\n", "MALFORMED"),
        (b"HTTP/1.1 200 OK\r\n" + b"".join(b"x-%d: 1\r\n" % n for n in range(500)) + b"\r\n", "MALFORMED"),
        (b"nonsense\r\n\r\n", "MALFORMED"),
        (b"", "UNREACHABLE"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort", "MALFORMED"),
    ],
)
async def test_what_is_no_proper_answer_is_no_delivery(sender: Sender, answer: bytes, outcome: str) -> None:
    async with raw(answer) as url:
        assert (await sender.send(url, b"{}", {})).outcome == outcome


async def test_nobody_there_tells_nothing_of_the_network(sender: Sender) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    result = await sender.send(f"http://127.0.0.1:{port}/", b"{}", {})
    assert (result.outcome, result.status, result.answer) == ("UNREACHABLE", None, None)


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_a_certificate_that_nobody_vouches_for_is_refused(sender: Sender, tmp_path: Path) -> None:
    reached = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificate(tmp_path))
    async with server:
        port = server.sockets[0].getsockname()[1]
        result = await sender.send(f"https://localhost:{port}/", b"{}", {})
    assert result.outcome == "TLS_FAILED"
    assert not any(reached)


async def test_cookies_are_not_kept_between_receivers(sender: Sender) -> None:
    async with receiving() as receiver:
        receiver.answers = [web.Response(headers={"set-cookie": "a=b; Path=/"})]
        await sender.send(receiver.url, b"{}", {})
        await sender.send(receiver.url, b"{}", {})
        assert all("cookie" not in found.headers for found in receiver.received)
