"""ASDF files: what goes into them, and the checks before anything in one is believed."""
