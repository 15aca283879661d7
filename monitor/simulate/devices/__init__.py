"""Devices of the simulated pod that speak for themselves: dcgm-exporter, Redfish, Modbus TCP, SNMP and syslog."""

from monitor.simulate.devices.redfish import Account
from monitor.simulate.devices.serve import WIRES, Addresses, Devices, Options, serve
from monitor.simulate.devices.snmp import Access

__all__ = ["WIRES", "Access", "Account", "Addresses", "Devices", "Options", "serve"]
