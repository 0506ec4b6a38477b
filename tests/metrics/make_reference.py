"""Writes reference.json: relative standard deviations and quantiles as NumPy gives them.

    python -m pip install numpy==2.4.6 && python tests/metrics/make_reference.py

The losses are drawn once from a fixed seed and stored beside the results.
"""
import json
import pathlib

import numpy as np

generator = np.random.default_rng(42)
losses = np.round(2.5 * np.exp(-np.arange(60) / 40) + generator.gamma(2.0, 0.1, 60), 6)


def rsd(window, ddof, overlapping):
    windows = np.lib.stride_tricks.sliding_window_view(losses, window)[:: 1 if overlapping else window]
    values = windows.std(axis=1, ddof=ddof) / windows.mean(axis=1)
    return {
        "window": window,
        "sd": "sample" if ddof else "population",
        "overlapping": overlapping,
        "windows": values.tolist(),
        "mean": values.mean(),
    }


probabilities = [0, 0.09, 0.25, 0.5, 0.75, 0.91, 1]
reference = {
    "made": "make_reference.py",
    "numpy": np.__version__,
    "seed": 42,
    "losses": losses.tolist(),
    "rsd": [rsd(w, d, o) for w in (2, 5, 7) for d in (1, 0) for o in (True, False)],
    "quantiles": [
        {"count": n, "probabilities": probabilities, "values": np.quantile(losses[:n], probabilities).tolist()}
        for n in (1, 2, 5, 11, 60)
    ],
}
target = pathlib.Path(__file__).with_name("reference.json")
target.write_text(json.dumps(reference, indent=1) + "\n")
