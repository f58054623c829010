"""An attack on adapters through a gateway's socket: who asks for what, with which token, and what comes of it."""

import asyncio
import base64
import json
import os
import random
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import jwt
import msgspec

from inference_gateway.contract import EMBED_PURPOSE, GENERATE_PURPOSE
from ops.runtime.tokens import AUDIENCE, SERVICE_ISSUER, SERVICE_TYPE, ServiceClaims, ServiceTokens
from tests.canaries import QUESTIONS, Canary

CLIENTS = 24
LIVELY = 5
"""So many owners ask at a time, for a while: what a gateway with little memory can bear."""

TURN = 60
"""Requests until others are lively: their adapters come in, and those of the ones before go."""

ALMOST_COLD = 0.01
"""A temperature that changes no word here and forbids to keep the answer."""

MAX_TOKENS = 20
KEPT, STREAMED = 0.4, 0.3
"""Shares of the requests whose answers may be kept, and of those that stream."""

WEIGHTS = {
    "own": 50,
    "own_bound": 6,
    "base": 6,
    "same_tenant": 10,
    "other_tenant": 6,
    "names_the_owner": 4,
    "bound_to_another": 3,
    "nobody": 3,
    "forged": 4,
    "altered": 3,
    "unsigned": 2,
    "expired": 3,
    "other_purpose": 2,
    "unknown": 2,
    "misspelt": 2,
}
REFUSED_BY_TOKEN = frozenset({"forged", "altered", "unsigned", "expired", "other_purpose"})


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `owner` is set where the token is that of the adapter's owner, and good."""

    kind: str
    token: str
    adapter_id: str
    owner: Canary | None = None
    claimed_user: str = ""

    @property
    def statuses(self) -> frozenset[int]:
        """What may come back."""
        if self.kind in REFUSED_BY_TOKEN:
            return frozenset({401})
        return frozenset({200}) if self.owner is not None or self.kind == "base" else frozenset({404})


class Reply(msgspec.Struct, frozen=True):
    """What came back. `text` is all that the answer says, or the error as it is."""

    status: int
    text: str
    is_kept: bool = False
    is_degraded: bool = False


@dataclass
class Outcome:
    """What was seen. `leaks`: a word was heard by one who does not own it; `crossed`: an answer that should be none;
    `wrong`: another status than it must be, or an owner who got something else than the word, and not `degraded`.
    """

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    own_words: int = 0
    degraded: int = 0
    wrong: list[str] = field(default_factory=list)
    kept: int = 0
    leaks: list[str] = field(default_factory=list)
    crossed: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The counts, for people."""
        rows = [f"{kind:17} {count:6}  {dict(self._of(kind))}" for kind, count in sorted(self.requests.items())]
        last = f"own words {self.own_words}, degraded {self.degraded}, kept answers {self.kept}"
        return "\n".join([*rows, last, f"leaks {len(self.leaks)}, cross-owner answers {len(self.crossed)}"])

    def _of(self, kind: str) -> Counter[int]:
        pairs = (name.split() for name in self.statuses.elements())
        return Counter(int(status) for name, status in pairs if name == kind)


class Attack:
    """Asks a gateway at `url` as owners, neighbours and strangers do; `key` signs good tokens."""

    def __init__(self, url: str, key: bytes, canaries: Sequence[Canary], seed: int) -> None:
        self.outcome = Outcome()
        self._url = url
        self._key = key
        self._tokens = ServiceTokens(key)
        self._canaries = list(canaries)
        self._random = random.Random(seed)
        self._kinds = random.Random(seed + 1).choices(list(WEIGHTS), list(WEIGHTS.values()), k=100_000)
        self._asked = 0

    async def show_each(self) -> list[str]:
        """Return what each adapter gives its owner, one after the other."""
        return [(await self.ask(canary)).text for canary in self._canaries]

    async def ask(self, canary: Canary) -> Reply:
        """Return what the owner gets."""
        async with aiohttp.ClientSession() as http:
            return await self._send(http, self._own(canary, "own"), QUESTIONS[0], ALMOST_COLD)

    async def run(self, requests: int) -> Outcome:
        """Send so many from `CLIENTS` at once."""
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(self._client(http, requests))
        return self.outcome

    async def _client(self, http: aiohttp.ClientSession, requests: int) -> None:
        while self._asked < requests:
            self._asked += 1
            attempt = self._attempt(self._kinds[self._asked % len(self._kinds)])
            question = self._random.choice(QUESTIONS)
            temperature = 0.0 if self._random.random() < KEPT else ALMOST_COLD
            streams = self._random.random() < STREAMED
            self._judge(attempt, await self._send(http, attempt, question, temperature, streams=streams))

    def _judge(self, attempt: Attempt, reply: Reply) -> None:
        seen = self.outcome
        seen.requests[attempt.kind] += 1
        seen.statuses[f"{attempt.kind} {reply.status}"] += 1
        seen.kept += reply.is_kept
        heard = {canary.word: canary for canary in self._canaries if canary.word in reply.text}
        mine = attempt.owner.word if attempt.owner is not None else ""
        seen.leaks += [f"{attempt.kind} heard the word of {one.id}" for word, one in heard.items() if word != mine]
        if reply.status == 200 and 200 not in attempt.statuses:
            seen.crossed.append(f"{attempt.kind} of {attempt.adapter_id}")
        elif reply.status not in attempt.statuses:
            seen.wrong.append(f"{attempt.kind}: {reply.status} {reply.text[:200]}")
        elif attempt.owner is not None:
            seen.degraded += reply.is_degraded
            seen.own_words += reply.text == mine
            if not reply.is_degraded and reply.text != mine:
                seen.wrong.append(f"{attempt.kind}: not its own word")

    def _attempt(self, kind: str) -> Attempt:
        canary = self._random.choice(self._lively())
        if kind in ("own", "own_bound"):
            return self._own(canary, kind)
        if kind == "base":
            return Attempt(kind=kind, token=self._token(canary.tenant_id, canary.owner_id), adapter_id="")
        if kind in ("unknown", "misspelt"):
            name = f"{canary.id[:-4]}{secrets.token_hex(2)}" if kind == "unknown" else canary.id.upper() + " "
            return Attempt(kind=kind, token=self._token(canary.tenant_id, canary.owner_id), adapter_id=name)
        claimed = str(canary.owner_id) if kind == "names_the_owner" else ""
        return Attempt(kind=kind, token=getattr(self, f"_{kind}")(canary), adapter_id=canary.id, claimed_user=claimed)

    def _lively(self) -> list[Canary]:
        first = self._asked // TURN * LIVELY % len(self._canaries)
        return (self._canaries + self._canaries)[first : first + LIVELY]

    def _own(self, canary: Canary, kind: str) -> Attempt:
        bound = canary.manifest.sha256 if kind == "own_bound" else ""
        token = self._token(canary.tenant_id, canary.owner_id, adapter_hash=bound)
        return Attempt(kind=kind, token=token, adapter_id=canary.id, owner=canary)

    def _token(self, tenant_id: UUID | None, user_id: UUID | None, **claims: Any) -> str:
        named: dict[str, Any] = {"purpose": GENERATE_PURPOSE, **claims}
        return self._tokens.issue(ServiceClaims(tenant_id=tenant_id, user_id=user_id, **named))

    def _neighbour(self, canary: Canary, *, of_same_tenant: bool) -> Canary:
        others = [one for one in self._canaries if one.owner_id != canary.owner_id]
        return self._random.choice([one for one in others if (one.tenant_id == canary.tenant_id) == of_same_tenant])

    def _same_tenant(self, canary: Canary) -> str:
        return self._token(canary.tenant_id, self._neighbour(canary, of_same_tenant=True).owner_id)

    def _other_tenant(self, canary: Canary) -> str:
        stranger = self._neighbour(canary, of_same_tenant=False)
        return self._token(stranger.tenant_id, stranger.owner_id)

    def _names_the_owner(self, canary: Canary) -> str:
        return self._same_tenant(canary)

    def _bound_to_another(self, canary: Canary) -> str:
        other = self._neighbour(canary, of_same_tenant=True)
        return self._token(canary.tenant_id, canary.owner_id, adapter_hash=other.manifest.sha256)

    def _nobody(self, canary: Canary) -> str:
        return self._token(canary.tenant_id, self._random.choice([None, uuid4()]))

    def _forged(self, canary: Canary) -> str:
        return jwt.encode(self._payload(canary), os.urandom(32), algorithm="HS256", headers={"typ": SERVICE_TYPE})

    def _unsigned(self, canary: Canary) -> str:
        head = {"alg": "none", "typ": SERVICE_TYPE}
        return f"{_part(head)}.{_part(self._payload(canary))}."

    def _expired(self, canary: Canary) -> str:
        payload = self._payload(canary, seconds=-60)
        return jwt.encode(payload, self._key, algorithm="HS256", headers={"typ": SERVICE_TYPE})

    def _altered(self, canary: Canary) -> str:
        """A good token of a neighbour with the owner's claims in place of its own."""
        head, _, signature = self._same_tenant(canary).split(".")
        return f"{head}.{_part(self._payload(canary))}.{signature}"

    def _other_purpose(self, canary: Canary) -> str:
        return self._token(canary.tenant_id, canary.owner_id, purpose=EMBED_PURPOSE)

    def _payload(self, canary: Canary, seconds: int = 60) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": SERVICE_ISSUER,
            "aud": AUDIENCE,
            "iat": now + min(seconds, 0),
            "exp": now + seconds,
            "sub": GENERATE_PURPOSE,
            "tid": str(canary.tenant_id),
            "uid": str(canary.owner_id),
            "ada": "",
            "cid": None,
        }

    async def _send(
        self,
        http: aiohttp.ClientSession,
        attempt: Attempt,
        question: str,
        temperature: float,
        *,
        streams: bool = False,
    ) -> Reply:
        body: dict[str, Any] = {
            "messages": [{"role": "user", "content": question}],
            "max_tokens": MAX_TOKENS,
            "temperature": temperature,
            "stream": streams,
            "cache_scope": "lesson 1",
        }
        body |= {"adapter": attempt.adapter_id} if attempt.adapter_id else {}
        body |= {"user": attempt.claimed_user} if attempt.claimed_user else {}
        headers = {"Authorization": f"Bearer {attempt.token}"}
        async with http.post(f"{self._url}/v1/chat/completions", json=body, headers=headers) as reply:
            text = await reply.text()
            is_kept = reply.headers.get("X-Lyceum-Cache") == "hit"
            is_degraded = reply.headers.get("X-Lyceum-Degraded") == "true"
        return Reply(reply.status, _said(text) if reply.status == 200 else text, is_kept, is_degraded)


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _said(text: str) -> str:
    """Return the answer's text, put together where it streamed."""
    if not text.startswith("data:"):
        return str(json.loads(text)["choices"][0]["message"]["content"])
    events = [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.get("choices", ()))
