"""Stops reading an uploaded file at the cap, so that nobody can fill the disk with one request."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile

MAX_BYTES = 100 * 1024 * 1024


class CappedUploadHandler(FileUploadHandler):
    """Lets 100 MB of files through per request; what goes beyond is drained, and the request says so."""

    received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Pass the piece on to the next handler, or skip the rest of the file."""
        self.received += len(raw_data)
        if self.received > MAX_BYTES:
            if self.request is not None:
                self.request.upload_too_big = True  # type: ignore[attr-defined]  # read by the import page
            raise SkipFile
        return raw_data

    def file_complete(self, file_size: int) -> UploadedFile[Any] | None:
        """Leave the file to the next handlers."""
        return None
