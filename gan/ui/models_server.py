"""What browsers may ask of the server about its models, as plain JSON; what cannot be is a `GanError`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from gan.report.brief import brief
from gan.report.overview import read_page, row
from gan.run import (
    CARD_FILE,
    CONFIG_FILE,
    DETAILS_FILE,
    HISTORY_FILE,
    METRICS_FILE,
    MODEL_FILE,
    NOTES_FILE,
    PROGRESS_FILE,
)
from gan.titles import chapter_of
from gan.ui.library import Entry, Library, stamp_of
from gan.ui.places import breathe, price

_BEHIND_ROW = (MODEL_FILE, HISTORY_FILE, METRICS_FILE, CARD_FILE, DETAILS_FILE, NOTES_FILE, PROGRESS_FILE)
_BEHIND_BRIEF = (CONFIG_FILE, HISTORY_FILE, "samples")
_ROW_MILLISECONDS, _BRIEF_MILLISECONDS, _PAGE_MILLISECONDS = 60.0, 30.0, 10.0  # that one takes, about


class ModelsServer:
    """Answers of the Models tab, and of the cards beside choices of models; safe to use from many threads.

    Args:
        library: where the models come from.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._rows, self._briefs = _Known(_BEHIND_ROW, _ROW_MILLISECONDS), _Known(_BEHIND_BRIEF, _BRIEF_MILLISECONDS)

    def models_list(self, asked: dict) -> dict:
        """Every model that can be used, in the order of the story.

        Returns:
            {"models": of each what `gan.report.overview.row` tells}.
        """
        entries = sorted((e for e in self._library.entries() if not e.problem), key=lambda e: chapter_of(e.name))
        return {"models": self._rows.of(entries, lambda e: row(e.name, e.label, e.folder, e.info))}

    def models_brief(self, asked: dict) -> dict:
        """Every model whose config.json can be read.

        Returns:
            {"briefs": what `gan.report.brief.brief` tells of each, by name}.
        """
        entries = [entry for entry in self._library.entries() if entry.info]
        briefs = self._briefs.of(entries, lambda e: brief(e.name, e.folder, e.info))
        return {"briefs": {entry.name: told for entry, told in zip(entries, briefs, strict=True)}}

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


@functools.lru_cache(maxsize=1)
def server_of(library: Library) -> ModelsServer:
    """A page's one: what it knows of models is told once for the Models tab and for all cards."""
    return ModelsServer(library)


class _Known:
    """What was told of each model, until its files are others.

    Args:
        files: that it is told from.
        milliseconds: that telling of one takes, about.
    """

    def __init__(self, files: Sequence[str], milliseconds: float) -> None:
        self._files, self._milliseconds = files, milliseconds
        self._told: dict[str, tuple[tuple, dict]] = {}  # by model, with what its files were

    def of(self, entries: Sequence[Entry], tell: Callable[[Entry], dict]) -> list[dict]:
        """What is told of each of all models that there are."""
        answer = []
        for entry in entries:
            stamp = (entry.label, *(stamp_of(entry.folder / name) for name in self._files))
            known = self._told.get(entry.name)
            if known is None or known[0] != stamp:
                price(self._milliseconds)
                breathe()
                known = self._told[entry.name] = stamp, tell(entry)
            answer.append(known[1])
        for gone in self._told.keys() - {entry.name for entry in entries}:
            self._told.pop(gone, None)
        return answer
