"""A small, seeded part of the campaign of damaged files and spoilt writers, with the limits of its cases."""

import subprocess
import sys

import pytest
from helpers import ROOT

pytestmark = pytest.mark.slow


def test_a_small_campaign():
    numbers = ["--n", "132", "--kills", "12", "--disks", "12", "--answers", "12", "--seed", "14"]
    words = [sys.executable, ROOT / "benchmarks" / "hostile.py", *numbers]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    head, *rows = done.stdout.splitlines()
    assert "silent change" in head and len(rows) == 14
    for row in rows:
        tried, clean, *wrong = map(int, row.split()[-7:])
        assert tried == clean == 12 and not any(wrong)
