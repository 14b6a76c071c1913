"""Why pictures cannot be had: what the many errors of downloads mean, in words that say what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from gan.errors import GanError

# gdown and torchvision say these in words alone, and their errors' classes come from libraries that may be missing.
_QUOTA = ("quota", "too many users", "many accesses", "429", "rate limit")
_NETWORK = ("URLError", "gaierror", "ConnectionError", "ConnectError", "Timeout", "TimeoutError", "ProxyError",
            "SSLError", "OfflineModeIsEnabled", "LocalEntryNotFoundError")  # fmt: skip
_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "no right to write there",
}


class DataError(GanError, ValueError):
    """Pictures that cannot be used; the message says what was given, what was expected, and what to do."""


def why_not(error: BaseException) -> str:
    """What a failed download means: over quota, no network, no room, a library that is missing, or its own words."""
    words = " ".join(str(error).split())[:300] or type(error).__name__
    causes = list(_causes(error))
    names = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    said = " ".join(str(cause) for cause in causes).lower()
    if "ModuleNotFoundError" in names or "'gdown' is required" in said:
        return f"a library is missing ({words}): pip install -r requirements.txt"
    for cause in causes:
        if isinstance(cause, OSError) and cause.errno in _DISK:
            return f"{_DISK[cause.errno]} ({words})"
    if "FileURLRetrievalError" in names or any(word in said for word in _QUOTA):
        return f"it is over quota for now ({words}): try again in a day"
    if names & set(_NETWORK) and "HTTPError" not in names:
        return f"the network or the server does not answer ({words}): check the connection"
    return f"the server refused or sent something else ({words})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
