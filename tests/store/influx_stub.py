"""A strict stand-in for InfluxDB's /api/v2/write, with faults, and a parser of line protocol that shares nothing with the writer."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Parsed:
    measurement: str
    tags: dict[str, str]
    fields: dict[str, str | float | int | bool]
    time: int


def parse(line: str) -> Parsed:
    """Read one line by the published grammar, character by character.

    Raises:
        ValueError: it is none.
    """
    if any(ord(character) < 0x20 for character in line):
        raise ValueError("control character")
    key, rest = _until(line, " ")
    measurement, *tags = _split(key, ",")
    names = {}
    for tag in tags:
        name, value = _split(tag, "=")
        if not value or value.endswith("\\"):
            raise ValueError(f"tag {name} is empty or ends in a backslash")
        names[_plain(name)] = _plain(value)
    if list(names) != sorted(names) or len(names) != len(tags):
        raise ValueError("tags are not sorted or not distinct")
    fields = {}
    while True:
        name, rest = _until(rest, "=")
        if rest.startswith('"'):
            end = 1
            while rest[end] != '"':
                end += 2 if rest[end] == "\\" else 1
            value: str | float | int | bool = rest[1:end].replace('\\"', '"').replace("\\\\", "\\")
            rest = rest[end + 1 :]
        else:
            end = min(at for at in (rest.find(","), rest.find(" ")) if at >= 0)
            word, rest = rest[:end], rest[end:]
            value = word == "true" if word in ("true", "false") else int(word[:-1]) if word.endswith("i") else float(word)
        fields[name] = value
        if rest.startswith(" "):
            return Parsed(_plain(measurement), names, fields, int(rest[1:]))
        if not rest.startswith(","):
            raise ValueError(f"junk after field {name}")
        rest = rest[1:]


def _until(text: str, stop: str) -> tuple[str, str]:
    at = 0
    while text[at] != stop:
        at += 2 if text[at] == "\\" else 1
    return text[:at], text[at + 1 :]


def _split(text: str, stop: str) -> list[str]:
    parts = []
    while True:
        try:
            part, text = _until(text, stop)
        except IndexError:
            return [*parts, text]
        parts.append(part)


def _plain(text: str) -> str:
    return text.replace("\\,", ",").replace("\\=", "=").replace("\\ ", " ")


Fault = Callable[[web.Request], web.Response | None]


@dataclass
class Stub:
    """What the server saw. `faults` are used up one a request; `wrong` lines are refused, the others of their batch stored (partial write)."""

    url: str = ""
    token: str = "secret"
    faults: list[Fault] = field(default_factory=list)
    wrong: Callable[[str], bool] = lambda _: False
    stored: dict[tuple[str, tuple[tuple[str, str], ...], int], dict[str, object]] = field(default_factory=dict)
    requests: list[int] = field(default_factory=list)  # lines of each request that passed the checks
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def write(self, request: web.Request) -> web.Response:
        try:
            return await self._write(request)
        finally:
            self.changed.set()

    async def _write(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Token {self.token}":
            return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)
        if dict(request.query) != {"org": "org", "bucket": "alerts", "precision": "ns"}:
            return web.json_response({"code": "not found", "message": f"bucket {request.query} not found"}, status=404)
        assert request.headers["Content-Encoding"] == "gzip"
        body = await request.read()  # aiohttp has unpacked it
        text = (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()
        lines = text.split("\n")
        self.requests.append(len(lines))
        if self.faults:
            answer = self.faults.pop(0)(request)
            if answer is None:
                self.hanging.set()
                await asyncio.sleep(3600)
            else:
                return answer
        refused = [line for line in lines if self.wrong(line)]
        for line in lines:
            if line not in refused:
                point = parse(line)
                self.stored.setdefault((point.measurement, tuple(point.tags.items()), point.time), {}).update(point.fields)
        if refused:
            return web.json_response(
                {"code": "invalid", "message": f"partial write: field type conflict dropped={len(refused)}"}, status=400
            )
        return web.Response(status=204)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.changed.clear()
            async with asyncio.timeout(30):
                await self.changed.wait()


def answer(status: int, text: str = "", **headers: str) -> Fault:
    return lambda _: web.Response(status=status, text=text, headers={name.replace("_", "-"): value for name, value in headers.items()})


def hang(_: web.Request) -> None:
    return None


@asynccontextmanager
async def serving(stub: Stub) -> AsyncIterator[Stub]:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/api/v2/write", stub.write)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield stub
    finally:
        await runner.cleanup()
