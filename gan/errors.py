"""What went wrong, in one sentence for the person who asked."""

from __future__ import annotations

import torch


class GanError(Exception):
    """Something that cannot be done; the message says what was given, what was expected, and what to do."""


def explain(error: BaseException) -> tuple[str, int]:
    """An error in one sentence, and a command's exit status: 2, to be put right; 1, an error of ours; 128 + signal."""
    if isinstance(error, GanError):
        return str(error), 2
    if isinstance(error, KeyboardInterrupt):
        return f"stopped ({str(error) or 'SIGINT'})", getattr(error, "status", 130)
    if out_of_memory(error):
        return f"out of memory ({line(error)}): end other programs, or ask for less at a time", 2
    if isinstance(error, OSError):
        where = f" at {error.filename}" if error.filename else ""
        return f"{error.strerror or line(error)}{where}: give another place, or put that right and try again", 2
    return f"an unforeseen {type(error).__name__} ({line(error)}): --debug shows where, please report it", 1


def line(error: BaseException) -> str:
    """What an error says, as part of a sentence."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch has several, some of nothing but words."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    told = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    theirs = isinstance(error, RuntimeError) and not isinstance(error, GanError)
    return theirs and any(text in str(error).lower() for text in told)
