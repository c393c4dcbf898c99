"""What workers are given to do in tests: a module that they can import, wherever the tests are run from."""

import os
from uuid import uuid4

from euclid_resolved.survey import _piece


def die_once(piece, marker):
    """Map a piece, but take the worker down the first time that it is this one."""
    if piece["name"] == "galaxy2":
        try:
            os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), 9)
    return _piece.map_piece(piece)


def die(piece):
    """Map a piece, but take the worker down whenever it is this one."""
    if piece["name"] == "galaxy2":
        os.kill(os.getpid(), 9)
    return _piece.map_piece(piece)


def grow_or_die_once(estimator, missing, drawn, marks):
    """Grow a tree and leave a mark, but take the worker down the first time that the fourth is begun."""
    (marks / f"begun {uuid4()}").touch()
    if len(list(marks.glob("begun *"))) >= 4:
        try:
            os.close(os.open(marks / "killed", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), 9)
    tree = estimator._grow_on(*drawn, missing)
    (marks / f"grown {uuid4()}").touch()
    return tree


def train_or_die(job, work, log, often):
    """Work for a study, but take the worker down at the first training of a forest, or at each of them."""
    from euclid_resolved.study import _spread

    if isinstance(work, _spread.Training):
        forest = work.label == "RF"
        with open(log, "a+") as file:
            file.seek(0)
            kill = forest and (often or "killed" not in file.read())
            file.write("killed begun\n" if kill else "begun\n")
        if kill:
            os.kill(os.getpid(), 9)
    return _spread._do(job, work)
