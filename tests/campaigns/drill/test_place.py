"""A drill knows no installation: every name that the settings read is its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps.campaigns.drill import place
from apps.campaigns.drill.plan import Plan
from settings.env import Environment


def test_every_name_the_settings_read_is_given(tmp_path: Path) -> None:
    given = place.environment(
        place.surroundings(), tmp_path, Plan(), database_url="postgresql://own", redis_url="redis+socket://own"
    )

    read = {(field.alias or name).upper() for name, field in Environment.model_fields.items()}
    assert read - given.keys() == set()


def test_what_names_an_installation_stays_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {
        "DATABASE_URL": "postgresql://theirs",
        "REDIS_URL": "redis://theirs",
        "BROKER_URL": "amqp://theirs",
        "VASHSENDER_DATA": "/srv/theirs",
        "VASHSENDER_SECRET_KEY": "theirs",
        "DJANGO_SETTINGS_MODULE": "settings.production",
        "PGHOST": "theirs",
        "CELERY_BROKER_URL": "amqp://theirs",
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)

    given = place.environment(
        place.surroundings(), tmp_path, Plan(), database_url="postgresql://own", redis_url="redis+socket://own"
    )

    assert [name for name, value in given.items() if "theirs" in value] == []
    assert not given.keys() & {"PGHOST", "CELERY_BROKER_URL"}
    assert (given["DATABASE_URL"], given["BROKER_URL"]) == ("postgresql://own", "redis+socket://own")
    assert given["DJANGO_SETTINGS_MODULE"] == "settings.drill"
