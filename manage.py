#!/usr/bin/env python
"""The command line of VashSender; finds the running installation by itself."""

import json
import os
import sys
from pathlib import Path
from typing import NoReturn

# These work without a database; everything else needs a running installation or DATABASE_URL.
STANDALONE = {
    "help",
    "version",
    "check",
    "collectstatic",
    "makemessages",
    "compilemessages",
    "makemigrations",
    "diffsettings",
    "drill",
    "--help",
    "-h",
    "--version",
}


def main() -> None:
    """Run one management command."""
    root = Path(__file__).resolve().parent
    if sys.prefix == sys.base_prefix and (root / ".venv").is_dir():
        sys.exit(f"Use the installation's own Python: {root / '.venv/bin/python'} manage.py {' '.join(sys.argv[1:])}")
    from settings.env import default_settings_module, env

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", default_settings_module())
    command = sys.argv[1] if len(sys.argv) > 1 else "help"
    if not env.database_url and command not in STANDALONE and "--help" not in sys.argv:
        _leave(
            f"VashSender is not running on the data folder {env.data_dir}. Start it with scripts/start "
            "(add --data DIR or set VASHSENDER_DATA for another folder), or set DATABASE_URL and REDIS_URL."
        )
    if command == "health_check":
        _load_settings()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def _load_settings() -> None:
    """Read the settings now, so that what is wrong with them is an answer and not a traceback."""
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        settings.INSTALLED_APPS  # noqa: B018 - reading it loads the settings
    except ImproperlyConfigured as error:
        _leave(str(error))


def _leave(sentence: str) -> NoReturn:
    """Say why nothing was done; `health_check` promises 3 for "could not check"."""
    if sys.argv[1:2] != ["health_check"]:
        sys.exit(sentence)
    sys.stderr.write(sentence + "\n")
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps({"status": "unknown", "detail": sentence, "checks": []}) + "\n")
    sys.exit(3)


if __name__ == "__main__":
    main()
