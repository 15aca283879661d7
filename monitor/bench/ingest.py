"""`dcmon bench ingest`: DSX messages from a real nats-server through session, decode, history's door and rules."""

import asyncio
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from monitor.bench.load import Load
from monitor.clock import WallClock
from monitor.collect.dsx import Dsx
from monitor.collect.session import Session
from monitor.config import MqttLink, Time
from monitor.detect.core import Core
from monitor.detect.rules import RuleSet
from monitor.plant import Plant
from monitor.simulate.broker import demo_broker
