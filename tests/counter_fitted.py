"""Small word vectors in the form of TextAttack's files."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np

WORDS = ("wonderful", "terrific", "great", "film", "movie", "odd", "strange", "doctor")


def files(words: tuple[str, ...] = WORDS, protocol: int = 3) -> dict[str, bytes]:
    """paragram.npy, wordlist.pickle and nn.npy: near words stand side by side on a circle."""
    angles = np.linspace(0, 1.4, len(words))
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    near = np.argsort(np.abs(angles[:, None] - angles[None, :]), axis=1, kind="stable").astype(np.int64)
    return {
        "paragram.npy": array(matrix),
        "wordlist.pickle": pickle.dumps({word: number for number, word in enumerate(words)}, protocol),
        "nn.npy": array(near),
    }


def array(values: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, values)
    return sink.getvalue()


def archive(content: dict[str, bytes]) -> bytes:
    """As it is downloaded: a folder in a zip, with two tables that are pickles and not read."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as packed:
        for name, data in {**content, "mse_dist.p": b"not read", "cos_sim.p": b"not read"}.items():
            packed.writestr(f"paragramcf/{name}", data)
    return sink.getvalue()
