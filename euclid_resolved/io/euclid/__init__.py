"""Euclid's own files: cut-outs, mosaics and tiles."""
