"""What users import, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import autoprompt_search

HEAVY = ("torch", "transformers", "datasets", "peft", "ray", "mlflow", "optuna", "sklearn", "matplotlib")


def test_every_public_name_is_what_it_says_even_after_its_module_was_imported() -> None:
    code = (
        "import autoprompt_search.walk, autoprompt_search.config, autoprompt_search.exported\n"
        "from autoprompt_search import ExportedPrompt, SearchConfig, SearchResult, load_config, load_prompt, search\n"
        "assert all(map(callable, (ExportedPrompt, SearchConfig, SearchResult, load_config, load_prompt, search)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_public_names_are_these() -> None:
    assert sorted(autoprompt_search.__all__) == [
        "ExportedPrompt", "SearchConfig", "SearchResult", "__version__", "load_config", "load_prompt", "search",
    ]  # fmt: skip


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, autoprompt_search; sys.exit(any(name in sys.modules for name in {HEAVY!r}))"
    subprocess.run([sys.executable, "-c", code], check=True)
