"""Which package index this machine is configured for: set-up names no host and asks pip's own settings."""

from __future__ import annotations

import configparser
import html.parser
import os
import re
import ssl
import sys
import sysconfig
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

_CERTIFICATES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def setting(name: str) -> str:
    """Return one of pip's settings: its environment variable first, then its files."""
    given = os.environ.get("PIP_" + name.upper().replace("-", "_"))
    if given:
        return given
    found = ""
    for path in _files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            found = parser.get(section, name, fallback="") or found
    return found.strip()


def certificates() -> str:
    """Return the file of certificates that downloads shall trust; empty for the system's own."""
    return next((value for name in _CERTIFICATES if (value := os.environ.get(name))), setting("cert"))


def uv_environment() -> dict[str, str]:
    """Return the environment in which uv uses what pip is configured for."""
    wanted = {
        "UV_DEFAULT_INDEX": setting("index-url"),
        "UV_INDEX": " ".join(setting("extra-index-url").split()),
        "UV_FIND_LINKS": ",".join(setting("find-links").split()),
        "SSL_CERT_FILE": certificates(),
        "UV_NO_INDEX": "1" if setting("no-index").lower() in ("1", "true", "yes", "on") else "",
        "UV_HTTP_TIMEOUT": setting("timeout") or setting("default-timeout") or "60",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
    }
    given = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    if "UV_INDEX_URL" in given:
        wanted["UV_DEFAULT_INDEX"] = ""
    return {**{name: value for name, value in wanted.items() if value}, **given}


def fetch_pip(folder: Path) -> Path | None:
    """Download pip's wheel from the configured index (PEP 503) into a folder; None when that is not possible."""
    index_url = setting("index-url") or os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
    if not index_url:
        return None
    context = ssl.create_default_context(cafile=certificates() or None)
    page_url = index_url.rstrip("/") + "/pip/"
    try:
        with urllib.request.urlopen(page_url, timeout=60, context=context) as answer:  # the user's own index
            links = _links(answer.read().decode("utf-8", "replace"))
        wheels = [link for link in links if re.search(r"/pip-\d+(\.\d+)+-py3-none-any\.whl(#|$)", link)]
        if not wheels:
            return None
        chosen = max(wheels, key=_version)
        address, _, fragment = urllib.parse.urljoin(page_url, chosen).partition("#")
        target = folder / address.rpartition("/")[2]
        with urllib.request.urlopen(address, timeout=60, context=context) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError, ValueError):
        return None
    if not _has_hash(content, fragment):
        return None
    target.write_bytes(content)
    return target


def local_pip_wheel() -> Path | None:
    """Return a pip wheel that lies on this machine: the distribution's, or one in a find-links folder."""
    folders = [Path("/usr/share/python-wheels"), Path(sysconfig.get_path("stdlib")) / "ensurepip" / "_bundled"]
    folders += [Path(entry) for entry in setting("find-links").split() if "://" not in entry]
    wheels = [wheel for folder in folders if folder.is_dir() for wheel in folder.glob("pip-*-py3-none-any.whl")]
    return max(wheels, key=lambda wheel: _version(wheel.name), default=None)


def _files() -> list[Path]:
    home = Path(os.environ.get("HOME") or "/nonexistent")
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"), home / ".pip" / "pip.conf"]
    files += [configured / "pip" / "pip.conf", Path(sys.prefix) / "pip.conf"]
    given = os.environ.get("PIP_CONFIG_FILE")
    return [*files, Path(given)] if given else files


def _version(link: str) -> tuple[int, ...]:
    match = re.search(r"pip-(\d+(?:\.\d+)+)-", link)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def _has_hash(content: bytes, fragment: str) -> bool:
    import hashlib

    name, _, expected = fragment.partition("=")
    return name not in hashlib.algorithms_guaranteed or hashlib.new(name, content).hexdigest() == expected


class _LinkParser(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what anchors point to."""
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _links(page: str) -> list[str]:
    parser = _LinkParser()
    parser.feed(page)
    return parser.links
