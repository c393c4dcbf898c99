from ._description import read_study as read_study
from ._reproduce import reproduce as reproduce
