"""Bad input of every kind: does anything come out but success or one clear error, hang, or change a file?

    python benchmarks/fuzz.py                   # 50,000 inputs; about ten minutes on one quiet core
    python benchmarks/fuzz.py --inputs 500      # a first look

Hypothesis draws edits (bytes cut, doubled, moved, replaced by nasty ones; values of a document swapped) of valid space
files, data files, overrides, exported prompts and state folders, which are then opened as the commands open them.
Further kinds are in `fuzz_doors.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import yaml
from fuzz_doors import DifferenceError, Doors
from harness import command_line, save
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from machine import host
from mutations import KEYS, VALUES, edited, swapped

from autoprompt_search import load_config, load_prompt
from autoprompt_search.core.errors import SearchError
from autoprompt_search.deliver import rebuild_report
from autoprompt_search.embedded.reviews import reviews
from autoprompt_search.ledger import Ledger
from autoprompt_search.runners.local import LocalRunner
from autoprompt_search.session import prepare, stored_study
from autoprompt_search.tasks.classification import ClassificationTask
from autoprompt_search.walk import search
from autoprompt_search.workspace import Workspace

SECONDS = 5
"""Of this process's own time, after which an input counts as hung: others may be at work on the machine."""
_WALL = 60
"""So many times as long an input may wait for something."""
MEMORY = 6 * 1024**3
KEPT = 20
"""Wrong outcomes that are shown."""
SPACE = """\
name: tiny
task: {type: classification, data: data.jsonl, text: text, label: label, labels: [negative, positive], splits: {train: 20, dev: 24, test: 30}}
backend: {type: scripted, cues: {bad: hated, good: loved}, skill: 0.8}
templates:
  plain: {text: "{@Review}: {text}{@sep}{@Mood}:", words: {negative: bad, positive: good}}
  cloze: {text: "{text} It was", words: {negative: [bad, awful], positive: [good, fine]}, instruction: "Judge."}
instructions: {short: "Judge:", long: "Say how the review below sounds."}
space:
  template: {kind: choice, values: [plain, cloze]}
  demos.strategy: {kind: choice, values: [none, random]}
  demos.k: {kind: int, low: 1, high: 3, when: {demos.strategy: [random]}}
  layout.casing: as-is
baseline: {template: plain}
rungs: [8, 24]
budget: {trials: 4, minutes: 5}
study: {type: optuna, reduction: 2}
runner: local
tracker: none
confirm: {finalists: 2, confidence: 0.9}
"""  # noqa: E501


Act = Callable[[Path, random.Random], object]


class HangError(BaseException):
    """The clock ran out; nothing that catches `Exception` catches it."""


@dataclass
class Found:
    """What came out."""

    inputs: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    tracebacks: int = 0
    hangs: int = 0
    changed: int = 0
    differences: int = 0
    wrong: list[str] = field(default_factory=list)


class Targets(Doors):
    """Valid things to spoil, and how each is opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        rows = [{"text": r.text, "label": r.label} for r in reviews(5, 90, split="train")]
        self.jsonl = "".join(json.dumps(row) + "\n" for row in rows).encode()
        quoted = ['"' + r["text"].replace('"', '""') + '",' + r["label"] for r in rows]
        self.csv = ("text,label\n" + "\n".join(quoted) + "\n").encode()
        (folder / "data.jsonl").write_bytes(self.jsonl)
        (folder / "space.yaml").write_text(SPACE)
        self.document = yaml.safe_load(SPACE)
        self.finished = search(load_config(folder / "space.yaml"), out=folder / "finished").folder

    def space_bytes(self, place: Path, rng: random.Random) -> Act:
        (place / "space.yaml").write_bytes(edited(SPACE.encode(), rng))
        return lambda place, _: load_config(place / "space.yaml")

    def space_values(self, place: Path, rng: random.Random) -> Act:
        document = swapped(self.document, rng)
        text = yaml.dump(swapped(document, rng) if document and rng.random() < 0.3 else document, sort_keys=False)
        (place / "space.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
        return lambda place, _: load_config(place / "space.yaml")

    def overrides(self, place: Path, rng: random.Random) -> Act:
        (place / "space.yaml").write_text(SPACE)
        keys = [".".join(map(str, p)) for p in _paths(self.document)] + KEYS
        made = []
        for _ in range(rng.randint(1, 3)):
            text = f"{rng.choice(keys)}={yaml.dump(rng.choice(VALUES), default_flow_style=True).strip()}"
            made.append(
                edited(text.encode("utf-8", "replace"), rng).decode("utf-8", "replace") if rng.random() < 0.5 else text
            )
        return lambda place, _: load_config(place / "space.yaml", made)

    def data_files(self, place: Path, rng: random.Random) -> Act:
        kind = rng.choice(["jsonl", "csv", "tsv", "json", "parquet"])
        plain = self.jsonl if kind.startswith("json") else self.csv
        (place / f"data.{kind}").write_bytes(edited(plain, rng))
        task = ClassificationTask(
            data=str(place / f"data.{kind}"),
            labels=["negative", "positive"],
            splits={"train": 20, "dev": 24, "test": 30},
        )
        return lambda *_: task.load(7)

    def exported(self, place: Path, rng: random.Random) -> Act:
        """Bytes of any file are changed; half of the time the manifest is made to agree, as an attacker would."""
        shutil.copytree(self.finished / "best_prompt", place / "prompt")
        files = sorted(p for p in (place / "prompt").rglob("*") if p.is_file())
        path = rng.choice(files)
        if path.suffix == ".yaml" and rng.random() < 0.5:
            document = swapped(yaml.safe_load(path.read_text()), rng)
            path.write_bytes(yaml.dump(document).encode("utf-8", "surrogatepass"))
        else:
            path.write_bytes(edited(path.read_bytes(), rng))
        if rng.random() < 0.1:
            (place / "prompt" / "more").symlink_to("/etc/passwd")
        manifest = place / "prompt" / "manifest.json"
        if path != manifest and rng.random() < 0.6:
            listed = json.loads(manifest.read_text())
            content = path.read_bytes()
            name = path.relative_to(place / "prompt").as_posix()
            listed["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            manifest.write_text(json.dumps(listed))
        return lambda place, _: load_prompt(place / "prompt").predict(["I loved it."])

    def state(self, place: Path, rng: random.Random) -> Act:
        """A finished search is opened to go on, or its report is made again."""
        shutil.copytree(self.finished, place / "out")
        files = [p for p in (place / "out" / "state").iterdir() if p.is_file() and p.name != "lock"]
        files += [place / "out" / "result.json"]
        path = rng.choice(sorted(files))
        if rng.random() < 0.1:
            path.unlink()
        elif path.suffix in (".json", ".yaml") and rng.random() < 0.5:
            document = yaml.safe_load(path.read_text())
            changed = swapped(document, rng) if document else document
            path.write_bytes(
                (json.dumps if path.suffix == ".json" else yaml.dump)(changed).encode("utf-8", "surrogatepass")
            )
        else:
            path.write_bytes(edited(path.read_bytes(), rng))
        return lambda place, rng: self.report(place) if rng.random() < 0.05 else self.go_on(place)

    def report(self, place: Path) -> object:
        return rebuild_report(place / "out")

    def go_on(self, place: Path) -> None:
        config = load_config(self.folder / "space.yaml")
        with Workspace(place / "out", config) as opened:
            prepare(config, opened, LocalRunner())
            study = stored_study(config, opened)
            ledger = Ledger(opened.state / "ledger.sqlite")
            try:
                study.records()
                ledger.total()
                study.ask()
            finally:
                ledger.close()


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


SHARES = {
    "space_bytes": 8, "space_values": 8, "overrides": 8, "data_files": 6, "exported": 4, "state": 2,
    "resigned": 4, "archives": 4, "uris": 4, "tables": 2,
}  # fmt: skip
"""Of fifty inputs."""
MAY_CHANGE = ("state", "archives")
"""Targets whose files are there to be written."""


@contextmanager
def clock(seconds: int) -> Iterator[None]:
    def over(_: int, __: FrameType | None) -> None:
        raise HangError

    signal.signal(signal.SIGPROF, over)
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.alarm(_WALL * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


def one(targets: Targets, name: str, number: int, found: Found) -> None:
    """One input: made from a number alone, so that it can be made again."""
    rng = random.Random(f"{name} {number}")
    place = targets.folder / "input"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    act = getattr(targets, name)(place, rng)
    before = prints(place)
    found.inputs[name] += 1
    try:
        with clock(SECONDS):
            act(place, rng)
    except SearchError as exc:
        found.refused[name] += 1
        if not str(exc).strip():
            wrong(found, name, number, "an error without a word")
    except DifferenceError as exc:
        found.differences += 1
        wrong(found, name, number, str(exc))
    except HangError:
        found.hangs += 1
        wrong(found, name, number, "no answer")
    except BaseException as exc:  # noqa: BLE001 - whatever it is, it is counted
        found.tracebacks += 1
        where = traceback.extract_tb(exc.__traceback__)[-1]
        wrong(
            found, name, number, f"{type(exc).__name__}: {str(exc)[:120]} ({Path(where.filename).name}:{where.lineno})"
        )
    if name not in MAY_CHANGE and prints(place) != before:
        found.changed += 1
        wrong(found, name, number, "a file was changed")


def wrong(found: Found, name: str, number: int, what: str) -> None:
    text = f"{name} {number}: {what}"
    found.wrong.append(text)
    if len(found.wrong) <= KEPT:
        print(text, flush=True)


def prints(place: Path) -> dict[str, str]:
    files = (p for p in place.rglob("*") if p.is_file() and not p.is_symlink())
    return {str(p.relative_to(place)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def fuzz(targets: Targets, name: str, inputs: int, found: Found, first: int) -> None:
    """So many inputs of one kind, drawn by Hypothesis."""

    @seed(first)
    @settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**62))
    def run(number: int) -> None:
        one(targets, name, number, found)

    run()
    while found.inputs[name] < inputs:  # Hypothesis leaves out what it has drawn before
        one(targets, name, first + found.inputs[name], found)


def main() -> None:
    parser = command_line(__doc__, "fuzz")
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", nargs=2, metavar=("KIND", "NUMBER"), help="one input, with its traceback")
    options = parser.parse_args()
    out, found, home = options.out.absolute(), Found(), Path.cwd()
    os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")  # names that were made up are asked of nobody
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        os.chdir(place)
        targets = Targets(Path(place))
        if options.again:
            name, number = options.again
            rng, at = random.Random(f"{name} {number}"), Path(place) / "input"
            at.mkdir()
            print(getattr(targets, name)(at, rng)(at, rng))
            return
        for name, share in SHARES.items():
            fuzz(targets, name, options.inputs * share // sum(SHARES.values()), found, options.seed)
            print(f"{name}: {found.inputs[name]} inputs, {found.refused[name]} refused", flush=True)
        os.chdir(home)
    figures = {
        "inputs": sum(found.inputs.values()),
        "tracebacks": found.tracebacks,
        "hangs": found.hangs,
        "changed_files": found.changed,
        "silent_differences": found.differences,
        "by_kind": {n: {"inputs": found.inputs[n], "refused": found.refused[n]} for n in SHARES},
        "wrong": found.wrong[:KEPT],
        "machine": host(),
        "remake": "python " + " ".join(["benchmarks/fuzz.py", *sys.argv[1:]]),
    }
    save(out, figures, indent=2)
    print(json.dumps(figures, indent=2))
    sys.exit(bool(found.tracebacks or found.hangs or found.changed or found.differences))


if __name__ == "__main__":
    main()
