"""Figures of a training."""

__all__ = ["plot_history"]


def plot_history(estimator, ax=None):
    """Draw how a network learned: its loss on training and validation pixels, and the learning rate.

    Parameters
    ----------
    estimator : `~euclid_resolved_dnn.DeepNetwork`
        Fitted, or from a model file.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; the current axes without it.

    Returns
    -------
    ax : `~matplotlib.axes.Axes`
    """
    import matplotlib.pyplot as plt

    history = estimator.history
    ax = plt.gca() if ax is None else ax
    epochs = range(1, len(history["loss"]) + 1)
    ax.plot(epochs, history["loss"], label="training")
    ax.plot(epochs, history["val_loss"], label="validation")
    best = int(history["val_loss"].argmin())
    ax.plot(best + 1, history["val_loss"][best], "o", color="C1", label="kept")
    ax.set(xlabel="epoch", ylabel="mean squared error (scaled)", yscale="log")
    rate = ax.twinx()
    rate.plot(epochs, history["learning_rate"], ":", color="0.5")
    rate.set(ylabel="learning rate", yscale="log")
    ax.plot([], [], ":", color="0.5", label="learning rate")
    ax.legend()
    return ax
