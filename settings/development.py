"""The default: what `scripts/start` runs on one machine, with DEBUG only where VASHSENDER_DEBUG=1 asks for it."""

from settings.base import *  # noqa: F403
from settings.env import env

DEBUG = env.vashsender_debug
