"""Studies: described in a file, run on an atlas, kept step by step, and reported beside the paper."""

from euclid_resolved.study.description import SHIPPED, Description, read_study
from euclid_resolved.study.runner import reproduce

__all__ = ["SHIPPED", "Description", "read_study", "reproduce"]
