"""From pictures to a model folder: the loop, one step of it, what it writes, and what it notices about itself."""
