"""Celery as if this host's clock had jumped: `python -m tests.chaos.shifted …` with CLOCK_SHIFT in seconds."""

from __future__ import annotations

import datetime as dt
import os
import sys

import time_machine

if __name__ == "__main__":
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=float(os.environ["CLOCK_SHIFT"]))
    with time_machine.travel(moment, tick=True):
        from celery.bin.celery import main

        sys.exit(main())
