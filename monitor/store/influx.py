"""Alerts to InfluxDB 2: one raw line a transition, from the durable outbox, until the server took it."""

import logging
import math
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from monitor.clock import Clock
from monitor.config import Influx
from monitor.errors import StoreError
from monitor.model import Alert, State
from monitor.plant import Plant
from monitor.store import Outbox
from monitor.store.text import shown

log = logging.getLogger(__name__)

MOST_LINES = 5_000
MOST_BYTES = 1 << 20  # before gzip
LONGEST_WAIT = 60.0  # s, of our own; a server may ask for more
LONGEST_ASKED = 600.0  # s
LONGEST_WORDS = 2_000  # characters kept of what a server says
LONGEST_TEXT = 8_000  # characters of a summary; a string field ends at 64 KiB

# Control characters end a line or vanish in some servers' parsers, and a backslash at the end of a tag eats the separator.
# Percent codes keep two names two names; a percent sign is coded only where it would read as such a code.
_CODED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\\\\\ud800-\udfff]|%(?=[0-9A-Fa-f]{2})")
_SPECIAL = re.compile("[,= ]")


def place(plant: Plant | None, name: str) -> dict[str, str]:
    """Return the nearest asset of each kind at or above one, by kind: its rack, hall and site among them."""
    found: dict[str, str] = {}
    seen = set()
    asset = plant.assets.get(name) if plant else None
    while plant and asset and asset.id not in seen:  # a wire may say a loop
        seen.add(asset.id)
        found.setdefault(asset.kind, asset.id)
        asset = plant.assets.get(asset.parent) if asset.parent is not None else None
    return found


def line(alert: Alert, site: str = "", hall: str = "", rack: str = "") -> str:
    """Write one transition as line protocol with a time in nanoseconds.

    The time is that of the transition to the microsecond. Below it stands an ordinal of episode and state, so that an end and
    the next fire at the same instant stay two points, and a replay writes the same points again, without a tag that grows for ever.
    """
    ended = alert.state == State.ENDED and alert.ended is not None
    moment = alert.ended if ended and alert.ended is not None else alert.fired
    nanoseconds = round(moment * 1e6) * 1000 + (2 * alert.episode + ended) % 1000
    tags = {
        "asset": alert.asset, "domain": alert.rule.partition(".")[0], "hall": hall, "phase": alert.phase.value, "point": alert.point,
        "rack": rack, "rule": alert.rule, "severity": alert.severity.value, "site": site,
    }  # fmt: skip
    fields = [f"episode={alert.episode}i", f"fired={float(alert.fired)!r}", 'incident=""']
    for name, number in (("limit", alert.limit), ("value", alert.value)):
        if number is not None and math.isfinite(number):  # the protocol has neither NaN nor infinity
            fields.append(f"{name}={float(number)!r}")
    fields += [f"state={_text(alert.state.value)}", f"summary={_text(alert.summary)}", f"told={str(alert.told).lower()}"]
    fields += [f"unit={_text(alert.unit)}"]
    return ",".join(["alert", *(f"{key}={_tag(value)}" for key, value in tags.items() if value)]) + f" {','.join(fields)} {nanoseconds}"


def _code(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))


def _tag(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", _CODED.sub(_code, text))


def _text(text: str) -> str:
    escaped = shown(text[:LONGEST_TEXT]).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Answer(Enum):
    """What the server's answer means for the lines it was sent."""

    TAKEN = "taken"
    LATER = "later"  # the server is busy or broken
    BARRED = "barred"  # credentials, bucket or address: a person must act, the lines are good
    WRONG = "wrong"  # at least one line


def judge(status: int) -> Answer:
    """Read an HTTP status of /api/v2/write.

    Only 201 and 204 mean stored: a proxy's login page comes with 200 or a redirect.
    """
    if status in (201, 204):
        return Answer.TAKEN
    if status in (408, 425, 429) or status >= 500:
        return Answer.LATER
    if status in (401, 403, 404, 405, 407) or status < 400:
        return Answer.BARRED
    return Answer.WRONG


def asked_wait(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds that Retry-After asks for, at most LONGEST_ASKED, 0 where it asks nothing that can be read."""
    words = headers.get("Retry-After", "").strip()
    try:
        seconds = float(words) if words[:1].isdigit() else parsedate_to_datetime(words).timestamp() - now
    except (ValueError, TypeError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_ASKED) if math.isfinite(seconds) else 0.0


class _NotTaken(Exception):
    def __init__(self, answer: Answer, words: str, wait: float = 0.0) -> None:
        super().__init__(words)
        self.answer = answer
        self.wait = wait


async def drain(outbox: Outbox, settings: Influx, clock: Clock) -> None:
    """Bring lines from the outbox to InfluxDB for ever. One log line when the server is lost and one when it is back.

    A line leaves the outbox when the server took it, or when it was refused alone: then it is set aside with the server's words.
    """
    failures = 0

    def worked() -> None:
        nonlocal failures
        if failures:
            log.info("%s: takes alerts again after %d tries", settings.url, failures)
        failures = 0

    while True:
        try:
            await _deliver(outbox, settings, clock, worked)
        except (_NotTaken, StoreError, OSError) as error:
            if not failures:
                log.warning("%s: %s; alerts wait in the outbox", settings.url, shown(str(error)))
            failures += 1
            longest = (
                LONGEST_WAIT
                if isinstance(error, _NotTaken) and error.answer == Answer.BARRED
                else min(LONGEST_WAIT, 1.6 ** min(failures, 9))
            )
            # Half fixed, half jitter: never at once, never all monitors together.
            await clock.sleep(max(random.uniform(longest / 2, longest), getattr(error, "wait", 0.0)))


async def _deliver(outbox: Outbox, settings: Influx, clock: Clock, worked: Callable[[], None]) -> None:
    """Deliver over one client until something fails. Token and certificates are read here, at each connect.

    Raises:
        _NotTaken, StoreError, OSError

    """
    async with _client(settings) as client:

        async def send(lines: Sequence[tuple[int, str]]) -> None:
            await _send(client, settings, "\n".join(text for _, text in lines).encode(), clock)
            await outbox.done([number for number, _ in lines])

        while True:
            outbox.filled.clear()
            lines = await outbox.take(MOST_LINES, MOST_BYTES)
            if not lines:
                await outbox.filled.wait()
                continue
            await _halve(lines, send, outbox)
            worked()


async def _halve(lines: Sequence[tuple[int, str]], send: Callable[[Sequence[tuple[int, str]]], Awaitable[None]], outbox: Outbox) -> None:
    """Send lines; where the server calls some of them wrong, send halves, down to the wrong ones, which are set aside."""
    parts = [lines]
    while parts:
        part = parts.pop()
        try:
            await send(part)
            continue
        except _NotTaken as error:
            if error.answer != Answer.WRONG:
                raise
            words = str(error)[:LONGEST_WORDS]
        if len(part) > 1:
            parts += [part[len(part) // 2 :], part[: len(part) // 2]]  # the older half goes first
            continue
        number, text = part[0]
        await outbox.refuse([number], words)
        log.error("InfluxDB refused a line, it is set aside: %s; the line: %s", shown(words), shown(text))


def _client(settings: Influx) -> AbstractAsyncContextManager[Any]:
    from influxdb_client.client.influxdb_client_async import InfluxDBClientAsync

    token = settings.token_file.read_text().strip() if settings.token_file else ""
    tls = settings.tls
    client: AbstractAsyncContextManager[Any] = InfluxDBClientAsync(
        settings.url.rstrip("/"), token, settings.org, timeout=int(settings.timeout * 1000), enable_gzip=True,
        allow_redirects=False,  # a redirected POST becomes a GET, and its answer would look like success
        connection_pool_maxsize=1,
        ssl_ca_cert=str(tls.ca) if tls and tls.ca else None,
        cert_file=str(tls.cert) if tls and tls.cert else None,
        cert_key_file=str(tls.key) if tls and tls.key else None,
    )  # fmt: skip
    return client


async def _send(client: Any, settings: Influx, body: bytes, clock: Clock) -> None:
    """Write once, or raise _NotTaken with what the answer means."""
    from aiohttp import ClientError
    from influxdb_client.rest import ApiException

    try:
        taken = await client.write_api().write(settings.bucket, record=body, write_precision="ns")  # the client keeps the deadline
    except ApiException as error:
        words = error.body.decode(errors="replace") if isinstance(error.body, bytes) else ""
        said = f"{error.status} {error.reason} {words[:LONGEST_WORDS]}".strip()
        raise _NotTaken(judge(error.status or 0), said, asked_wait(error.headers or {}, clock.now())) from error
    except (ClientError, OSError, TimeoutError) as error:
        raise _NotTaken(Answer.LATER, f"{type(error).__name__} {error}".strip()) from error
    if not taken:
        raise _NotTaken(Answer.BARRED, "the answer has success in its status and is not InfluxDB's; is something else at this address?")
