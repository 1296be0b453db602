"""Set-up's own judgement: which Python, which index, which inputs; what it says when it cannot go on."""

from __future__ import annotations

import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.installation.folders import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

from setting_up import console, frontend, index, packages

WHEEL = b"a wheel"
CONFIGURED = ("PIP_", "UV_")


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(CONFIGURED):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(index, "_files", lambda: [tmp_path / "pip.conf"])


@pytest.fixture
def package_index(tmp_path: Path) -> Iterator[str]:
    """Serve an index of one page, with one good wheel and one that is not what the page says."""
    digest = hashlib.sha256(WHEEL).hexdigest()

    class Pages(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            links = [
                f'<a href="/files/pip-9.0-py3-none-any.whl#sha256={digest}">',
                f'<a href="/files/pip-23.1-py3-none-any.whl#sha256={digest}">',
                '<a href="/files/pip-24.0.tar.gz">',
            ]
            bad = [f'<a href="/files/pip-25.0-py3-none-any.whl#sha256={"0" * 64}">']
            body = {
                "/simple/pip/": "\n".join(links).encode(),
                "/changed/pip/": "\n".join(links + bad).encode(),
            }.get(self.path, WHEEL)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_old_python_is_one_sentence(tmp_path):
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    shutil.copy(ROOT / "scripts" / "python-on-path", scripts)
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    for tool in ("dirname", "sh"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")

    done = subprocess.run(
        [scripts / "python-on-path", "-c", ""], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stderr == (
        "VashSender needs Python 3.11 or newer on PATH, and here is Python 3.9.2: install one and start again.\n"
    )


def test_help_and_wrong_options_need_no_set_up(tmp_path):
    for folder in ("scripts", "core"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))

    helped = subprocess.run([tmp_path / "scripts" / "start", "--help"], capture_output=True, text=True, check=False)
    wrong = subprocess.run([tmp_path / "scripts" / "start", "--prt"], capture_output=True, text=True, check=False)

    assert (helped.returncode, wrong.returncode) == (0, 2)
    assert "--data DIR" in helped.stdout
    assert not (tmp_path / ".venv").exists()


def test_reads_pips_settings_from_files_and_lets_the_environment_win(tmp_path, monkeypatch):
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://index.invalid/simple\ncert = /ca.pem\n[install]\nfind-links = /wheels\n"
    )

    assert index.setting("index-url") == "https://index.invalid/simple"
    assert index.setting("find-links") == "/wheels"
    monkeypatch.setenv("PIP_INDEX_URL", "https://other.invalid/simple")
    assert index.setting("index-url") == "https://other.invalid/simple"
    assert index.setting("extra-index-url") == ""


def test_hands_pips_settings_to_uv(monkeypatch, tmp_path):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("PIP_CERT", "/ca.pem")
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", "/a /b")

    environment = index.uv_environment()

    assert environment["UV_DEFAULT_INDEX"] == "https://index.invalid/simple"
    assert environment["UV_FIND_LINKS"] == "/a,/b"
    assert environment["SSL_CERT_FILE"] == "/ca.pem"
    assert "UV_INDEX" not in environment


def test_fetches_the_newest_pip_from_the_configured_index(package_index, tmp_path, monkeypatch):
    assert index.fetch_pip(tmp_path) is None

    monkeypatch.setenv("PIP_INDEX_URL", f"{package_index}/simple")
    fetched = index.fetch_pip(tmp_path)

    assert fetched == tmp_path / "pip-23.1-py3-none-any.whl"
    assert fetched.read_bytes() == WHEEL


def test_refuses_a_pip_that_is_not_what_the_index_says(package_index, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", f"{package_index}/changed")

    assert index.fetch_pip(tmp_path) is None
    assert list(tmp_path.glob("*.whl")) == []


def test_an_index_that_does_not_answer_gives_no_pip(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")

    assert index.fetch_pip(tmp_path) is None


@pytest.mark.parametrize(
    ("logged", "said"),
    [
        ("OSError: [Errno 28] No space left on device", "failed because the disk is full"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "was refused: what was downloaded is not what the lock"),
        ("Temporary failure in name resolution", "failed: is there a network connection?"),
    ],
)
def test_tells_the_cause_of_a_failed_step(tmp_path, logged, said):
    log = tmp_path / "setup.log"
    log.write_text(logged)

    sentence = str(console.failure("Installing", log=log, cause="is there a network connection?"))

    assert said in sentence
    assert str(log) in sentence


def test_a_second_set_up_waits_for_the_first(tmp_path, capsys):
    order = []

    def second() -> None:
        with console.alone(tmp_path):
            order.append("second")

    with console.alone(tmp_path):
        rival = threading.Thread(target=second)
        rival.start()
        rival.join(0.3)
        order.append("first")
    rival.join()

    assert order == ["first", "second"]
    assert "Another set-up is at work here; waiting for it." in capsys.readouterr().out


def test_what_has_been_set_up_is_not_set_up_again(tmp_path, monkeypatch):
    for name in (packages.PRODUCT_LOCK, packages.DEVELOPMENT_LOCK):
        (tmp_path / name).write_text("")
    (tmp_path / ".cache").mkdir()
    installed = []
    monkeypatch.setattr(packages, "install", lambda _root, lock, **_: installed.append(lock.name))

    packages.ensure(tmp_path, lock=packages.DEVELOPMENT_LOCK)
    packages.ensure(tmp_path, lock=packages.DEVELOPMENT_LOCK)
    packages.ensure(tmp_path, lock=packages.PRODUCT_LOCK)
    assert installed == [packages.DEVELOPMENT_LOCK]

    (tmp_path / packages.PRODUCT_LOCK).write_text("changed")
    packages.ensure(tmp_path, lock=packages.PRODUCT_LOCK)
    assert installed == [packages.DEVELOPMENT_LOCK, packages.PRODUCT_LOCK]


@pytest.mark.parametrize("exists", [True, False])
def test_an_environment_that_lies_elsewhere_is_left_alone_in_words(tmp_path, monkeypatch, exists):
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for folder in (root, elsewhere):
        folder.mkdir()
    for name in (packages.PRODUCT_LOCK, packages.DEVELOPMENT_LOCK):
        (root / name).write_text("")
    (root / ".venv").symlink_to(elsewhere if exists else tmp_path / "nowhere")
    monkeypatch.setattr(packages, "install", lambda *_, **__: pytest.fail("installed into it"))

    with pytest.raises(console.SetupError, match=r"\.venv is a link to .*: set-up changes no environment"):
        packages.ensure(root, lock=packages.PRODUCT_LOCK)

    assert (root / ".venv").is_symlink()
    assert elsewhere.is_dir()


def test_a_changed_page_is_a_changed_input_of_the_front_end(tmp_path):
    page = tmp_path / "apps" / "web" / "templates" / "web" / "home.html"
    for path in (page, tmp_path / "frontend" / "src" / "app.css", tmp_path / "frontend" / "dist" / "app.css"):
        path.parent.mkdir(parents=True)
        path.write_text("first")
    first = frontend._digest_of_inputs(tmp_path)

    (tmp_path / "frontend" / "dist" / "app.css").write_text("built")
    assert frontend._digest_of_inputs(tmp_path) == first
    page.write_text("second")
    assert frontend._digest_of_inputs(tmp_path) != first


@pytest.mark.parametrize(
    ("version", "is_good"),
    [("v18.20.0", False), ("v20.18.3", False), ("v20.19.0", True), ("v21.7.0", False), ("v22.12.0", True), ("", False)],
)
def test_takes_a_node_that_the_build_runs_on(tmp_path, monkeypatch, version, is_good):
    for name in ("node", "npm"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {version}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert frontend._is_good_node_on_path() is is_good
