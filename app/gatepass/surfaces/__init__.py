"""One folder per dialect, the same three names inside: router.py, wire.py, refusals.py."""
