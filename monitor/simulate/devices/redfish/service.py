"""One Redfish service over HTTP: the root, its own resources, logins, and answers to queries."""

import hmac
import json
import secrets
from base64 import b64decode
from dataclasses import dataclass, field
from zlib import crc32

from aiohttp import web

from monitor.clock import iso
from monitor.simulate.devices.listener import Listener, hang_up
from monitor.simulate.devices.readout import Readout
from monitor.simulate.devices.redfish.events import Stream
from monitor.simulate.devices.redfish.query import QueryError, expand, page, parse
from monitor.simulate.devices.redfish.tree import OK, ROOT, Json, Tree, link

_OPEN = {"/redfish", ROOT}  # what a client may read without a login
_SESSIONS = f"{ROOT}/SessionService/Sessions"
_SSE = f"{ROOT}/EventService/SSE"
MOST_SESSIONS = 64  # as bmcweb has it
MOST_STREAMS = 16
_TIMEOUT = 1800.0  # s without a request after which a session ends


@dataclass(frozen=True, slots=True)
class Account:
    user: str = "monitor"
    password: str = "monitor"  # noqa: S105  # of a simulated device on loopback


@dataclass(slots=True)
class _Session:
    user: str
    used: float
    ident: str = field(default_factory=lambda: secrets.token_hex(8))


class Service:
    """One or more devices behind one service root.

    Args:
        readout: of the plant.
        devices: whose resources are in the tree, by the prefix of their ids.
        tree: with the devices' own resources; the service's are added here.
        host: to listen on.
        port: 0 for a free one.
        account: who may log in.
        most: members of a collection on one page, None for all.

    """

    def __init__(
        self, readout: Readout, devices: dict[str, str], tree: Tree, host: str, port: int = 0, *, account: Account, most: int | None = None
    ) -> None:
        self.tree, self.devices = tree, devices
        self._first = next(iter(devices.values()))
        self._readout, self._account, self._most = readout, account, most
        self._sessions: dict[str, _Session] = {}
        self._streams: list[Stream] = []
        self._event = 0
        self.lost = 0  # events that slow listeners did not get
        self.door = Listener(host, self._answer, port)
        self._root()

    async def open(self) -> None:
        await self.door.open()

    async def shut(self) -> None:
        for session in self._sessions.values():
            self.tree.remove(f"{_SESSIONS}/{session.ident}")
        self._sessions.clear()
        self._streams.clear()
        await self.door.shut()

    def tell(self, record: Json) -> None:
        """Send an event to all who listen."""
        self._event += 1
        ident = str(self._event)
        event = {
            "@odata.type": "#Event.v1_9_0.Event",
            "Id": ident,
            "Name": "Event Log",
            "Events": [record | {"EventId": ident, "MemberId": "0"}],
        }
        for stream in self._streams:
            self.lost += stream.put(ident, event)

    def _root(self) -> None:
        tree = self.tree
        services = {name: link(f"{ROOT}/{name}") for name in ("Chassis", "EventService", "Managers", "SessionService", "TelemetryService")}
        equipment = {name: link(f"{ROOT}/{name}") for name in ("PowerEquipment", "Systems", "ThermalEquipment") if f"{ROOT}/{name}" in tree}
        features = {
            "DeepOperations": {"DeepPATCH": False, "DeepPOST": False},
            "ExcerptQuery": False,
            "ExpandQuery": {"ExpandAll": True, "Levels": True, "Links": True, "MaxLevels": 6, "NoLinks": True},
            "FilterQuery": False,
            "OnlyMemberQuery": False,
            "SelectQuery": False,
            "TopSkipQuery": True,
        }
        about: Json = {
            "Links": {"Sessions": link(_SESSIONS)},
            "ProtocolFeaturesSupported": features,
            "RedfishVersion": "1.17.0",
            "UUID": self._readout.uuid(self._first + "#service"),
        }
        tree.add(ROOT, "ServiceRoot.v1_15_0", "Root Service", about | services | equipment | {"Id": "RootService"})
        tree.collection(_SESSIONS, "Session", "Session Collection")
        tree.add(
            f"{ROOT}/SessionService",
            "SessionService.v1_1_8",
            "Session Service",
            {"ServiceEnabled": True, "SessionTimeout": _TIMEOUT, "Sessions": link(_SESSIONS), "Status": OK},
        )
        tree.add(
            f"{ROOT}/EventService",
            "EventService.v1_9_0",
            "Event Service",
            {"EventFormatTypes": ["Event"], "ServerSentEventUri": _SSE, "ServiceEnabled": True, "Status": OK},
        )

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path.rstrip("/")
        condition = self._readout.condition(self._device(path))
        if condition.delay:
            await self._readout.clock.sleep(condition.delay)
        if condition.down and len(self.devices) == 1:
            return hang_up(request)
        if path not in _OPEN and not (request.method == "POST" and path == _SESSIONS) and not self._known(request):
            return _error(
                401, "NoValidSession", "There is no valid session established with the implementation.", {"WWW-Authenticate": "Basic"}
            )
        if request.method == "POST" and path == _SESSIONS:
            return await self._login(request)
        if request.method == "DELETE" and path.startswith(f"{_SESSIONS}/"):
            return self._logout(path)
        if request.method not in {"GET", "HEAD"}:
            return _error(405, "OperationNotAllowed", "The HTTP method is not allowed on this resource.", {"Allow": "GET, HEAD"})
        if condition.down:
            told = "The service is temporarily unavailable: the device does not answer."
            return _error(503, "ServiceTemporarilyUnavailable", told, {"Retry-After": "30"})
        if path == _SSE:
            return await self._stream(request)
        return self._read(request, path)

    def _device(self, path: str) -> str:
        """Return whose resource it is; the first device's where it is nobody's."""
        for part in path.split("/"):
            ident = part.split("_")
            for many in range(len(ident), 0, -1):
                if (device := self.devices.get("_".join(ident[:many]) + "_")) is not None:
                    return device
        return self._first

    def _read(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if path == "/redfish":
            return web.json_response({"v1": f"{ROOT}/"})
        if path not in self.tree:
            return _error(404, "ResourceMissingAtURI", f"The resource at the URI {path} was not found.")
        try:
            query = parse(request.query)
        except QueryError as error:
            return _error(error.status, error.key, str(error))
        found = page(self.tree, path, query, self._most)
        if query.levels:
            found = expand(self.tree, found, query.expand, query.levels)
        body = json.dumps(found).encode()
        tag = f'"{crc32(body):08X}"'
        headers = {"ETag": tag, "OData-Version": "4.0", "Cache-Control": "no-store"}
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="application/json", headers=headers)

    async def _stream(self, request: web.BaseRequest) -> web.StreamResponse:
        if len(self._streams) >= MOST_STREAMS:
            return _error(
                503, "EventSubscriptionLimitExceeded", "The event subscription failed due to the number of simultaneous subscriptions."
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        stream = Stream()
        self._streams.append(stream)
        try:
            await response.write(b": \n\n")
            while True:
                ident, event = await stream.get()
                await response.write(f"id: {ident}\ndata: {json.dumps(event)}\n\n".encode())
        except ConnectionError:
            return response
        finally:
            if stream in self._streams:
                self._streams.remove(stream)

    async def _login(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            given = json.loads(await request.content.read(4096))
            user, password = given["UserName"], given["Password"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return _error(400, "MalformedJSON", "The request body submitted was malformed JSON or lacks UserName and Password.")
        if not self._right(str(user), str(password)):
            return _error(401, "InsufficientPrivilege", "User name or password are wrong.", {"WWW-Authenticate": "Basic"})
        self._expire()
        if len(self._sessions) >= MOST_SESSIONS:
            return _error(503, "SessionLimitExceeded", "The session establishment failed due to the number of simultaneous sessions.")
        token, session = secrets.token_hex(16), _Session(str(user), self._readout.clock.now())
        self._sessions[token] = session
        uri = self.tree.member(f"{_SESSIONS}/{session.ident}", "Session.v1_6_0", "User Session", {"UserName": session.user})
        return web.json_response(self.tree.read(uri), status=201, headers={"X-Auth-Token": token, "Location": uri})

    def _logout(self, path: str) -> web.StreamResponse:
        for token, session in self._sessions.items():
            if path == f"{_SESSIONS}/{session.ident}":
                del self._sessions[token]
                self.tree.remove(path)
                return web.Response(status=204)
        return _error(404, "ResourceMissingAtURI", "There is no such session.")

    def _known(self, request: web.BaseRequest) -> bool:
        self._expire()
        session = self._sessions.get(request.headers.get("X-Auth-Token", ""))
        if session is not None:
            session.used = self._readout.clock.now()
            return True
        scheme, _, told = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = b64decode(told, validate=True).decode().partition(":")
        except ValueError:
            return False
        return scheme.lower() == "basic" and self._right(user, password)

    def _right(self, user: str, password: str) -> bool:
        given, true = f"{user}:{password}".encode(), f"{self._account.user}:{self._account.password}".encode()
        return hmac.compare_digest(given, true)

    def _expire(self) -> None:
        now = self._readout.clock.now()
        for token in [token for token, session in self._sessions.items() if now - session.used > _TIMEOUT]:
            self.tree.remove(f"{_SESSIONS}/{self._sessions.pop(token).ident}")


def manager(readout: Readout, device: str, tree: Tree, ident: str, kind: str) -> None:
    """Add a manager, whose clock is the device's, and the chassis that it manages."""
    managers = tree.collection(f"{ROOT}/Managers", "Manager", "Manager Collection")
    tree.member(
        f"{managers}/{ident}",
        "Manager.v1_14_0",
        "Manager",
        {
            "DateTime": lambda: stamp(readout.now(device)),
            "DateTimeLocalOffset": "+00:00",
            "FirmwareVersion": "25.10-1",
            "LastResetTime": lambda: stamp(readout.condition(device).booted + readout.condition(device).ahead),
            "ManagerType": kind,
            "PowerState": "On",
            "Status": OK,
            "UUID": readout.uuid(f"{device}#{ident}"),
        },
    )


def stamp(seconds: float) -> str:
    """Write a time as BMCs do, with the offset in figures."""
    return iso(seconds).replace("Z", "+00:00")


def _error(status: int, key: str, text: str, headers: dict[str, str] | None = None) -> web.Response:
    told = {"@odata.type": "#Message.v1_1_1.Message", "Message": text, "MessageId": f"Base.1.18.{key}"}
    body = {"error": {"code": f"Base.1.18.{key}", "message": text, "@Message.ExtendedInfo": [told]}}
    return web.json_response(body, status=status, headers=headers)
