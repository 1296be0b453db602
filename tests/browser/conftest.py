"""The browser that pages of single tests are opened in; the whole job has an installation of its own."""

from tests.web.conftest import browser, chromium_path, complaints, open_page, take_picture

__all__ = ["browser", "chromium_path", "complaints", "open_page", "take_picture"]
