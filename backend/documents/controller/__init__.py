"""The routes of documents."""

from backend.documents.controller.documents import DocumentController
from backend.documents.controller.reading import ReadingController

controllers = [DocumentController, ReadingController]

__all__ = ["controllers"]
