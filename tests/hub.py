"""A small server on the loopback that answers as the Hugging Face hub does, for sets of parquet files.

`huggingface_hub` reads ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE`` when it is imported, so a test loads through
this server in a subprocess with the variables of `environment`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


class HubServer:
    """Serves data sets while the ``with`` block runs.

    Args:
        repositories: data set id -> path in the repository -> bytes.
        branches: the branches that lead to a data set's one commit, besides every 40-digit commit id.
        models: as `repositories`, of models.
    """

    def __init__(
        self,
        repositories: Mapping[str, Mapping[str, bytes]],
        branches: Sequence[str] = ("main", "refs/convert/parquet"),
        models: Mapping[str, Mapping[str, bytes]] | None = None,
    ) -> None:
        self.models = {name: dict(files) for name, files in (models or {}).items()}
        self.repositories = {name: dict(files) for name, files in repositories.items()}
        self.branches = tuple(branches)
        self.requests: list[str] = []

        class Handler(_Handler):
            hub = self

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def endpoint(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host if isinstance(host, str) else host.decode()}:{port}"

    def __enter__(self) -> HubServer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def commit(self, repository: str, revision: str) -> str | None:
        """The commit that a revision names, or None: a full id names itself, a branch the one commit."""
        if len(revision) == 40 and all(digit in "0123456789abcdef" for digit in revision):
            return revision
        return COMMIT if revision in self.branches else None


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the test's output quiet."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        self._answer(body=True, wanted=form.get("paths", []))

    def _answer(self, body: bool, wanted: Sequence[str] = ()) -> None:
        url = urlsplit(self.path)
        self.hub.requests.append(f"{self.command} {url.path}")
        parts = [unquote(part) for part in url.path.split("/") if part]
        if parts[:2] == ["api", "datasets"] and len(parts) >= 4:
            self._api(f"{parts[2]}/{parts[3]}", parts[4:], "recursive=True" in url.query, wanted, body)
        elif parts[:1] == ["datasets"] and len(parts) >= 6 and parts[3] == "resolve":
            self._file(f"{parts[1]}/{parts[2]}", parts[4], "/".join(parts[5:]), body)
        elif parts[:2] == ["api", "models"] and len(parts) >= 4:
            name = f"{parts[2]}/{parts[3]}"
            self._api(name, parts[4:], "recursive=True" in url.query, wanted, body, self.hub.models)
        elif len(parts) >= 5 and parts[2] == "resolve":
            self._file(f"{parts[0]}/{parts[1]}", parts[3], "/".join(parts[4:]), body, self.hub.models)
        else:
            self._refuse("EntryNotFound", body)

    def _api(
        self,
        repository: str,
        rest: list[str],
        recursive: bool,
        wanted: Sequence[str],
        body: bool,
        kind: Mapping[str, Mapping[str, bytes]] | None = None,
    ) -> None:
        files = (self.hub.repositories if kind is None else kind).get(repository)
        if files is None:
            return self._refuse("RepoNotFound", body)
        if rest[:1] == ["parquet"]:
            listing: dict[str, dict[str, list[str]]] = {}
            for path in sorted(files):
                config, _, name = path.partition("/")
                split = name.split("-")[0].split("/")[0]
                url = f"{self.hub.endpoint}/datasets/{repository}/resolve/refs%2Fconvert%2Fparquet/{path}"
                listing.setdefault(config, {}).setdefault(split, []).append(url)
            return self._json(listing, COMMIT, body)
        revision = rest[1] if len(rest) > 1 else "main"
        commit = self.hub.commit(repository, revision)
        if commit is None:
            return self._refuse("RevisionNotFound", body)
        entries = _entries(files)
        if rest[:1] == ["tree"]:
            folder = "/".join(rest[2:])
            inside = [entry for entry in entries if not folder or entry["path"].startswith(f"{folder}/")]
            if not recursive:
                depth = len(rest[2:])
                inside = [entry for entry in inside if entry["path"].count("/") == depth]
            return self._json(inside, commit, body) if inside else self._refuse("EntryNotFound", body)
        if rest[:1] == ["paths-info"]:
            return self._json([entry for entry in entries if entry["path"] in wanted], commit, body)
        if rest and rest[0] != "revision":
            return self._refuse("EntryNotFound", body)
        siblings = [{"rfilename": path} for path in sorted(files)]
        return self._json(
            {"id": repository, "sha": commit, "private": False, "gated": False, "siblings": siblings},
            commit,
            body,
        )

    def _file(
        self,
        repository: str,
        revision: str,
        path: str,
        body: bool,
        kind: Mapping[str, Mapping[str, bytes]] | None = None,
    ) -> None:
        files = (self.hub.repositories if kind is None else kind).get(repository)
        if files is None:
            return self._refuse("RepoNotFound", body)
        commit = self.hub.commit(repository, revision)
        if commit is None:
            return self._refuse("RevisionNotFound", body)
        if path not in files:
            return self._refuse("EntryNotFound", body, commit)
        data = files[path]
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        start, status = 0, 200
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and asked.endswith("-"):
            start, status = int(asked[6:-1]), 206
        self.send_response(status)
        self.send_header("ETag", etag)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if body:
            self.wfile.write(data[start:])
        return None

    def _json(self, value: object, commit: str, body: bool) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def _refuse(self, code: str, body: bool, commit: str | None = None) -> None:
        data = json.dumps({"error": code}).encode()
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)


def _entries(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Folders and files of a repository as the hub lists them."""
    folders = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
    listed: list[dict[str, Any]] = [
        {"type": "directory", "path": folder, "size": 0, "oid": hashlib.sha1(folder.encode()).hexdigest()}
        for folder in sorted(folders)
    ]
    return listed + [
        {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
        for path, data in sorted(files.items())
    ]


def environment(endpoint: str, home: Path, offline: bool = False) -> dict[str, str]:
    """The environment of a subprocess that takes `endpoint` for the hub and `home` for an empty cache."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {
        **kept,
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "1" if offline else "0",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[1]), *sys.path]),
    }


def parquet(columns: Mapping[str, Sequence[object]], label_names: Sequence[str] | None = None) -> bytes:
    """A parquet file as `datasets` writes it: with the names of the labels, if given, in its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: list(values) for name, values in columns.items()})
    if label_names is not None:
        features: dict[str, object] = {
            name: {"dtype": "string", "_type": "Value"} for name in columns if name != "label"
        }
        features["label"] = {"names": list(label_names), "_type": "ClassLabel"}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()
