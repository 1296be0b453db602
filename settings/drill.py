"""The drill's own processes: everything they use is named by the environment that the drill made, and thrown away.

No installation reads this module, and it reads none: `manage.py drill` names every variable of `settings.env` itself.
"""

from __future__ import annotations

import os

from settings import celery as celery_settings
from settings.base import *  # noqa: F403
from settings.clocks import chosen
from settings.env import env

LIMITS = chosen(os.environ.get("VASHSENDER_DRILL_CLOCK", ""), os.environ.get("VASHSENDER_DRILL_LIMITS", ""))
LOCAL_INBOX_OFFERED = False
CELERY = celery_settings.configuration(broker_url=env.given_redis_url or "memory://", limits=LIMITS)
