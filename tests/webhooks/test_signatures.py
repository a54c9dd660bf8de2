"""Signatures hold before libraries that nobody here wrote, and keys are rotated without a gap."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import svix.webhooks
from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from cityloom.testing.database import VAR
from cityloom.testing.probes import Probe, mutation
from cityloom.webhooks import signing
from cityloom.webhooks.web import public_keys

if TYPE_CHECKING:
    from pathlib import Path

    from cityloom.testing.clock import ManualClock
    from cityloom.testing.webhooks import PostOffice, Received, Receiver

_SCRIPT = """
import { readFileSync } from "node:fs";
import { createPublicKey, verify } from "node:crypto";
import { Webhook } from "standardwebhooks";
const { secret, publicKey, headers, body } = JSON.parse(readFileSync(0, "utf8"));
new Webhook(secret).verify(body, headers);
let altered = false;
try { new Webhook(secret).verify(body + " ", headers); } catch { altered = true; }
const key = createPublicKey({
  key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(publicKey.slice(5), "base64").toString("base64url") },
  format: "jwk",
});
const content = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
const signatures = headers["webhook-signature"].split(" ").filter((one) => one.startsWith("v1a,"));
const pair = signatures.some((one) => verify(null, content, key, Buffer.from(one.slice(4), "base64")));
console.log(JSON.stringify({ v1: true, altered, v1a: pair }));
"""


@pytest.fixture
def clock(clock: ManualClock) -> ManualClock:
    """The real time: libraries refuse other signatures."""
    clock.set(datetime.now(UTC))
    return clock


@pytest.fixture(scope="session")
def npm() -> Path:
    """A folder with `standardwebhooks` from npm; skips without Node, npm or a registry."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not installed: the JavaScript library is not asked")
    folder = VAR / "npm-standardwebhooks"
    if not (folder / "node_modules" / "standardwebhooks").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "standardwebhooks@1.0.0"],
            capture_output=True,
            check=False,
            timeout=120,
        )
        if done.returncode:
            pytest.skip("npm cannot be reached: the JavaScript library is not asked")
    (folder / "verify.mjs").write_text(_SCRIPT, encoding="utf-8")
    return folder


async def delivered(office: PostOffice, receiver: Receiver) -> tuple[dict[str, Any], Received]:
    """A fresh endpoint's secrets by algorithm, and one delivery."""
    made = await office.endpoint(receiver.url)
    await office.happen(None)
    await office.settle()
    return {key["algorithm"]: key for key in made["keys"]}, receiver.received[-1]


async def test_the_python_libraries_of_standard_webhooks_and_svix_verify(
    office: PostOffice, receiver: Receiver
) -> None:
    keys, found = await delivered(office, receiver)
    secret = keys["HMAC_SHA256"]["secret"]
    assert Webhook(secret).verify(found.body, found.headers) == orjson.loads(found.body)
    svix.webhooks.Webhook(secret).verify(found.body, found.headers)
    for name, value in (("webhook-id", "msg_2_" + "0" * 64), ("webhook-timestamp", "1700000000")):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(found.body, {**found.headers, name: value})
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        svix.webhooks.Webhook(secret).verify(found.body + b" ", found.headers)


async def test_cryptography_verifies_v1a_by_the_public_key_and_by_the_citys_key_set(
    office: PostOffice, receiver: Receiver
) -> None:
    keys, found = await delivered(office, receiver)
    public = keys["ED25519"]["publicKey"]
    assert keys["ED25519"]["secret"] is None
    content = f"{found.id}.{found.headers['webhook-timestamp']}.".encode() + found.body
    (signature,) = [
        base64.b64decode(one[4:]) for one in found.headers["webhook-signature"].split(" ") if one.startswith("v1a,")
    ]
    (jwk,) = (await public_keys(office.front.works, office.city.id))["keys"]
    padded = base64.urlsafe_b64decode(jwk["x"] + "=")
    assert padded == base64.b64decode(public.removeprefix("whpk_"))
    assert jwk["kid"] == keys["ED25519"]["id"]
    Ed25519PublicKey.from_public_bytes(padded).verify(signature, content)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(padded).verify(signature, content + b" ")
    assert signing.verify_ed25519(
        public, found.id, found.headers["webhook-timestamp"], found.body, found.headers["webhook-signature"]
    )


async def test_the_javascript_library_and_node_verify(office: PostOffice, receiver: Receiver, npm: Path) -> None:
    keys, found = await delivered(office, receiver)
    given = {
        "secret": keys["HMAC_SHA256"]["secret"],
        "publicKey": keys["ED25519"]["publicKey"],
        "headers": found.headers,
        "body": found.body.decode(),
    }
    verify = partial(subprocess.run, capture_output=True, text=True, check=False, timeout=60)
    done = await asyncio.to_thread(verify, ["node", "verify.mjs"], cwd=npm, input=json.dumps(given))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"v1": True, "altered": True, "v1a": True}


async def _refuses_proofs(request: web.Request) -> web.StreamResponse:
    return web.Response(status=401 if request.headers["webhook-id"].startswith("whdl_") else 204)


async def test_a_key_is_retired_only_after_the_endpoint_accepted_the_new_one_alone(
    office: PostOffice, receiver: Receiver, clock: ManualClock
) -> None:
    made = await office.endpoint(receiver.url)
    old = next(key for key in made["keys"] if key["algorithm"] == "HMAC_SHA256")
    retire = mutation("webhookEndpointKeyRetire", "WebhookKey")
    probe = Probe(office.front, office.city.id)
    refused = await probe.refused(office.integrator, retire, {"input": {"id": old["id"]}})
    assert refused == ("INVALID_STATE", "KEY_NOT_PROVEN")
    new = await office.ask("webhookEndpointKeyRotate", "WebhookKeyCreated", "id secret", id=made["id"])
    # The receiver does not know the new key yet: it refuses the proof, and takes what both keys sign.
    receiver.answers = [_refuses_proofs] * 2
    await office.happen(None)
    await office.settle()
    proof = next(one for one in receiver.received if one.id.startswith("whdl_"))
    Webhook(new["secret"]).verify(proof.body, proof.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old["secret"]).verify(proof.body, proof.headers)
    event = next(one for one in receiver.received if one.id.startswith("msg_"))
    for secret in (old["secret"], new["secret"]):
        Webhook(secret).verify(event.body, event.headers)
    assert (await probe.refused(office.integrator, retire, {"input": {"id": old["id"]}}))[1] == "KEY_NOT_PROVEN"
    clock.advance(seconds=10)
    await office.settle()
    await probe.done(office.integrator, retire, {"input": {"id": old["id"]}})
    await office.happen(None)
    await office.settle()
    last = receiver.received[-1]
    Webhook(new["secret"]).verify(last.body, last.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(old["secret"]).verify(last.body, last.headers)


async def test_secrets_are_told_once_and_stored_sealed(office: PostOffice, receiver: Receiver) -> None:
    made = await office.endpoint(receiver.url)
    secret = made["keys"][0]["secret"]
    rows = await office.rows("SELECT * FROM webhook_keys WHERE tenant_id = $1")
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    for row in rows:
        assert raw not in row["sealed_secret"]
        assert secret.encode() not in row["sealed_secret"]
