"""What `submit` refuses before it sends anything, and results that come back as lines of a log."""

from __future__ import annotations

import contextlib
import io
import random
import stat
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoprompt_search.cli import bundle
from autoprompt_search.cli.bundle import Receiver, pack, unpack
from autoprompt_search.cli.submit import Order, changes_there, command, folder_there
from autoprompt_search.config import load_config
from autoprompt_search.core.errors import SearchError, TamperedError

MARK = "0123456789abcdef"
STRANGE = (
    "state/ledger.sqlite", "mlflow.db", "mlruns/x", "summary.md/x", "best_prompt", "best_prompt/.x", "best_prompt//x",
    "more", "best_prompt/x\n", "best_prompt/a/b/c/d/e/f",
)  # fmt: skip
HEAD = ("--address", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("space.yaml", "--address", "127.0.0.1:8265"), "--address: write http://HEAD:8265"),
        (("../space.yaml", *HEAD), "no such file"),
        (("space.yaml", *HEAD, "--there", "results"), "--there: must be an absolute folder"),
        (("space.yaml", *HEAD, "--env", "MLFLOW_TRACKING_PASSWORD=x"), "looks like a secret"),
        (
            ("space.yaml", *HEAD, "--set", "tracker=mlflow", "--set", "tracker.uri=http://T0KEN@host"),
            "tracker.uri holds",
        ),
        (("space.yaml", *HEAD, "--set", "tracker.uri=http://T0KEN@host"), "got 'http://***@host'"),
        (("space.yaml", *HEAD, "--env", "A B=x"), "--env: write NAME=VALUE"),
        (("space.yaml", *HEAD, "--set", "budget.trails=3"), "did you mean 'trials'"),
        (("space.yaml", *HEAD), "no Ray job server answers at 'http://127.0.0.1:9'"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_one_clear_error(work, cli, arguments, expected):
    assert expected in cli("submit", *arguments, code=2).stderr


def test_a_search_of_this_machine_is_not_written_over(searched, cli):
    assert "holds a search of this machine" in cli("submit", "space.yaml", *HEAD, code=2).stderr


def test_what_the_cluster_runs_is_the_same_search_beside_its_own_ray(work):
    config = load_config("space.yaml", ["runner=ray", "tracker=mlflow"])
    order = Order(Path("space.yaml"), ("runner=ray", "name=it's"), "http://head", "/shared/my searches", is_fresh=True)
    assert command(order, MARK) == (
        "python -m autoprompt_search job space.yaml --mark 0123456789abcdef --set runner=ray --set 'name=it'\"'\"'s' "
        "--there '/shared/my searches' --fresh"
    )
    there = folder_there("tiny", "/shared/tiny")
    assert changes_there(config, there) == ["runner.address=auto", "tracker.uri=sqlite:////shared/tiny/mlflow.db"]
    remote = load_config("space.yaml", ["tracker=mlflow", "tracker.uri=http://mlflow:5000"])
    assert changes_there(remote, there) == []
    assert str(folder_there("tiny", None)) == "~/autoprompt-search/tiny"


def result(folder: Path) -> Path:
    (folder / "best_prompt" / "adapter").mkdir(parents=True)
    (folder / "state").mkdir()
    (folder / "mlruns").mkdir()
    for name in ("state/ledger.sqlite", "mlruns/x", "mlflow.db", "mlflow.db-wal"):
        (folder / name).write_text("stays")
    (folder / "summary.md").write_text("Überblick\n-----END AUTOPROMPT RESULT-----\n", encoding="utf-8")
    (folder / "best_prompt" / "adapter" / "weights").write_bytes(random.Random(0).randbytes(70_000))
    return folder


def received(text: str) -> Receiver:
    receiver = Receiver(MARK)
    lines = ["before", *text.splitlines(), "after"]
    assert [line for line in lines if not receiver.take(line)] == ["before", "after"]
    return receiver


def test_a_result_comes_back_byte_for_byte_and_without_its_state(tmp_path):
    there = result(tmp_path / "there")
    data = received(pack(there, MARK)).data
    unpack(data, tmp_path / "here")
    files = {p.relative_to(tmp_path / "here").as_posix() for p in (tmp_path / "here").rglob("*") if p.is_file()}
    assert files == {"summary.md", "best_prompt/adapter/weights"}
    for name in files:
        assert (tmp_path / "here" / name).read_bytes() == (there / name).read_bytes()


@pytest.mark.parametrize("damage", ["a line lost", "a letter changed", "not base64"])
def test_a_result_that_came_damaged_is_refused(tmp_path, damage):
    first, second, *rest = pack(result(tmp_path / "there"), MARK).splitlines()
    lines = {
        "a line lost": [first, *rest],
        "a letter changed": [first, second[:17] + ("A" if second[17] != "A" else "B") + second[18:], *rest],
        "not base64": [first, second[:17] + "?" + second[18:], *rest],
    }[damage]
    with pytest.raises(TamperedError, match="did not come back whole"):
        received("\n".join(lines))


def zipped(*names: str, content: bytes = b"x", mode: int = stat.S_IFREG) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name in names:
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (mode | 0o644) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            made.writestr(entry, content)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "best_prompt/../../x", "a\\..\\x", "C:x", *STRANGE])
def test_nothing_is_written_outside(tmp_path, name):
    with pytest.raises(TamperedError, match="which no result does"):
        unpack(zipped("summary.md", name), tmp_path / "deep" / "here")
    assert list(tmp_path.iterdir()) == []


def test_links_bombs_and_rubbish_are_refused(tmp_path, monkeypatch):
    with pytest.raises(TamperedError, match="which no result does"):
        unpack(zipped("summary.md", mode=stat.S_IFLNK), tmp_path / "here")
    monkeypatch.setattr(bundle, "MOST_BYTES", 1000)
    with pytest.raises(TamperedError, match="at most 1,000 are taken"):
        unpack(zipped("summary.md", "result.json", content=bytes(600)), tmp_path / "here")
    lying = zipped("summary.md", content=bytes(5000)).replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(TamperedError, match="cannot be read"):
        unpack(lying, tmp_path / "here")
    with pytest.raises(TamperedError, match="cannot be read"):
        unpack(b"PK rubbish", tmp_path / "here")
    assert not (tmp_path / "here").exists()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "report.html").write_bytes(bytes(2000))
    with pytest.raises(SearchError, match="at most 1,000 in 500 are sent back"):
        pack(tmp_path / "there", MARK)


def test_lines_of_others_change_nothing(tmp_path):
    mine = pack(result(tmp_path / "there"), MARK).splitlines()
    theirs = pack(tmp_path / "there", "fedcba9876543210").splitlines()
    old = [f"-----BEGIN AUTOPROMPT RESULT {'0' * 64}-----", "rubbish", "-----END AUTOPROMPT RESULT-----"]
    receiver, left = Receiver(MARK), []
    for one, other in zip(mine, theirs, strict=True):
        left += [line for line in (other, *old, one) if not receiver.take(line)]
    assert receiver.data is not None
    assert set(left) == {*theirs, *old}


@pytest.mark.parametrize("names", [("best_prompt/a", "best_prompt/a"), ("best_prompt/a", "best_prompt/a/b")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_exclude_one_another_are_refused(tmp_path, names):
    with pytest.raises(TamperedError, match="which no result does"):
        unpack(zipped(*names), tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_the_number_of_files_is_bounded(tmp_path):
    with pytest.raises(TamperedError, match="501 files, at most 500"):
        unpack(zipped(*(f"best_prompt/{i}" for i in range(501))), tmp_path / "here")


def test_links_that_are_there_are_replaced_and_not_followed(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "file").write_text("far", encoding="utf-8")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "best_prompt").symlink_to(tmp_path / "far")
    (tmp_path / "here" / "summary.md").symlink_to(tmp_path / "far" / "file")
    unpack(zipped("best_prompt/file", "summary.md"), tmp_path / "here")
    assert (tmp_path / "far" / "file").read_text(encoding="utf-8") == "far"
    assert (tmp_path / "here" / "best_prompt" / "file").read_bytes() == b"x"
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == ["best_prompt", "summary.md"]


SOUND = zipped("summary.md", "best_prompt/prompt.yaml", "result.json", content=b"some words, some words " * 9)


@given(st.integers(0, 2**32), st.integers(1, 8))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_every_broken_archive_is_one_error(seed, edits):
    rng, made = random.Random(seed), bytearray(SOUND)
    for _ in range(edits):
        at = rng.randrange(len(made))
        made[at : at + rng.choice([0, 1, 1, 4])] = rng.randbytes(rng.choice([0, 1, 1, 4]))
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(TamperedError):
            unpack(bytes(made), Path(folder) / "here")
        if (Path(folder) / "here").exists():
            assert {p.name for p in Path(folder).rglob("*") if p.parent.name == "here"} <= set(bundle.NAMES)
