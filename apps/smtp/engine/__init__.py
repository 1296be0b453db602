"""Carries many letters to one sending account over many connections at once, on one thread."""

from __future__ import annotations

from apps.smtp.engine.carrying import carry_many, engine_for
from apps.smtp.engine.loop import Engine, Report
from apps.smtp.engine.parcels import Bearer, Parcel, Settled

__all__ = ["Bearer", "Engine", "Parcel", "Report", "Settled", "carry_many", "engine_for"]
