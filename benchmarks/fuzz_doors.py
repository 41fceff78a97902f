"""Further doors for `fuzz.py`: exports signed again, results from a cluster, URIs, tables as spreadsheets write them.

Each takes a folder to write to and a source of randomness, and gives what opens the input. Where two readers must agree
it raises `DifferenceError` if they do not: that is a silent difference.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import yaml
from mutations import edited, swapped

from autoprompt_search import load_prompt
from autoprompt_search.cli.bundle import NAMES, Receiver, pack, unpack
from autoprompt_search.cli.labelled import labelled
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.uris import public, public_uri
from autoprompt_search.exported import ExportedPrompt
from autoprompt_search.tasks.classification import ClassificationTask
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.readers import read_table

Act = Callable[[Path, random.Random], object]
LABELS = ["negative", "positive"]
_MARK = "0123456789abcdef"
_WORDS = [
    "good",
    "bad",
    "café",
    "naïve",
    "“quoted”",
    "1,5",
    "a;b",
    'say "hi"',
    "x\ty",
    "two\nlines",
    " pad ",
    "=1+1",
    "€",
]


_STRANGE = ["../x", "state/ledger.sqlite", "mlflow.db", "best_prompt", "/x", "best_prompt/\x1b[2J", "a" * 300]


class DifferenceError(Exception):
    """Two readers of one input do not agree, and neither says a word."""


class Doors:
    """Inputs of further kinds; `finished` is the folder of a finished search."""

    finished: Path
    _prompt: ExportedPrompt | None = None

    def resigned(self, place: Path, rng: random.Random) -> Act:
        """Any file of an export is changed, and every manifest made to agree: what stands behind it is reached."""
        root = place / "prompt"
        shutil.copytree(self.finished / "best_prompt", root)
        files = sorted(p for p in root.rglob("*") if p.is_file() and p.name != "manifest.json")
        for path in rng.sample(files, rng.choice([1, 1, 2])):
            path.write_bytes(_changed(path, rng))
        for manifest in sorted(root.rglob("manifest.json"), key=lambda p: -len(p.parts)):
            sign(manifest)
        return lambda place, _: load_prompt(place / "prompt").predict(["I loved it."])

    def archives(self, place: Path, rng: random.Random) -> Act:
        """A result as lines of a log, damaged as text or as an archive, goes to a folder that holds links."""
        text = pack(self.finished, _MARK)
        receiver = Receiver(_MARK)
        for line in text.splitlines():
            receiver.take(line)
        data = _repacked(receiver.data or b"", rng)
        data = edited(data, rng) if rng.random() < 0.8 else data
        lines = edited(text.encode(), rng).decode("utf-8", "replace").splitlines()
        there = place / "out"
        there.mkdir()
        (place / "far").mkdir()
        (there / "best_prompt").symlink_to(place / "far")

        def act(*_: object) -> None:
            if rng.random() < 0.5:
                again = Receiver(_MARK)
                for line in lines:
                    again.take(line)
                unpack(again.data or b"", there)
            else:
                unpack(data, there)
            strange = [p.name for p in there.iterdir() if p.name not in NAMES]
            if strange or list((place / "far").iterdir()):
                raise DifferenceError(f"written beside a result: {strange}")

        return act

    def uris(self, place: Path, rng: random.Random) -> Act:
        """A URI with secrets of any letters, in a sentence of a library: nothing of them may be left."""
        del place
        secrets = ["Zq" + "".join(rng.choices("ab/@:?#&=%+ é\\'\"", k=rng.randint(2, 9))) + "qZ" for _ in range(2)]
        user, password = secrets
        token = secrets[0].replace("&", "")
        made = rng.choice([f"{user}@host", f"{user}:{password}@host:80/x", f"host/x?token={token}"])
        uri = f"{rng.choice(['http', 'https', 'postgresql+psycopg', 'mysql'])}://{made}"
        said = rng.choice(["no answer from {}", "bad port in {!r}", "({}) is away: {!r}"]).format(uri, uri)

        def act(*_: object) -> None:
            for shown in (public_uri(uri), public(said, uri)):
                if any(secret in shown for secret in secrets):
                    raise DifferenceError(f"{uri!r} is shown as {shown!r}")

        return act

    def tables(self, place: Path, rng: random.Random) -> Act:
        """A table as programs write them: read or refused, and by the search and `evaluate` alike."""
        rows = [(_text(rng, n), rng.choice(LABELS)) for n in range(rng.randint(60, 90))]
        path = place / f"data.{rng.choice(['csv', 'csv', 'tsv'])}"
        path.write_bytes(_written(rows, rng, path.suffix))
        return lambda *_: self._same(path)

    def _same(self, path: Path) -> None:
        if self._prompt is None:
            self._prompt = load_prompt(self.finished / "best_prompt")
        task = ClassificationTask(data=str(path), labels=LABELS, splits={"train": 10, "dev": 10, "test": 10})
        searched: dict[str, str] | None = None
        refused: ConfigError | None = None
        try:
            splits = task.load(0)
            searched = {e.inputs["text"]: e.target for part in (splits.train, splits.dev, splits.test) for e in part}
        except ConfigError as exc:
            refused = exc
        problems = Problems()
        table = read_table(path, problems)
        pool = labelled(self._prompt, table, {"text": "text"}, "label", problems)
        evaluated: dict[str, str] = {}
        for example in pool.examples:
            evaluated.setdefault(example.inputs["text"], example.target)
        if searched is None:
            raise refused or DifferenceError("refused without a word")
        problems.check()
        if any(evaluated.get(text) != label for text, label in searched.items()):
            raise DifferenceError("the search and evaluate read different rows")


def sign(manifest: Path) -> None:
    """Make a manifest say what the files are now."""
    listed = json.loads(manifest.read_text(encoding="utf-8"))
    for name in listed["files"]:
        content = (manifest.parent / name).read_bytes()
        listed["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    manifest.write_text(json.dumps(listed), encoding="utf-8")


def _changed(path: Path, rng: random.Random) -> bytes:
    """Edited bytes, or a document with a value swapped."""
    content = path.read_bytes()
    if rng.random() < 0.3 or path.suffix not in (".yaml", ".json", ".jsonl"):
        return edited(content, rng)
    if path.suffix == ".yaml":
        return yaml.dump(swapped(yaml.safe_load(content), rng)).encode("utf-8", "surrogatepass")
    lines = content.decode().splitlines() if path.suffix == ".jsonl" else [content.decode()]
    at = rng.randrange(len(lines))
    lines[at] = json.dumps(swapped(json.loads(lines[at]), rng))
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _repacked(data: bytes, rng: random.Random) -> bytes:
    """The archive as it is, or with an entry that no result has."""
    if rng.random() < 0.5:
        return data
    made = io.BytesIO(data)
    with zipfile.ZipFile(made, "a") as archive:
        name = rng.choice(_STRANGE)
        archive.writestr(name, b"x" * rng.choice([0, 1, 100_000]))
    return made.getvalue()


def _text(rng: random.Random, number: int) -> str:
    return f"row {number} " + " ".join(rng.choices(_WORDS, k=rng.randint(1, 5)))


def _written(rows: list[tuple[str, str]], rng: random.Random, suffix: str) -> bytes:
    """The rows with a delimiter, quotes, line ends, an encoding, and oddities that some program writes."""
    delimiter = "\t" if suffix == ".tsv" else rng.choice([",", ";", "\t", "|"])
    out = io.StringIO()
    if suffix == ".csv" and rng.random() < 0.2:
        out.write(f"sep={delimiter}\r\n")
    writer = csv.writer(
        out,
        delimiter=delimiter,
        quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        lineterminator=rng.choice(["\r\n", "\n"]),
    )
    extra = rng.choice([[], ["id"], ["", ""], ["note", "note"]])
    writer.writerow(["text", "label", *extra])
    for number, (text, label) in enumerate(rows):
        shown = rng.choice([label, label, label, f" {label} ", label.upper() if rng.random() < 0.02 else label])
        writer.writerow([text, shown, *(str(number) for _ in extra)])
        if rng.random() < 0.02:
            out.write(delimiter * (1 + len(extra)) + "\n")
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    return out.getvalue().encode(encoding, "replace")
