"""Small data files, and the task over them."""

import csv
import json

from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.tasks import TASKS

WORDS = ("amber", "bronze", "copper", "denim", "ebony", "flint", "garnet", "hazel", "indigo", "jade", "khaki", "lilac")


def make_rows(number, labels=("neg", "pos"), start=0):
    """Distinct texts that share no three words, with the labels in turn."""
    return [
        {"text": f"{WORDS[i % 12]}{i} {WORDS[i // 12 % 12]}{i} review{i} end{i}", "label": labels[i % len(labels)]}
        for i in range(start, start + number)
    ]


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_csv(path, rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def build(data, **options):
    """The task as the configuration builds it."""
    data = {name: str(path) for name, path in data.items()} if isinstance(data, dict) else str(data)
    return TASKS.build(ComponentSpec(type="classification", data=data, **options))
