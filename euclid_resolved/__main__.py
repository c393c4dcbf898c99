"""Run the command line, as ``euclid-resolved`` or ``python -m euclid_resolved``."""

import sys


def run() -> int:
    """Run the command line; what is imported for it may be interrupted as well.

    Returns
    -------
    code : int
        The exit code.

    Examples
    --------
    >>> import sys
    >>> from euclid_resolved.__main__ import run
    >>> sys.argv = ["euclid-resolved", "plugins", "--check", "colours"]
    >>> run()
    features colours: ok
    0
    """
    try:
        from euclid_resolved.cli._main import main

        return main()
    except KeyboardInterrupt:
        print("euclid-resolved: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(run())
