"""Estimators that come to no end in compiled code; a new interpreter can import them, too."""

import ctypes
import faulthandler
import os
import re

from euclid_resolved.estimators import LinearRegression


class Sleeps(LinearRegression):
    """Holds the lock of the interpreter while it sleeps, so that no thread of its process can help."""

    def restore(self, state):
        super().restore(state)
        if self._intercept == -1:
            ctypes.PyDLL(None).sleep(1000)
        return self


class Backtracks(LinearRegression):
    """A pattern that takes longer than the universe."""

    def restore(self, state):
        super().restore(state)
        if self._intercept == -1:
            re.match("(a+)+$", "a" * 60 + "b")
        return self


class Crashes(LinearRegression):
    """Reads where nothing is."""

    def restore(self, state):
        super().restore(state)
        if self._intercept == -1:
            faulthandler.disable()  # its trace would be no help
            ctypes.string_at(0)
        return self


class NeedsThreads(LinearRegression):
    """Waits for a thread that a fork does not have, as some libraries do."""

    home = os.getpid()  # where it is imported

    def restore(self, state):
        if os.getpid() != self.home:
            ctypes.PyDLL(None).sleep(1000)
        return super().restore(state)
