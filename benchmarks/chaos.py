"""Searches of scripted trials with faults at random moments: is anything lost, computed twice, or does anything hang?

    python benchmarks/chaos.py                        # 100 searches, ten of them on Ray; about twenty quiet minutes
    python benchmarks/chaos.py --searches 5 --ray 0   # a first look

Every search is run once undisturbed; then again in processes that are killed, stopped, starved of disk, locked out
of their database, or whose journal is torn, as often as was drawn, and at last left to finish. It has to end with the
same table of trials, byte for byte. On Ray it is the workers that are killed, stopped and frozen, and that run out of
memory. A fault that was drawn for a life of the driver that ended before it came is drawn again; only those that came
are counted. One search in ten is run to its report and exported prompt, the others to the table of trials.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from chaos_lives import FINISHED, REFUSED, STOPPED, TABLE, Life, run, space_of
from harness import command_line, save
from machine import host

from autoprompt_search.config import SearchConfig
from autoprompt_search.core.errors import StateError
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.embedded.reviews import reviews
from autoprompt_search.testing.faulty import ALONE, OUT_OF_MEMORY, calls, install, plan
from autoprompt_search.workspace import Workspace

FIRST_SEED = 1000
ON_CALLS = {
    "driver killed (SIGKILL)": "SIGKILL",
    "driver stopped (SIGTERM)": "SIGTERM",
    "driver stopped (Ctrl-C)": "SIGINT",
}
FAULTS = (*ON_CALLS, "driver killed between calls", "disk full", "journal torn", "second driver", "database locked")
WORKER_FAULTS = {
    "worker killed": "SIGKILL",
    "worker stopped": "SIGTERM",
    "worker frozen": "SIGSTOP",
    "worker out of memory": OUT_OF_MEMORY,
}
BY_THEMSELVES = ("trial raised, or got NaN", "example broke the model")
"""Faults of trials that end them, in the undisturbed search too."""
FREEZES = 30
"""Seconds after which a frozen worker is given up."""
EVERY = 9
"""Calls between two faults on Ray; a trial takes seven, six of them to be timed."""
POISON = ["dev 5:", "train 3:"]
"""A prompt of one example behind one demonstration, on Ray."""


@dataclass
class Found:
    """What all searches together came to."""

    searches: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    computed_twice: int = 0
    in_flight: int = 0
    """Measurements that interruptions may have cost: one per life of a local driver, two per fault on Ray."""
    hung: int = 0
    wrong: list[str] = field(default_factory=list)
    """What should not have happened, with the seed."""


class Disturbed:
    """One search and its lives."""

    def __init__(self, seed: int, folder: Path, found: Found) -> None:
        self.seed, self.folder, self.found = seed, folder, found
        self.rng = random.Random(seed)
        folder.mkdir()
        rows = [{"text": r.text, "label": r.label} for r in reviews(seed, 128, split="train")]
        (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.database = folder / "study.db" if seed % 5 == 0 else None
        storage = f"sqlite:///{self.database}?timeout=0" if self.database else None
        self.config = space_of(seed, folder, storage)
        self.kinds = [f for f in FAULTS if (f == "database locked") <= (self.database is not None)]
        self.kinds = [f for f in self.kinds if not (f == "journal torn" and self.database)]
        self.out = folder / "disturbed"

    def run(self, wanted: int) -> None:
        """`wanted` faults, one after the other, then to the end; compared with the undisturbed search."""
        calm = replace_storage(self.config)
        run(calm, self.folder / "calm")
        (self.folder / "calls").unlink()
        came, tries = 0, 0
        while came < wanted and tries < 3 * wanted and not (self.out / TABLE).exists():
            tries += 1
            kind = self.rng.choice(self.kinds)
            if self.suffers(kind):
                came += 1
                self.found.faults[kind] += 1
        plan(self.folder, {})
        self.expect("the last life", Life(self.config, self.out).end(), {FINISHED})
        self.compare(self.folder / "calm")
        if (self.out / TABLE).exists():
            self.found.faults[BY_THEMSELVES[0]] += (self.out / TABLE).read_text().count(",failed,")
        self.found.searches += 1

    def suffers(self, kind: str) -> bool:
        """One life with one fault; whether the fault came."""
        lives, done = None, len(calls(self.folder))
        self.found.in_flight += 1
        if kind in ON_CALLS:
            plan(self.folder, {done + self.rng.randrange(1, 5): ON_CALLS[kind]})
            code = self.expect(kind, Life(self.config, self.out).end(), {FINISHED, STOPPED, -signal.SIGKILL})
            return code != FINISHED
        plan(self.folder, {})
        if kind == "disk full":
            sizes = [p.stat().st_size for p in self.out.rglob("*") if p.is_file()]
            limit = max([4096, *sizes]) + self.rng.randrange(12_000)
            code = self.expect(kind, Life(self.config, self.out, most_bytes=limit).end(), {FINISHED, REFUSED})
            return code != FINISHED
        lives = Life(self.config, self.out)
        if kind == "database locked":
            return self.locks(lives)
        if kind == "second driver":
            self.await_work(lives)
            came = self.is_refused()
            time.sleep(self.rng.uniform(0.0, 0.1))
            lives.kill()
            self.expect(kind, lives.end(), {FINISHED, -signal.SIGKILL})
            return came
        time.sleep(self.rng.uniform(0.0, 0.4))
        lives.kill()
        code = self.expect(kind, lives.end(), {FINISHED, -signal.SIGKILL})
        if kind == "journal torn" and code != FINISHED:
            return self.tears()
        return code != FINISHED

    def await_work(self, lives: Life) -> None:
        """Until a trial is at work, or all of them are done."""
        done = len(calls(self.folder))
        while len(calls(self.folder)) == done and not lives.is_over():
            time.sleep(0.002)

    def is_refused(self) -> bool:
        """Whether the folder is held; a first driver that has gone does not count."""
        try:
            with Workspace(self.out, self.config):
                pass
        except StateError as exc:
            return "in use by another run" in str(exc)
        return False

    def locks(self, lives: Life) -> bool:
        """Somebody else has the database for himself, for half a second."""
        self.await_work(lives)
        came = False
        if self.database is not None and self.database.exists() and not lives.is_over():
            other = sqlite3.connect(self.database, isolation_level=None, timeout=10)
            try:
                other.execute("BEGIN EXCLUSIVE")
                time.sleep(0.5)
                came = not lives.is_over()
                other.execute("ROLLBACK")
            except sqlite3.OperationalError:
                pass
            other.close()
        self.await_work(lives)  # it goes on
        lives.kill()
        self.expect("database locked", lives.end(), {FINISHED, -signal.SIGKILL})
        return came

    def tears(self) -> bool:
        """The end of the last entry did not reach the disk."""
        journal = self.out / "state" / "study.journal"
        size = journal.stat().st_size if journal.exists() else 0
        if size < 100:
            return False
        with journal.open("rb+") as file:
            file.truncate(size - self.rng.randrange(1, 40))
        return True

    def expect(self, what: str, code: int | None, allowed: set[int]) -> int | None:
        if code is None:
            self.found.hung += 1
            self.found.wrong.append(f"seed {self.seed}: {what}: did not end")
        elif code not in allowed:
            said = (self.folder / "errors.txt").read_text() if (self.folder / "errors.txt").exists() else ""
            self.found.wrong.append(f"seed {self.seed}: {what}: ended with {code} {said}"[:300])
        return code

    def compare(self, calm: Path) -> None:
        """Trials that are absent or other than in the undisturbed search are lost."""
        rows = [
            set(p.read_text().splitlines()) if (p := f / "trials.csv").exists() else set() for f in (calm, self.out)
        ]
        self.found.lost += len(rows[0] - rows[1])
        self.found.computed_twice += twice(self.folder)
        if rows[0] != rows[1]:
            self.found.wrong.append(f"seed {self.seed}: {len(rows[0] ^ rows[1])} rows of trials.csv differ")


def twice(folder: Path) -> int:
    """Measurements that had been made before. Timing asks single prompts: those are no measurements."""
    made = [call for call in calls(folder) if not call.startswith(ALONE)]
    return len(made) - len(set(made))


def replace_storage(config: SearchConfig) -> SearchConfig:
    """The undisturbed search keeps its study in a journal."""
    options = {n: v for n, v in config.study.options.items() if n != "storage"}
    return config.model_copy(update={"study": ComponentSpec.model_validate({"type": "optuna", **options})})


def on_ray(seeds: list[int], faults: int, folder: Path, found: Found) -> None:
    """Searches whose workers are killed, stopped, frozen and run out of memory; one Ray for all of them."""
    from autoprompt_search.runners.local import LocalRunner
    from autoprompt_search.runners.ray import RayRunner
    from autoprompt_search.testing.factories import job
    from autoprompt_search.testing.runner_contract import drive, outlines

    runner = RayRunner(concurrency=2, timeout=FREEZES, retries=faults)  # more than one trial can suffer
    try:
        for seed in seeds:
            rng, place = random.Random(seed), folder / f"ray {seed}"
            place.mkdir()
            backend = ComponentSpec.model_validate(
                {"type": "faulty", "folder": str(place), "fails_on": "Verdict?", "poison": POISON}
            )
            work = job(place / "state", seed=seed, rungs=(24,), backend=backend)
            calm = drive(LocalRunner(), replace(work, state=place / "calm"), trials=20, sampler="random")
            anyway = twice(place)
            (place / "calls").unlink()
            drawn = [rng.choice(list(WORKER_FAULTS)) for _ in range(faults)]
            plan(place, {1 + EVERY * n: WORKER_FAULTS[kind] for n, kind in enumerate(drawn)})
            disturbed = drive(runner, work, trials=20, sampler="random")
            came = [kind for n, kind in enumerate(drawn) if len(calls(place)) > 1 + EVERY * n]
            found.faults.update(came)
            for record in calm.records:
                if record.error:
                    found.faults[BY_THEMSELVES["breaks the model" in record.error]] += 1
            found.in_flight += 2 * len(came)
            found.computed_twice += twice(place) - anyway
            theirs = dict(zip((r.number for r in disturbed.records), outlines(disturbed.records), strict=True))
            wrong = [r for r, o in zip(calm.records, outlines(calm.records), strict=True) if theirs.get(r.number) != o]
            found.lost += len(wrong)
            found.wrong += [
                f"seed {seed} on Ray: trial {r.number} differs: {theirs.get(r.number)}"[:300] for r in wrong
            ]
            found.searches += 1
            say(found, f"seed {seed} on Ray")
    finally:
        runner.close()


def say(found: Found, what: str) -> None:
    print(
        f"{what}: {found.searches} searches, {sum(found.faults.values())} faults, {found.lost} lost, "
        f"{found.computed_twice} computed twice, {found.hung} hung", flush=True,
    )  # fmt: skip


def written(found: Found, seeds: list[int], path: Path) -> dict[str, Any]:
    """The figures, as JSON and as a table."""
    own = sum(found.faults[kind] for kind in BY_THEMSELVES)
    figures = {
        "searches": found.searches,
        "faults": sum(found.faults.values()) - own,
        "trials_that_fail_by_themselves": own,
        "lost": found.lost,
        "computed_twice": found.computed_twice,
        "in_flight_at_most": found.in_flight,
        "hung": found.hung,
        "by_kind": dict(sorted(found.faults.items())),
        "wrong": found.wrong,
        "seeds": [seeds[0], seeds[-1]],
        "machine": host(),
        "remake": "python " + " ".join(["benchmarks/chaos.py", *sys.argv[1:]]),
    }
    rows = "".join(f"| {kind} | {count} |\n" for kind, count in sorted(found.faults.items()))
    text = (
        f"# {figures['searches']} searches of 20 scripted trials with {figures['faults']} faults\n\n"
        f"Beside them {own} trials that fail by themselves. "
        f"Trials lost: **{found.lost}**. Measurements computed twice: **{found.computed_twice}** (in flight when a "
        f"fault came: at most {found.in_flight}). Searches that did not end: **{found.hung}**. "
        f"Anything else that should not happen: **{len(found.wrong)}**.\n\n"
        f"| fault | times |\n|---|---|\n{rows}\nSeeds {seeds[0]} to {seeds[-1]}. Made by `{figures['remake']}`.\n"
    )
    save(path, figures, text, indent=2)
    return figures


def main() -> None:
    parser = command_line(__doc__, "chaos")
    parser.add_argument("--searches", type=int, default=100)
    parser.add_argument("--ray", type=int, default=10, help="so many of them on Ray")
    parser.add_argument("--faults", type=int, default=6, help="per search, besides trials that fail by themselves")
    parser.add_argument("--seed", type=int, default=FIRST_SEED)
    options = parser.parse_args()
    seeds = list(range(options.seed, options.seed + options.searches))
    found = Found()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place)
        site = str(install(folder / "site"))
        sys.path.insert(0, site)
        here = str(Path(__file__).parents[1])
        os.environ["PYTHONPATH"] = os.pathsep.join([site, here, *filter(None, [os.environ.get("PYTHONPATH")])])
        for seed in seeds[options.ray :]:
            Disturbed(seed, folder / str(seed), found).run(options.faults)
            say(found, f"seed {seed}")
            written(found, seeds, options.out)
        if options.ray:  # last: this process cannot be forked with Ray's threads in it
            on_ray(seeds[: options.ray], options.faults, folder, found)
    print(yaml.safe_dump(written(found, seeds, options.out), sort_keys=False))
    sys.exit(bool(found.lost or found.hung or found.wrong or found.computed_twice > found.in_flight))


if __name__ == "__main__":
    main()
