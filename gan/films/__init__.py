"""A training as something to watch, and films as files."""
