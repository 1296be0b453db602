"""The Python packages: a `.venv` of our own, filled from a lock file with hashes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from setting_up import index
from setting_up.console import (
    CommandError,
    SetupError,
    failure,
    read_stamp,
    require_space,
    run,
    say,
    works,
    write_stamp,
)

PRODUCT_LOCK = "requirements.lock"
NEEDED_BYTES = 500 * 1024 * 1024
DEVELOPMENT_LOCK = "requirements-dev.lock"
NO_PIP = (
    "This Python can make no environment with pip in it, and no pip is to be found here: "
    "install your distribution's python3-venv (or pip, or uv) and start again"
)


def python_of(root: Path) -> Path:
    """Return the environment's own Python."""
    return root / ".venv" / "bin" / "python"


def ensure(root: Path, *, lock: str) -> None:
    """Make the environment hold what the lock names; does nothing when it does already."""
    stamp = root / ".venv" / ".set-up.json"
    wanted = {
        "environment": str(root / ".venv"),
        PRODUCT_LOCK: _digest(root / PRODUCT_LOCK),
        # The development lock holds the product's packages too.
        **({DEVELOPMENT_LOCK: _digest(root / DEVELOPMENT_LOCK)} if lock == DEVELOPMENT_LOCK else {}),
    }
    noted = read_stamp(stamp)
    if all(noted.get(name) == value for name, value in wanted.items()) and os.access(python_of(root), os.X_OK):
        return
    _require_own(root)
    require_space(root, needed_bytes=NEEDED_BYTES)
    log = root / ".cache" / "setup-python.log"
    log.write_text("")
    # An environment that was moved keeps its old paths inside.
    was_moved = noted.get("environment", wanted["environment"]) != wanted["environment"]
    if was_moved or not _is_usable(python_of(root)):
        _make_environment(root, log)
    say("Installing the Python packages (a minute or so the first time).")
    stamp.unlink(missing_ok=True)
    install(root, root / lock, log=log, into=["--python", str(python_of(root))])
    write_stamp(stamp, wanted)


def _require_own(root: Path) -> None:
    target = root / ".venv"
    if target.is_symlink():
        raise SetupError(
            f"{target} is a link to {target.readlink()}: set-up changes no environment that lies elsewhere. "
            f"Remove the link (rm {target}) and start again; set-up then makes an environment of its own."
        )


def install(root: Path, lock: Path, *, log: Path, into: list[str]) -> None:
    """Install a lock with uv, which is fast, else with pip.

    Raises:
        SetupError: neither could; the message names the likely cause and the log.
    """
    pip = _pip(root, log)
    uv = _uv(root, pip, log)
    requirements = ["--require-hashes", "-r", str(lock)]
    if uv:
        try:
            run([uv, "pip", "install", *into, *requirements], log=log, folder=root, environment=index.uv_environment())
            return
        except CommandError:
            pass
    if pip is None:
        if uv is None:
            raise SetupError(f"{NO_PIP} ({log}).")
        raise _no_packages(log)
    where = [part for part in into if part not in ("--python", str(python_of(root)))]
    try:
        run([*pip, "install", *where, *requirements], log=log, folder=root, environment=_pip_environment())
    except CommandError:
        raise _no_packages(log) from None


def _no_packages(log: Path) -> SetupError:
    return failure(
        "Installing the Python packages",
        log=log,
        cause="the package index could not be reached or does not have them; is there a network connection?",
    )


def _make_environment(root: Path, log: Path) -> None:
    """Make `.venv`, whatever parts of Python the distribution has left out."""
    target = root / ".venv"
    version = ".".join(map(str, sys.version_info[:3]))
    say(f"Making the environment .venv with Python {version}.")
    if target.exists():
        shutil.rmtree(target)
    base = getattr(sys, "_base_executable", sys.executable)
    ways: list[list[str]] = [[base, "-m", "venv", str(target)], [base, "-m", "venv", "--without-pip", str(target)]]
    ways += [[tool, "--quiet", str(target)] for tool in [shutil.which("virtualenv")] if tool]
    ways += [[tool, "venv", "--python", base, str(target)] for tool in [shutil.which("uv")] if tool]
    for way in ways:
        try:
            run(way, log=log, folder=root, environment=_pip_environment())
            return
        except CommandError:
            if target.exists():
                shutil.rmtree(target)
    raise failure("Making the environment .venv", log=log, cause="install your distribution's python3-venv")


def _pip(root: Path, log: Path) -> list[str] | None:
    """Return how to run pip for the environment; brings pip into it where the distribution has left it out."""
    python = str(python_of(root))
    own = [python, "-m", "pip"]
    if works([*own, "--version"]):
        return own
    wheel = index.local_pip_wheel() or index.fetch_pip(root / ".cache") or _wheel_of_distribution(root / ".cache", log)
    if wheel:
        try:
            run([python, f"{wheel}/pip", "install", "--no-index", str(wheel)], log=log, folder=root)
            return own
        except CommandError:
            pass
    outside = [getattr(sys, "_base_executable", sys.executable), "-m", "pip", "--python", python]
    return outside if works([*outside, "--version"]) else None


def _wheel_of_distribution(cache: Path, log: Path) -> Path | None:
    """Take pip's wheel out of the distribution's package, which needs no root and installs nothing."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return None
    folder = cache / "pip-package"
    shutil.rmtree(folder, ignore_errors=True)
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True)
    # Lists of our own: the system's may be missing, and changing them takes root.
    options = ["-q", "-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder}"]
    try:
        run(["apt-get", *options, "update"], log=log, folder=folder)
        run(["apt-get", *options, "download", "python3-pip-whl"], log=log, folder=folder)
        for package in folder.glob("*.deb"):
            run(["dpkg-deb", "-x", str(package), str(folder)], log=log, folder=folder)
    except CommandError:
        return None
    return max(folder.glob("usr/share/python-wheels/pip-*.whl"), default=None)


def _uv(root: Path, pip: list[str] | None, log: Path) -> str | None:
    """Return a uv: on PATH, in the environment, else the lock's own release installed into the cache."""
    found = shutil.which("uv")
    if found and works([found, "pip", "install", "--help"]):
        return found
    own, cached = root / ".venv" / "bin" / "uv", root / ".cache" / "uv" / "bin" / "uv"
    for candidate in (own, cached):
        if works([candidate, "--version"]):
            return str(candidate)
    block = re.search(r"^uv==(?:.*\\\n)+.*$", (root / DEVELOPMENT_LOCK).read_text(encoding="utf-8"), re.MULTILINE)
    if pip is None or block is None:
        return None
    lock = root / ".cache" / "uv.lock"
    lock.write_text(block[0] + "\n", encoding="utf-8")
    shutil.rmtree(cached.parents[1], ignore_errors=True)
    command = [*pip, "install", "--require-hashes", "--no-deps", "--target", str(cached.parents[1]), "-r", str(lock)]
    try:
        run(command, log=log, folder=root, environment=_pip_environment())
    except CommandError:
        return None
    return str(cached) if works([cached, "--version"]) else None


def _pip_environment() -> Mapping[str, str]:
    # A machine without a network shall hear so soon; PIP_RETRIES given from outside wins.
    defaults = {
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_RETRIES": "2",
        "PIP_PROGRESS_BAR": "off",
    }
    unwanted = ("PIP_TARGET", "PIP_PREFIX", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PYTHONPATH", "PYTHONHOME")
    return {**defaults, **{name: value for name, value in os.environ.items() if name not in unwanted}}


def _is_usable(python: Path) -> bool:
    try:
        done = subprocess.run(
            [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
