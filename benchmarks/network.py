"""How fast a network predicts, beside Keras and the processor's matrix products; and what training takes.

python benchmarks/network.py [--quick]

Keras takes the back-end that KERAS_BACKEND names, or the first that is installed.
"""

import os
import sys
import time

import numpy as np
from threadpoolctl import threadpool_limits

# TensorFlow and JAX read these when they are imported.
ONE_THREAD = {
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}
PIXELS = 2_560_000  # of an image of 1600 x 1600
SIZES = 4, 64, 64, 64, 64, 1  # the paper's network for four bands
OPERATIONS = 2 * sum(a * b for a, b in zip(SIZES, SIZES[1:], strict=False))  # a pixel
SGEMM = 8192, 64, 64
PEAK = 2048, 2048, 2048  # a product as large as it must be to show what the processor can do
COPIED = 2**26  # float32: more than any cache holds


def cpu_seconds(function, repeat=1):
    """The smallest CPU time of several runs: the others were disturbed."""
    spent = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        spent.append(time.process_time() - start)
    return min(spent)


def network(rng):
    """The paper's network with random weights, as our layers and as Keras's model."""
    from euclid_resolved_dnn import training
    from euclid_resolved_dnn.network import Layer, glorot

    arrays = glorot(SIZES, rng)
    for bias in arrays[1::2]:
        bias[:] = rng.normal(0, 0.1, bias.shape)
    names = ["relu"] * (len(SIZES) - 2) + ["linear"]
    layers = [Layer(*layer) for layer in zip(arrays[::2], arrays[1::2], names, strict=True)]
    return layers, training._build(training._keras(), arrays, "relu", 1e-3)


def sgemm(rng, shape, products, threads=1):
    """Operations of matrix products, and a function that makes them."""
    m, k, n = shape
    a, b = rng.random((m, k), dtype=np.float32), rng.random((k, n), dtype=np.float32)
    out = np.empty((m, n), np.float32)

    def multiply():
        with threadpool_limits(threads, user_api="blas"):
            for _ in range(products):
                np.matmul(a, b, out=out)

    return 2 * m * k * n * products, multiply


def roofline(rng, rates):
    """What the processor can do, and how much of it prediction takes: a network is bound by its products."""
    print("Roofline (CPU seconds; of two threads the sum):")
    peaks = []
    for threads in (1, 2):
        operations, multiply = sgemm(rng, PEAK, 1, threads)
        peaks.append(operations / cpu_seconds(multiply, 4))
        print(f"  {peaks[-1] / 1e9:.0f} GFLOP/s a core in products of {PEAK}, {threads} thread(s)")
    source = rng.random(COPIED, dtype=np.float32)
    target = np.empty_like(source)
    bandwidth = 2 * source.nbytes / cpu_seconds(lambda: np.copyto(target, source), 4)
    moved = 4 * (SIZES[0] + SIZES[-1])
    print(
        f"  {bandwidth / 1e9:.0f} GB/s in a copy; {OPERATIONS} operations and {moved} bytes a pixel, so that"
    )
    allowed = bandwidth / moved / 1e6, peaks[0] / OPERATIONS / 1e6
    print("  memory would allow {:.0f} Mpx/s and products {:.1f}".format(*allowed))
    for name, rate in rates.items():
        print(f"  {name:24s} {rate / 1e9:6.0f} GFLOP/s, {rate / peaks[0]:.2f} of the peak")
    return {name: rate / peaks[0] for name, rate in rates.items()}


def prediction(rng, quick, rows):
    """One core and two, beside Keras on one core: CPU seconds for PIXELS."""
    from euclid_resolved_dnn.network import run

    layers, keras_network = network(rng)
    n, repeat = (PIXELS // 10, 3) if quick else (PIXELS, 5)
    X = rng.random((n, SIZES[0]), dtype=np.float32)
    run(layers, X[:5000], 1), keras_network.predict(X[:5000], verbose=0)
    operations, multiply = sgemm(rng, SGEMM, 100)
    spent = {}
    # In turn, several times: whatever else the machine does hits all of them.
    for _ in range(repeat):
        timed = {"sgemm": cpu_seconds(multiply), "ours": cpu_seconds(lambda: run(layers, X, 1))}
        timed["ours, two threads"] = cpu_seconds(lambda: run(layers, X, 2))
        for batch in (2048, 8192, 65536):
            timed[batch] = cpu_seconds(lambda b=batch: keras_network.predict(X, batch_size=b, verbose=0))
        spent = {name: min(value, spent.get(name, np.inf)) for name, value in timed.items()}
    some = 10_000 if quick else 40_000
    spent["default"] = cpu_seconds(lambda: keras_network.predict(X[:some], verbose=0)) * n / some
    wall = {}
    for threads in (1, 2):
        start = time.perf_counter()
        run(layers, X, threads)
        wall[threads] = time.perf_counter() - start
    rate = OPERATIONS * n / spent["ours"]
    ceiling = operations / spent.pop("sgemm")
    best = min((2048, 8192, 65536), key=spent.get)
    error = np.abs(run(layers, X[:some]) - keras_network.predict(X[:some], batch_size=8192, verbose=0)).max()
    print(f"Prediction of {PIXELS} pixels, one property, CPU seconds (Keras on one thread):")
    for name, value in spent.items():
        name = f"Keras, batch {name}" if name in (2048, 8192, 65536, "default") else name
        print(f"  {name:24s} {value * PIXELS / n:8.2f}")
    print(f"  wall time of ours: {wall[1] * PIXELS / n:.2f} s, with two threads {wall[2] * PIXELS / n:.2f} s")
    print(f"  {rate / 1e9:.0f} GFLOP/s; matrix products of {SGEMM} by NumPy: {ceiling / 1e9:.0f} GFLOP/s")
    print(f"  ours and Keras differ by {error:.1g} at most")
    assert error < 1e-5, "not the same network"
    parts = roofline(rng, {"ours": rate, f"Keras, batch {best}": OPERATIONS * n / spent[best]})
    for name, part in parts.items():
        name = "network" if name == "ours" else name
        rows.append(
            {"name": f"{name}: operations", "value": part, "unit": "of the peak", "against": "sgemm 2048"}
        )
    for against, value in (
        ("Keras, default batch", spent["default"] / spent["ours"]),
        (f"Keras, batch {best}", spent[best] / spent["ours"]),
        ("sgemm", rate / ceiling),
    ):
        rows.append({"name": "network predicts", "value": value, "unit": "times as fast", "against": against})
        print(f"  {value:8.2f} times as fast as {against}")


def wave(n, seed):
    """Pixels of two properties, one easy and one that is mostly noise."""
    rng = np.random.default_rng(seed)
    X = rng.random((n, 4), dtype=np.float32)
    smooth = X[:, 0] + 0.3 * np.sin(5 * X[:, 1]) * X[:, 2] + 0.2 * np.cos(9 * X[:, 3] * X[:, 0])
    rough = np.sin(7 * X[:, 1] * X[:, 2]) - 0.5 * X[:, 3]
    Y = np.column_stack([smooth, rough, smooth * rough])
    Y += rng.normal(0, 0.15, Y.shape) * Y.std(axis=0)
    return X, ((Y - Y.min(axis=0)) / np.ptp(Y, axis=0)).astype(np.float32)


def training(quick, rows):
    """The paper's schedule against one cycle of a tenth of its steps; one network for three properties."""
    from euclid_resolved_dnn import DeepNetwork

    from euclid_resolved.models import r2

    steps, n = (400, 50_000) if quick else (3000, 200_000)
    X, Y = wave(n, 1)
    held, unseen = wave(n // 5, 2), wave(n // 5, 3)
    one = {"batch": 8192, "epoch_batches": 20, "seed": 1}
    plateau = DeepNetwork.paper(epochs=steps // 20, **one)
    cycle = DeepNetwork(epochs=steps // 200, **one)
    joint = DeepNetwork(epochs=steps // 200, joint=True, **one)
    print(f"\nTraining on {n} pixels, batches of 8192; R2 on unseen pixels (the noise allows 0.978):")
    spent, reached = {}, {}
    for name, estimator, together in (
        (f"paper's rate, {steps} steps", plateau, False),
        (f"one cycle, {steps // 10} steps", cycle, False),
        (f"one cycle, {steps // 10} steps, three properties", joint, True),
    ):
        start = time.process_time()
        if together:
            fitted = estimator.fit_together(X, Y, validation=held)
        else:
            fitted = [estimator.fit(X, Y[:, 0], validation=(held[0], held[1][:, 0]))]
        spent[name] = time.process_time() - start
        reached[name] = [r2(y, one.predict(unseen[0])) for one, y in zip(fitted, unseen[1].T, strict=False)]
        print(f"  {name:40s} {spent[name]:6.1f} CPU s  R2 {' '.join(f'{v:.4f}' for v in reached[name])}")
    paper, short, three = spent
    for value, name, against in (
        (spent[paper] / spent[short], "network trains by one cycle", paper),
        (3 * spent[short] / spent[three], "network learns three properties", "three networks"),
    ):
        rows.append({"name": name, "value": value, "unit": "times as fast", "against": against})
    gain = reached[short][0] - reached[paper][0]
    rows.append({"name": "R2 of one cycle", "value": gain, "unit": "more", "against": paper})


def main(quick=False):
    """Print the tables.

    Returns
    -------
    rows : list of dict
        ``name``, ``value``, ``unit``, ``against``.
    """
    for name, value in ONE_THREAD.items():
        os.environ.setdefault(name, value)
    rows = []
    prediction(np.random.default_rng(1), quick, rows)
    training(quick, rows)
    return rows


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
