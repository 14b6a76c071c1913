"""What the Models tab's browser side may ask of the server, as plain JSON; what cannot be is a `GanError`."""

from __future__ import annotations

from gan.report.overview import read_page, row
from gan.run import CARD_FILE, DETAILS_FILE, HISTORY_FILE, METRICS_FILE, MODEL_FILE, NOTES_FILE, PROGRESS_FILE
from gan.titles import chapter_of
from gan.ui.library import Entry, Library, stamp_of
from gan.ui.places import breathe, price

_FILES = (MODEL_FILE, HISTORY_FILE, METRICS_FILE, CARD_FILE, DETAILS_FILE, NOTES_FILE, PROGRESS_FILE)  # behind a row
_ROW_MILLISECONDS, _PAGE_MILLISECONDS = 60.0, 10.0  # that one takes, about


class ModelsServer:
    """Answers of the Models tab; safe to use from many threads.

    Args:
        library: where the models come from.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._rows: dict[str, tuple[tuple, dict]] = {}  # by model, with what its files were

    def models_list(self, asked: dict) -> dict:
        """Every model that can be used, in the order of the story.

        Returns:
            {"models": of each what `gan.report.overview.row` tells}.
        """
        entries = sorted((e for e in self._library.entries() if not e.problem), key=lambda e: chapter_of(e.name))
        answer = {"models": [self._row(entry) for entry in entries]}
        for gone in self._rows.keys() - {entry.name for entry in entries}:
            self._rows.pop(gone, None)
        return answer

    def models_page(self, asked: dict) -> dict:
        """A page of a model, its card to begin with.

        Args:
            asked: {"name": of a model, "page": a file's name}.

        Returns:
            As `gan.report.overview.read_page`.
        """
        folder = self._library.entry(asked.get("name")).folder
        price(_PAGE_MILLISECONDS)
        return read_page(folder, asked.get("page"))

    def _row(self, entry: Entry) -> dict:
        stamp = (entry.label, *(stamp_of(entry.folder / name) for name in _FILES))
        known = self._rows.get(entry.name)
        if known is None or known[0] != stamp:
            price(_ROW_MILLISECONDS)
            breathe()
            known = self._rows[entry.name] = stamp, row(entry.name, entry.label, entry.folder, entry.info)
        return known[1]
