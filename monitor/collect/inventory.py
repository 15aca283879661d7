"""Assets that a person knows before any wire speaks of them: a plant file."""

from pathlib import Path

from pydantic import Field

from monitor import yamlfile
from monitor.config import Settings
from monitor.errors import ConfigError, Fault
from monitor.model import Phase
from monitor.plant import Plant
from monitor.vocabulary import KINDS


class PlannedAsset(Settings):
    kind: str
    parent: str | None = None
    serves: tuple[str, ...] = ()
    sku: str | None = None
    serial: str | None = None
    lot: str | None = None
    phase: Phase | None = None


class PlantFile(Settings):
    assets: dict[str, PlannedAsset] = Field(default_factory=dict)


def load(path: Path) -> Plant:
    """Read a plant file.

    Raises:
        ConfigError: every fault of it.
    """
    document, faults = yamlfile.read(path)
    file, found = yamlfile.validate(document, PlantFile) if not faults else (None, [])
    faults = [*faults, *found]
    plant = Plant()
    for name, planned in (file.assets if file is not None else {}).items():
        if planned.kind not in KINDS:
            faults.append(_unknown(document, name, planned.kind))
            continue
        told = {key: value for key in ("sku", "serial", "lot") if (value := getattr(planned, key)) is not None}
        plant.asset(name, planned.kind, parent=planned.parent, **told)
        for taker in planned.serves:
            plant.serve(name, taker)
        if planned.phase is not None:
            plant.set_phase(name, planned.phase)
    if faults:
        raise ConfigError(faults)
    return plant


def _unknown(document: yamlfile.Document, name: str, kind: str) -> Fault:
    return document.fault(("assets", name, "kind"), f'unknown kind "{kind}"; one of {", ".join(sorted(KINDS))}', value=True)
