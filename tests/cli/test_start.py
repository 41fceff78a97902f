"""Start-up stays light, and errors leave by the right door."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "ray", "optuna", "mlflow", "sklearn", "datasets", "numpy", "pydantic", "scipy")


LOADED_BY_CONFIG = HEAVY[:7]


def python(code, env):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    return done.returncode, done.stdout, done.stderr


def test_help_loads_no_heavy_library(outside):
    code, out, _ = python(
        "import sys\nfrom autoprompt_search.cli import main\nsys.argv = ['autoprompt-search', '--help']\n"
        "try:\n    main()\nexcept SystemExit as exc:\n    assert exc.code in (0, None)\n"
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules])",
        outside,
    )
    assert code == 0
    assert "LOADED []" in out
    for command in (
        "init",
        "check",
        "run",
        "report",
        "export",
        "predict",
        "evaluate",
        "dashboard",
        "schema",
        "version",
    ):
        assert f"│ {command}" in out


def test_loading_a_configuration_loads_no_heavy_library(work, outside):
    code, out, err = python(
        "import sys\nfrom autoprompt_search.config import load_config\nload_config('space.yaml')\n"
        f"print([m for m in {LOADED_BY_CONFIG!r} if m in sys.modules])",
        outside,
    )
    assert (code, out.strip()) == (0, "[]"), err


def test_version(cli):
    assert cli("version").stdout.strip().count(".") == 2


def test_schema_is_json(cli):
    assert json.loads(cli("schema").stdout)["properties"]["rungs"]


@pytest.mark.parametrize(
    "args",
    [
        ("check", "nowhere.yaml"),
        ("run", "nowhere.yaml"),
        ("report", "nowhere"),
        ("export", "nowhere", "--to", "x"),
        ("predict", "nowhere", "--input", "reviews.jsonl"),
        ("evaluate", "nowhere", "--data", "reviews.jsonl"),
        ("dashboard", "--uri", "sqlite:///nowhere.db"),
        ("init", "--data", "nowhere.csv", "--text", "text", "--label", "label", "--model", "gpt2"),
    ],
)
def test_what_is_not_there_is_one_message_and_exit_2(work, cli, args):
    result = cli(*args, code=2)
    assert result.stderr.startswith("Error: ")
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr


def test_unexpected_errors_are_logged_and_say_where(work, cli, monkeypatch):
    def broken(*args):
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("autoprompt_search.config.load_config", broken)
    message = cli("run", "space.yaml", code=1).stderr
    assert "run failed unexpectedly: ZeroDivisionError: oh" in message
    log = message.rpartition(" ")[2].strip()
    with open(log, encoding="utf-8") as file:  # noqa: PTH123 - the path comes from the message
        assert "in broken" in file.read()
    assert "in broken" in cli("--debug", "run", "space.yaml", code=1).stderr


def test_stopping_says_how_to_go_on(work, cli, monkeypatch):
    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("autoprompt_search.walk.search", stopped)
    result = cli("run", "space.yaml", "--set", "budget.trials=3", "--out", "my out", code=130)
    assert "Stopped. Finished trials are kept." in result.stderr
    assert "autoprompt-search run space.yaml --set budget.trials=3 --out 'my out'" in result.stderr
