"""Redfish services of the plant's controllers: one each, or one for the pod."""

from monitor.simulate.devices.readout import Readout
from monitor.simulate.devices.redfish import cdu, reports, shelf, switches, tray
from monitor.simulate.devices.redfish.events import Watch
from monitor.simulate.devices.redfish.service import Account, Service, manager
from monitor.simulate.devices.redfish.tree import Branch, Tree

__all__ = ["Account", "Controllers"]

_KINDS = {
    "tray": (tray.add, "BMC_0", "BMC"),
    "shelf": (shelf.add, "PMC_0", "EnclosureManager"),
    "cdu": (cdu.add, "CDU_0", "ManagementController"),
}


class Controllers:
    """All Redfish services of a pod.

    Each controller has a service and a port of its own, as in a hall; a reboot closes it. With `each` off, one service has
    all: ids of chassis, systems, managers, equipment and reports then begin with the asset's id, `/` written as `_`
    (`R01_tray3_Chassis_0`), and the resources of a device that is down are answered by 503, as an aggregator would.

    Args:
        readout: of the plant.
        host: to listen on.
        port: of the one service, 0 for a free one; must be 0 with `each`.
        each: a service a controller.
        account: who may log in.
        most: members of a collection on one page, None for all.

    """

    def __init__(
        self, readout: Readout, host: str, port: int = 0, *, each: bool = True, account: Account | None = None, most: int | None = None
    ) -> None:
        self._readout, self.account = readout, account or Account()
        layout = readout.physics.layout
        kinds = {device: kind for kind in ("tray", "shelf", "cdu") for device in layout.ids(kind)}
        kinds |= {layout.source(switch): "switches" for switch in layout.ids("switch")}
        prefixes = {device: "" if each else readout.name(device).replace("/", "_") + "_" for device in kinds}
        groups = [[device] for device in kinds] if each else [list(kinds)]
        self.services: dict[str, Service] = {}
        for group in groups:
            tree = Tree()
            for device in group:
                _grow(readout, device, kinds[device], tree, prefixes[device])
            service = Service(readout, {prefixes[device]: device for device in group}, tree, host, port, account=self.account, most=most)
            self.services |= dict.fromkeys(group, service)
        self.doors = dict(self.services) if each else {}
        self._watch = Watch(readout, prefixes)

    async def open(self) -> None:
        for service in dict.fromkeys(self.services.values()):
            await service.open()

    async def shut(self) -> None:
        for service in dict.fromkeys(self.services.values()):
            await service.shut()

    def addresses(self) -> dict[str, str]:
        """Return the base URL of each controller's service, by the device's outside id."""
        return {self._readout.name(device): service.door.url for device, service in self.services.items()}

    @property
    def lost(self) -> int:
        """Events that slow listeners did not get."""
        return sum(service.lost for service in dict.fromkeys(self.services.values()))

    def follow(self) -> None:
        """Send the events of the plant's last step."""
        for device, record in self._watch.look():
            self.services[device].tell(record)


def _grow(readout: Readout, device: str, kind: str, tree: Tree, prefix: str) -> None:
    before = set(tree.readings)
    branch = Branch(tree, readout, device, prefix)
    if kind == "switches":
        switches.add(branch)
        manager(readout, device, tree, f"{prefix}BMC_0", "BMC")
    else:
        add, ident, about = _KINDS[kind]
        add(branch)
        manager(readout, device, tree, f"{prefix}{ident}", about)
        if kind == "tray":
            manager(readout, device, tree, f"{prefix}HGX_BMC_0", "BMC")
    reports.add(readout, device, tree, prefix, [uri for uri in tree.readings if uri not in before])
