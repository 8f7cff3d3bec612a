"""Sources on other machines, by real servers on this one: the web, the Hugging Face Hub's API, S3."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from support import WebAnswer, answering

from tumbler.crawl.remote_client import opened
from tumbler.crawl.sources import expand
from tumbler.errors import Failure, UserError
from tumbler.executor.faults import passing

ROW = pa.table({"body": ["from afar"], "license": ["odc-by"]})
RECIPE = '[[step]]\nname = "crawl"\nstage = "crawl"\nsources = {sources}\ntext_column = "body"\n'


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(ROW, file)
    return file.getvalue()


def crawl(folder: Path, *sources: str, **environment: str) -> tuple[int, str]:
    """The exit code and screen of a run, by the command a person types."""
    (folder / "r.toml").write_text(RECIPE.format(sources=json.dumps(sources)))
    command = [sys.executable, "-m", "tumbler", "run", str(folder / "r.toml"), "--out", str(folder / "out")]
    command += ["--set", "executor.workers=1"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def rows(folder: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = pq.read_table(folder / "out" / "crawl" / "pages").to_pylist()
    assert not (folder / "out" / "crawl" / "resume").exists()
    return [{name: row[name] for name in ("body", "url", "licence", "file_path")} for row in found]


def hub(path: str) -> WebAnswer:
    """What the Hub answers about the dataset owner/name, whose folder data holds two files."""
    commit = {"X-Repo-Commit": "c" * 40, "ETag": '"e"'}
    data = parquet()
    entries = [
        {"type": "file", "oid": "a" * 40, "size": len(data), "path": "data/a.parquet"},
        {"type": "file", "oid": "b" * 40, "size": 9, "path": "README.md"},
    ]
    if path.startswith("/datasets/owner/name/resolve/main/data/a.parquet"):
        return 200, commit, data
    if not path.startswith("/api/datasets/owner/name"):
        return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b"{}"
    if "/tree/main" in path:
        found: object = entries
    elif "/paths-info/" in path:
        found = []
    else:
        found = {"id": "owner/name", "sha": "c" * 40, "private": False, "gated": False, "siblings": [], "tags": []}
    return 200, {"Content-Type": "application/json"}, json.dumps(found).encode()


def test_web_addresses_and_datasets_of_the_hub_are_sources(tmp_path: Path) -> None:
    line = json.dumps({"body": "a line"}).encode()
    cut = iter([True])

    def web(path: str) -> WebAnswer:
        if path == "/x/a.parquet?download=true":
            return 200, {"ETag": '"1"'}, parquet()
        return 200, {"Content-Length": str(len(line))}, line[:5] if next(cut, False) else line  # the first one is cut

    with answering(web) as address, answering(hub) as endpoint:
        sources = (f"{address}/x/a.parquet?download=true", f"{address}/b.jsonl", "hf://datasets/owner/name/**.parquet")
        code, screen = crawl(tmp_path, *sources, HF_ENDPOINT=endpoint, HF_HUB_DISABLE_XET="1", HF_HOME=str(tmp_path))
    assert code == 0, screen
    place = "hf://datasets/owner/name/data/a.parquet"
    assert rows(tmp_path) == [
        {"body": "from afar", "url": f"{sources[0]}#1", "licence": "odc-by", "file_path": sources[0]},
        {"body": "a line", "url": f"{sources[1]}#1", "licence": "", "file_path": sources[1]},
        {"body": "from afar", "url": f"{place}#1", "licence": "odc-by", "file_path": place},
    ]


def test_what_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(hub) as address:
        with pytest.raises(UserError, match="the server knows no such file"), opened(f"{address}/a.parquet", tmp_path):
            pass
        monkeypatch.setattr(constants, "ENDPOINT", address)
        with pytest.raises(UserError, match=r"'hf://datasets/owner/gone/.*' matches no file"):
            expand("hf://datasets/owner/gone/*.parquet")
        with pytest.raises(FileNotFoundError), opened("hf://datasets/owner/name/data/gone.parquet", tmp_path):
            pass


def test_a_place_that_cannot_be_asked_is_told_and_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Failure, match=r"'hf://datasets/o/n/.*' cannot be listed .*ConnectError"):
        expand("hf://datasets/o/n/*.parquet")
    with pytest.raises(OSError, match="ConnectError") as caught, opened("hf://datasets/o/n/a.parquet", tmp_path):
        pass
    assert passing(caught.value)


def test_a_bucket_of_s3_is_a_source(tmp_path: Path) -> None:
    pytest.importorskip("s3fs")
    pytest.importorskip("flask", reason="needs moto[server]")
    boto3 = pytest.importorskip("boto3")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
        client = boto3.client("s3", endpoint_url=address, **keys)
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="set/a.parquet", Body=parquet())
        settings = {"FSSPEC_S3_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}
        code, screen = crawl(tmp_path, "s3://bucket/set/*.parquet", AWS_DEFAULT_REGION="us-east-1", **settings)
        assert code == 0, screen
        assert [row["file_path"] for row in rows(tmp_path)] == ["s3://bucket/set/a.parquet"]
    finally:
        server.stop()
