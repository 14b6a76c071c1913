"""A model folder by its path, or by its id on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from gan.run import RunError

LOCAL_FOLDERS = (".", "..", "weights", "runs")  # where models are; never a user of the Hugging Face Hub


def local_folder(folder_or_hub_id: str | Path) -> Path:
    """The model folder, downloaded where it is a Hub id; raises `RunError`.

    What begins with a folder that is here, or with one of `LOCAL_FOLDERS`, is a path, if it is there or not.
    """
    folder = Path(folder_or_hub_id).expanduser()
    parts = folder_or_hub_id.split("/") if isinstance(folder_or_hub_id, str) else []
    if not 2 <= len(parts) <= 3 or not all(parts) or parts[0] in LOCAL_FOLDERS or Path(parts[0]).expanduser().exists():
        return folder
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
    except ImportError:
        raise RunError(
            f"{folder_or_hub_id} is no folder here, and reading it from the Hub needs `pip install huggingface_hub`"
        ) from None
    inside = "/".join(parts[2:])
    try:
        root = snapshot_download(
            "/".join(parts[:2]), allow_patterns=[f"{inside}/*" if inside else "*"], ignore_patterns=["*checkpoint/*"]
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise RunError(
            f"{folder_or_hub_id} is neither a model folder here nor readable on the Hugging Face Hub "
            f"({type(error).__name__}): check the name, and the network"
        ) from error
    return Path(root) / inside
