"""The deep neural network of Euclid preparation LXVIII: Keras trains it, compiled code runs it."""

from euclid_resolved_dnn.estimator import DeepNetwork
from euclid_resolved_dnn.plotting import plot_history

__all__ = ["DeepNetwork", "plot_history"]
