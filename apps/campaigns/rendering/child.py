"""The child process in which unchecked content is compiled and tried: few resources, no files, no network."""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import replace

from django.conf import settings

from apps.campaigns.rendering import freezing, values
from apps.campaigns.rendering.errors import RenderingError
from apps.campaigns.rendering.types import Source

CPU_SECONDS = 2
_LOADED_LATE = (
    "encodings.ascii", "encodings.idna", "encodings.latin_1", "encodings.punycode", "encodings.unicode_escape",
    "encodings.utf_16", "idna.idnadata", "idna.uts46data",
    "jinja2.debug", "jinja2.ext", "_strptime", "traceback", "linecache", "stringprep",
)  # fmt: skip
_WARM_UP = Source(
    subject="{{ x }}",
    preheader="",
    html="<html><head><style>@media (max-width:1px){p{color:red}} p{color:red;margin:0}</style></head><body><p>"
    '<a href="https://xn--e1afmkfd.example/?\u00e9={{ x }}">a</a><a href="https://example.com/">a</a></p></body></html>',
    text="",
    from_name="",
    from_email="a@example.com",
    reply_to="",
    postal_address="",
)  # fmt: skip


def main() -> None:
    """Read one request from standard input, answer on standard output."""
    settings.configure(USE_I18N=False)  # the parent words the sentence again in its reader's language
    logging.disable(logging.CRITICAL)
    _warm_up()
    _give_up_resources()
    request = json.load(sys.stdin.buffer)
    sys.stdout.buffer.write(json.dumps(_answer(request)).encode())
    sys.stdout.buffer.flush()
    os._exit(0)


def _warm_up() -> None:
    """Load what is loaded on first use, while files can still be opened: the good way, and the ways it fails."""
    for module in _LOADED_LATE:
        importlib.import_module(module)
    freezing.build(_WARM_UP, ())
    for broken in ("{% if %}", "{{ x.y() }}", "{{ x|nosuch }}", "{{ 1/0 }}", "{{ [[1]] }}", "{{ '\\u00e9' ~ x }}"):
        with contextlib.suppress(RenderingError):
            freezing.build(replace(_WARM_UP, html=broken), ())


def _give_up_resources() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))  # standard streams only: no file, no socket, no program


def _answer(request: Mapping[str, object]) -> dict[str, object]:
    source, samples = request["source"], request["samples"]
    assert isinstance(source, dict) and isinstance(samples, list)
    try:
        build = freezing.build(Source(**source), [_fields(sample) for sample in samples])
    except RenderingError as error:
        return {"code": error.code, "params": dict(error.params)}
    except (MemoryError, RecursionError):
        return {"code": "too_heavy", "params": {}}
    except Exception as error:  # noqa: BLE001  the outermost loop of this process
        return {"code": "styles", "params": {"detail": type(error).__name__}}
    return {"frozen": build.frozen.to_json(), "names": dict(build.names)}


def _fields(sample: object) -> dict[str, object]:
    fields = values.from_json(sample)
    assert isinstance(fields, dict)
    return dict(fields)
