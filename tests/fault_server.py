"""The fault server under the name the tests know it by; it lives in `apps.smtp.faults`."""

from __future__ import annotations

from apps.smtp.faults.conversation import Letter, certificate
from apps.smtp.faults.script import ACTIONS, Fault
from apps.smtp.faults.server import FaultServer

__all__ = ["ACTIONS", "Fault", "FaultServer", "Letter", "certificate"]
