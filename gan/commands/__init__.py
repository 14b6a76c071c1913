"""The commands of `python -m gan`, one module each: `ABOUT`, `add_options(parser)` and `execute(options)`."""
