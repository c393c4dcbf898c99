"""Train a U-Net on galaxies."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from euclid_resolved import EUCLID_BANDS, PROPERTIES, Galaxy, InputError, LinearRegression, Quality, train
from euclid_resolved.estimators import check_whole
from euclid_resolved.features import to_dex
from euclid_resolved.maps import get_property
from euclid_resolved.models import DEFAULT_CLIP
from euclid_resolved_unet.network import shapes, step
from euclid_resolved_unet.planes import Eyes, bin_edges, brightness_of
from euclid_resolved_unet.unet import MOST_WEIGHTS, UNet

__all__ = ["train_unet"]

_GOLDEN = 32  # pixels along a side of the golden image
_AROUND = 24  # pixels around those that are judged, which the network sees


def train_unet(
    galaxies: Sequence[Galaxy],
    properties: str | Sequence[str] = "all",
    *,
    bands: Sequence[str] = EUCLID_BANDS,
    clip: float | None = DEFAULT_CLIP,
    widths: Sequence[int] = (16, 24, 32, 48),
    bins: int = 8,
    epochs: int = 30,
    batch: int = 8,
    side: int = 48,
    learning_rate: float = 2e-3,
    ways: int = 8,
    seed: int = 1,
    progress: bool = True,
) -> UNet:
    """Train a small U-Net on the images and true maps of galaxies.

    Keras trains it and is imported only here. Pixels that a `~euclid_resolved.Model` would not judge, and
    those whose truth is not known, do not count in the loss; the network sees them all the same, unless they
    are masked or not finite. Pieces are cut at random places, turned and mirrored at random. The same seed
    gives the same network on the same machine and number of threads; global random states are left alone.
    An interrupt (Ctrl-C) ends the training, and nothing is kept.

    Parameters
    ----------
    galaxies : sequence of `~euclid_resolved.Galaxy`
        At least two, with images and maps.
    properties : str or sequence of str, optional
        ``"all"``, or names.
    bands : sequence of str, optional
    clip : float or None, optional
        Keep only pixels brighter than this, MJy/sr, as for `euclid_resolved.train`.
    widths : sequence of int, optional
        Planes at each level of the network, the finest first; the size halves from level to level. At most
        half a million weights may come of it.
    bins : int, optional
        Into how many bins, of as many training pixels each, the range of a property is cut.
    epochs : int, optional
        The length of the one cycle in which the learning rate rises and falls.
    batch, side : int, optional
        Pieces in a step of the optimiser, and pixels along a side of a piece.
    learning_rate : float, optional
        The highest.
    ways : int, optional
        Over how many ways to turn and mirror the image an estimate is the mean, 1 to 8. It takes as many
        times as long.
    seed : int, optional
        Of the first weights, the order and the places of pieces.
    progress : bool, optional
        Show a progress bar on a terminal.

    Returns
    -------
    unet : `~euclid_resolved_unet.UNet`

    Raises
    ------
    InputError
        If a setting or the galaxies cannot be used, or the network diverges.
    PluginError
        If Keras or its back-end is not installed.
    """
    names = tuple(PROPERTIES) if properties == "all" else properties
    names = tuple(get_property(n).name for n in ((names,) if isinstance(names, str) else names))
    for what, value, low, high in (
        ("bins", bins, 2, 256),
        ("epochs", epochs, 1, 100_000),
        ("batch", batch, 1, 4096),
        ("side", side, 8, 1024),
        ("ways", ways, 1, 8),
        ("seed", seed, 0, 2**63 - 1),
    ):
        check_whole(what, value, low)
        if value > high:
            raise InputError(f"{what} must be at most {high}, got {value}")
    bands = (bands,) if isinstance(bands, str) else tuple(bands)
    widths = _checked_widths(widths, len(bands) + 1, 2 * len(names) * bins)
    if side % step(len(widths)):
        raise InputError(f"side is a multiple of {step(len(widths))} for {len(widths)} levels, got {side}")
    if not isinstance(learning_rate, float) or not 0 < learning_rate < 1:
        raise InputError(f"learning_rate is a number between 0 and 1, got {learning_rate!r}")
    from euclid_resolved_unet.training import fit, keras_library

    keras = keras_library()  # rather now than after the galaxies were read
    galaxies = list(galaxies)
    guide = train(galaxies, names, LinearRegression(), bands=bands, clip=clip, seed=seed)
    light, truth = [], []
    scales = []
    for galaxy in galaxies:
        found = _example(galaxy, guide, names)
        if found is not None:
            light.append(found[0])
            truth.append(found[1])
            scales.append(found[2])
    counts = [np.isfinite(dex).all(axis=0) for dex in truth]
    eyes = Eyes.of([planes[:, where] for planes, where in zip(light, counts, strict=True)])
    values = np.concatenate([dex[:, where] for dex, where in zip(truth, counts, strict=True)], axis=1)
    for name, each in zip(names, values, strict=True):
        if each.min() == each.max():
            raise InputError(f"the true {name} is {10.0 ** each[0]:.4g} everywhere: nothing to learn")
    edges = np.stack([bin_edges(each, bins) for each in values])
    centre, width = values.mean(axis=1)[:, None, None], values.std(axis=1)[:, None, None]
    examples = [
        np.concatenate([eyes.see(planes), np.where(where, (dex - centre) / width, 0), where[None]]).astype(
            "f4"
        )
        for planes, dex, where in zip(light, truth, counts, strict=True)
    ]
    layers, history = fit(
        examples,
        (edges - centre[..., 0]) / width[..., 0],
        widths=widths,
        epochs=epochs,
        batch=batch,
        side=side,
        learning_rate=learning_rate,
        seed=seed,
        progress=progress,
    )
    known = [scale for scale in scales if scale is not None]
    record = {
        "galaxies": [galaxy.name for galaxy in galaxies],
        "groups": [galaxy.group for galaxy in galaxies],
        "n_pixels": int(values.shape[1]),
        "pixel_scale": str(sorted(known)[len(known) // 2]) if len(known) == len(scales) else "",
        "settings": {
            "clip": clip, "bins": int(bins), "epochs": int(epochs), "batch": int(batch), "side": int(side),
            "learning_rate": learning_rate, "seed": int(seed),
        },
        "versions": {name: _version(name) for name in ("euclid_resolved_unet", "keras", "numpy")}
        | {"backend": keras.config.backend()},
    }  # fmt: skip
    made = UNet(guide, names, widths, eyes, edges, tuple(layers), int(ways), history, record)
    golden = np.ascontiguousarray(light[0][:, :_GOLDEN, :_GOLDEN])
    return UNet(**{**vars(made), "golden": (golden, made.estimate(golden))})


def _checked_widths(widths, inputs, outputs):
    try:
        widths = tuple(int(width) for width in widths)
    except (TypeError, ValueError):
        raise InputError(f"widths are whole numbers, one a level, got {widths!r}") from None
    if not 1 <= len(widths) <= 6 or min(widths) < 1:
        raise InputError(f"1 to 6 widths of at least 1 are needed, got {widths}")
    weights = sum(int(np.prod(shape)) + shape[3] for shape in shapes(inputs, widths, outputs))
    if weights > MOST_WEIGHTS:
        raise InputError(f"widths {widths} make {weights} weights, at most {MOST_WEIGHTS} are allowed")
    return widths


def _example(galaxy, guide, names):
    """Brightness, and log10 of the truth where it counts, about the pixels that count; None without any."""
    image, maps = galaxy.load()
    brightness = brightness_of(image, guide.bands)
    quality = next(iter(guide.predict_maps(image, names[:1]).values())).quality
    good = (quality & ~np.int32(Quality.OUT_OF_DOMAIN | Quality.NOT_ESTIMATED)) == 0
    dex = []
    for name in names:
        true = maps[name]
        values = np.where(true.mask, np.nan, true.data) if true.mask is not None else np.asarray(true.data)
        usable = np.isfinite(values) & (values > 0)
        dex.append(np.where(usable, to_dex(np.where(usable, values, 1)), np.nan))
    dex = np.where(good, np.stack(dex), np.nan)
    counts = np.isfinite(dex).all(axis=0)
    if not counts.any():
        return None
    box = tuple(
        slice(max(int(places.min()) - _AROUND, 0), int(places.max()) + _AROUND + 1)
        for places in np.nonzero(counts)
    )
    return brightness[:, *box], dex[:, *box], image.meta.get("pixel_scale")


def _version(distribution):
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""
