"""The coupled physics of GB200-class racks, their CDU, power and room, with the faults of early life; see `Physics`."""

from monitor.simulate.physics.faults import CONTROLS, FAULTS, Fault
from monitor.simulate.physics.kinds import FaultInfo
from monitor.simulate.physics.layout import Layout
from monitor.simulate.physics.parameters import SKUS, Parameters
from monitor.simulate.physics.plant import Physics, dew_point
from monitor.simulate.physics.recording import run

__all__ = ["CONTROLS", "FAULTS", "SKUS", "Fault", "FaultInfo", "Layout", "Parameters", "Physics", "dew_point", "run"]
