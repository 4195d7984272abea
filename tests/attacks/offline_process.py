"""Runs both recipes in a process without a network, NLTK data or anything in the home folder, and prints what it saw.

Started by test_attack_library.py; prints one JSON object.
"""

from __future__ import annotations

import json
import logging
import os
import random
import socket
import sys
from pathlib import Path
from typing import Any

attempts: list[str] = []


def blocked(*arguments: Any, **_: Any) -> None:
    attempts.append(repr(arguments[-1]))
    raise OSError("the network is blocked")


socket.socket.connect = blocked  # type: ignore[method-assign, assignment]
socket.socket.connect_ex = blocked  # type: ignore[method-assign, assignment]
socket.getaddrinfo = blocked  # type: ignore[assignment]

# Imported first: what these leave in the environment is not the adapter's doing.
import datasets  # noqa: E402, F401
import nltk  # noqa: E402
import numpy as np  # noqa: E402
import transformers  # noqa: E402, F401

before = dict(os.environ)
logger = logging.getLogger("made.before.the.import")
root_handlers = list(logging.root.handlers)
random_state, numpy_state = random.getstate(), np.random.get_state()[1].tolist()
download, corpus = nltk.download, nltk.corpus.stopwords

from asa_bench.attacks import library  # noqa: E402

library.load_textattack()
unchanged = {
    "environment": dict(os.environ) == before,
    "loggers": not logger.disabled and logging.root.handlers == root_handlers,
    "random": random.getstate() == random_state and np.random.get_state()[1].tolist() == numpy_state,
    "nltk": nltk.download is download and nltk.corpus.stopwords is corpus,
}

from attack_records import records  # noqa: E402

home = Path(os.environ["HOME"])
json.dump(
    {
        "attempts": attempts,
        "unchanged": unchanged,
        "records": records(),
        "home": sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()),
        "modules": [name for name in ("tensorflow", "stanza") if name in sys.modules],
    },
    sys.stdout,
)
