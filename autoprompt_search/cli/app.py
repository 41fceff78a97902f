"""Every command of `autoprompt-search`: arguments in, one call, one screen out. Work is imported inside commands."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from autoprompt_search.cli.guard import Guard
from autoprompt_search.cli.options import (
    Ask,
    BackendOptions,
    Changes,
    Delimiter,
    Encoding,
    Folder,
    Noun,
    PromptFolder,
    RunsPrograms,
    Space,
    TaskName,
    Timing,
)
from autoprompt_search.cli.signals import sigterm_as_ctrl_c
from autoprompt_search.core.uris import public
from autoprompt_search.core.visible import visible_line
from autoprompt_search.version import __version__

app = typer.Typer(
    name="autoprompt-search",
    help="One search over templates, demonstrations and soft prompts, with a verdict that holds on unseen data.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point of the `autoprompt-search` script."""
    app()


def _say_version(is_wanted: bool) -> None:
    if is_wanted:
        version()
        raise typer.Exit


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
    _: Annotated[
        bool, typer.Option("--version", "-V", callback=_say_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    Guard.debug = debug


@app.command()
def init(
    data: Annotated[str, typer.Option(help="A CSV, JSONL or Parquet file, a folder, or a hub data set.")],
    model: Annotated[str, typer.Option(help="Causal language model: hub name or folder.")],
    task: TaskName = "classification",
    text: Annotated[
        list[str] | None,
        typer.Option(help="Column that the prompt shows. May be repeated; only a classification needs it."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Column of the right answer; a classification needs it.")] = None,
    noun: Noun = None,
    ask: Ask = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    timing: Timing = True,
) -> None:
    """Write a commented, runnable space file for your own data to stdout."""
    with Guard("init"):
        from autoprompt_search.config.starter import starter_for
        from autoprompt_search.config.starter_wording import Told
        from autoprompt_search.tasks.readers import Format

        wanted, told = Format(encoding, delimiter), Told(noun, ask)
        space_file = starter_for(task, data, text or (), label, model, wanted, told, timing)
        for note in space_file.notes:
            print(f"# {visible_line(note)}", file=sys.stderr)  # noqa: T201
        sys.stdout.write(space_file.text)


@app.command()
def check(space: Space, changes: Changes = None) -> None:
    """Say everything that is wrong with a space file, or what it would search."""
    with Guard("check"):
        from autoprompt_search.cli.check import inspect
        from autoprompt_search.cli.screens import show_check

        show_check(inspect(space, changes or ()))


@app.command()
def run(
    space: Space,
    changes: Changes = None,
    out: Annotated[
        str | None,
        typer.Option(help="Result folder, or an address such as s3://bucket/folder; reports/NAME.", show_default=False),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the folder holds and start anew.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show the result only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Say everything as JSON lines on stdout.")] = False,
) -> None:
    """Search, prove and export. Run again to continue where an earlier run stopped."""
    again = ["autoprompt-search", "run", str(space), *(part for c in changes or () for part in ("--set", c))]
    again += ["--out", out] if out else []
    stopped = f"Finished trials are kept. Go on with: {public(shlex.join(again))}"
    with Guard("run", stopped=stopped) as watch, sigterm_as_ctrl_c():
        view = "json" if as_json else "quiet" if quiet else ""
        _search(watch, space, changes or (), out, fresh=fresh, view=view)


@app.command()
def probe(
    url: Annotated[str, typer.Argument(help="Base URL of an OpenAI-compatible API, with /v1.", show_default=False)],
    model: Annotated[str, typer.Option(help="Name of the model at the server.", show_default=False)],
    key_from: Annotated[str, typer.Option(help="Environment variable that holds the key.")] = "OPENAI_API_KEY",
    api: Annotated[str, typer.Option(help="chat, completions or auto.")] = "auto",
    longest: Annotated[int, typer.Option(min=500, help="Tokens of the longest prompt that you will send.")] = 6000,
) -> None:
    """Find out by about sixty requests what an endpoint can do, what it drops in silence, and if it repeats itself."""
    with Guard("probe"):
        from autoprompt_search.cli.probe import probe_endpoint
        from autoprompt_search.cli.screens import show_probe

        show_probe(probe_endpoint(url, model, key_from, api, longest))


@app.command()
def submit(
    space: Space,
    address: Annotated[str, typer.Option(help="Ray's job server.", metavar="http://HEAD:8265", show_default=False)],
    changes: Changes = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the result, here; reports/NAME by default.", show_default=False)
    ] = None,
    there: Annotated[
        str | None,
        typer.Option(help="Folder of the search on the cluster; ~/autoprompt-search/NAME by default.", metavar="DIR"),
    ] = None,
    pip: Annotated[list[str] | None, typer.Option(help="Package to install on the nodes. May be repeated.")] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Environment of the job; no secrets. Repeatable.")
    ] = None,
    ship: Annotated[bool, typer.Option(help="Send this very package along, or use the cluster's own.")] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what the folder there holds and start anew.")] = False,
) -> None:
    """Run a search as a job on a Ray cluster: send the working folder, follow the job, bring the result back."""
    with Guard("submit", stopped="Submit again to go on."), sigterm_as_ctrl_c():
        from autoprompt_search.cli.submit import Order
        from autoprompt_search.cli.submit import submit as hand_in

        order = Order(space, tuple(changes or ()), address, there, tuple(pip or ()), tuple(env or ()), ship, fresh)
        hand_in(order, out)


@app.command(hidden=True)
def job(
    space: Space,
    mark: Annotated[str, typer.Option(help="Word before every line of the result.")],
    changes: Changes = None,
    there: Annotated[str | None, typer.Option(help="As --there of submit.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="As --fresh of run.")] = False,
) -> None:
    """What `submit` starts on the cluster: the search, then its result into the log."""
    with Guard("job", stopped="Finished trials are kept.") as watch, sigterm_as_ctrl_c():
        from autoprompt_search.cli.bundle import pack
        from autoprompt_search.cli.submit import changes_there, folder_there
        from autoprompt_search.config import load_config

        config = load_config(space, changes or ())
        folder = folder_there(config.name, there).expanduser()
        _search(watch, space, [*(changes or ()), *changes_there(config, folder)], folder, fresh=fresh)
        sys.stdout.write(pack(folder, mark))


def _search(
    watch: Guard, space: Path, changes: Sequence[str], out: Path | str | None, *, fresh: bool, view: str = ""
) -> None:
    """What `run` and `job` do; `view` may be `quiet` or `json`."""
    if not view and space.is_file():  # before anything is imported that takes a second
        print(f"autoprompt-search {__version__}: reading {space}", file=sys.stderr, flush=True)  # noqa: T201
    from autoprompt_search.config import load_config
    from autoprompt_search.progress.views import progress_for
    from autoprompt_search.remote import is_remote
    from autoprompt_search.walk import search

    config = load_config(space, changes)
    folder = Path("reports") / config.name if out is None or is_remote(out) else Path(out)
    expected = ["soft"] if config.has_soft else []
    progress = progress_for(quiet=view == "quiet", as_json=view == "json", expected=expected)
    watch.log_to(folder / "state" / "search.log", show=progress.note)
    result = search(config, out=out or folder, fresh=fresh, progress=progress)
    if view == "json":
        from autoprompt_search.progress.json_lines import JsonLines

        JsonLines(sys.stdout).say("result", folder=result.folder, report=_report_of(result.folder), **result.data)
        return
    from autoprompt_search.cli.screens import show_result

    show_result(result.summary, _report_of(result.folder))


def _report_of(folder: Path) -> str:
    return (folder / "report.html").absolute().as_uri()


@app.command()
def report(folder: Folder) -> None:
    """Write the report of a finished search again."""
    with Guard("report"):
        from autoprompt_search.walk import rebuild_report

        for path in rebuild_report(folder):
            sys.stdout.write(f"{visible_line(str(path))}\n")


@app.command()
def export(
    folder: Folder,
    to: Annotated[Path, typer.Option(help="New folder for the prompt.", metavar="DEST", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Replace what DEST holds.")] = False,
) -> None:
    """Copy the best prompt of a search to a place of its own, after checking every file."""
    with Guard("export"):
        from autoprompt_search.cli.export import copy_prompt

        sys.stdout.write(f"{visible_line(str(copy_prompt(folder, to, force=force)))}\n")


@app.command()
def predict(
    prompt: PromptFolder,
    source: Annotated[str, typer.Option("--input", metavar="FILE|-", help="JSONL, CSV, TSV or Parquet; - is stdin.")],
    target: Annotated[str, typer.Option("--output", metavar="FILE|-", help="JSONL; - is stdout.")] = "-",
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="[FIELD=]COLUMN", help="Column of a field, where it has another name. May be repeated."),
    ] = None,
    backend: BackendOptions = None,
    batch: Annotated[int, typer.Option(min=1, help="Rows per step.")] = 256,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
) -> None:
    """Label new texts with an exported prompt, as a batch or in a pipe. Other columns are kept."""
    with Guard("predict"):
        from autoprompt_search.cli.predict import predict_rows
        from autoprompt_search.cli.rows import format_of

        wanted = format_of(encoding, delimiter)
        predict_rows(prompt, source, target, text=text or (), backend=backend or (), batch=batch, wanted=wanted)


@app.command()
def evaluate(
    prompt: PromptFolder,
    data: Annotated[Path, typer.Option(help="Labelled JSONL, CSV, TSV or Parquet file.", show_default=False)],
    text: Annotated[
        list[str] | None,
        typer.Option(metavar="[FIELD=]COLUMN", help="Column of a field, where it has another name. May be repeated."),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Column of the gold label; by default that of the search.", show_default=False)
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Another metric than the search's own.", show_default=False)
    ] = None,
    backend: BackendOptions = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    allow_code_execution: RunsPrograms = False,
) -> None:
    """Measure an exported prompt on labelled data, with intervals."""
    with Guard("evaluate"):
        from autoprompt_search.cli.predict import evaluate_file
        from autoprompt_search.cli.rows import format_of
        from autoprompt_search.cli.screens import show_evaluation

        wanted = format_of(encoding, delimiter)
        measured = evaluate_file(
            prompt,
            data,
            text=text or (),
            label=label,
            metric=metric,
            backend=backend or (),
            wanted=wanted,
            runs_programs=allow_code_execution,
        )
        show_evaluation(measured)


@app.command()
def dashboard(
    uri: Annotated[str, typer.Option(help="The MLflow store the searches wrote to.")] = "sqlite:///mlflow.db",
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="5000 or the next free one by default.", show_default=False)
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Show all searches in MLflow's pages, on this machine only."""
    with Guard("dashboard", stopped=""), sigterm_as_ctrl_c():
        from autoprompt_search.cli.dashboard import serve

        serve(uri, port, opens=browser and sys.stdout.isatty())


@app.command()
def spaces(
    name: Annotated[
        str | None, typer.Argument(help="A space to copy; all are listed without one.", show_default=False)
    ] = None,
    to: Annotated[Path | None, typer.Option(help="File or folder; NAME.yaml here.", show_default=False)] = None,
) -> None:
    """List the search spaces that come with the package, or copy one."""
    with Guard("spaces"):
        from autoprompt_search.cli.spaces import copied, listed

        if name is not None:
            sys.stdout.write(f"{copied(name, to)}\n")
            return
        for space, line in listed():
            sys.stdout.write(f"{space:16} {line}\n")


@app.command()
def schema() -> None:
    """Print the JSON schema of space files, for editors."""
    with Guard("schema"):
        import json

        from autoprompt_search.config.schema import json_schema

        sys.stdout.write(json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n")


@app.command()
def version() -> None:
    """Print the version."""
    sys.stdout.write(f"{__version__}\n")
