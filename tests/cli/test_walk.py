"""From a space file to predictions, through every command."""

import json
import signal
import subprocess
import sys

import pytest


def test_run_shows_lines_then_the_result(work, cli):
    result = cli("run", "space.yaml")
    assert result.stdout.startswith("Verdict: ")
    assert "tiny: 4 trials" in result.stderr
    assert "[4/4] trial " in result.stderr
    assert "\x1b" not in result.stderr + result.stdout
    assert (work / "reports" / "tiny" / "result.json").exists()


def test_running_again_computes_nothing_and_says_the_same(searched, cli):
    again = cli("run", "space.yaml")
    assert "4 of them finished before" in again.stderr
    assert " 0 of them new" in again.stdout


def test_quiet_shows_the_result_only(work, cli):
    result = cli("run", "space.yaml", "--quiet", "--out", "elsewhere")
    assert result.stderr == ""
    assert (work / "elsewhere" / "report.html").exists()


def test_another_search_in_the_folder_is_refused_with_what_changed(searched, cli):
    message = cli("run", "space.yaml", "--set", "seed=5", code=2).stderr
    assert "seed: was 0, now 5" in message
    assert "--fresh" in message
    assert "Verdict" in cli("run", "space.yaml", "--set", "seed=5", "--fresh").stdout


def test_report_is_written_again(searched, cli):
    page = searched / "reports" / "tiny" / "report.html"
    page.unlink()
    assert "report.html" in cli("report", "reports/tiny").stdout
    assert page.exists()


def test_export_copies_and_protects(searched, cli):
    cli("export", "reports/tiny", "--to", "mine")
    assert (searched / "mine" / "prompt.yaml").exists()
    assert "not empty" in cli("export", "reports/tiny", "--to", "mine", code=2).stderr
    (searched / "mine" / "other.txt").write_text("x", encoding="utf-8")
    cli("export", "reports/tiny", "--to", "mine", "--force")
    assert not (searched / "mine" / "other.txt").exists()
    (searched / "reports/tiny/best_prompt/prompt.yaml").write_text("x", encoding="utf-8")
    assert "Error: " in cli("export", "reports/tiny", "--to", "mine", "--force", code=1).stderr
    assert (searched / "mine" / "prompt.yaml").exists(), "a failed export leaves what was there"


def test_predict_keeps_rows_columns_and_order(searched, cli):
    cli("predict", "reports/tiny/best_prompt", "--input", "reviews.jsonl", "--output", "out.jsonl", "--batch", 7)
    given = [json.loads(line) for line in (searched / "reviews.jsonl").read_text(encoding="utf-8").splitlines()]
    made = [json.loads(line) for line in (searched / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [{n: v for n, v in row.items() if n in given[0]} for row in made] == given
    assert {row["prediction"] for row in made} == {"neg", "pos"}
    assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-4 for row in made)


def test_predict_reads_pipes_csv_and_other_columns(searched, cli):
    prompt = "reports/tiny/best_prompt"
    lines = cli(
        "predict", prompt, "--input", "-", stdin='{"text": "a lovely day"}\nan awful day\n\n'
    ).stdout.splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["a lovely day", "an awful day"]
    (searched / "in.csv").write_text('id,review\n7,"lovely, really"\n', encoding="utf-8")
    [line] = cli("predict", prompt, "--input", "in.csv", "--text", "review").stdout.splitlines()
    assert json.loads(line)["review"] == "lovely, really"
    assert json.loads(line)["id"] == "7"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("in.jsonl", '{"text": "x"}\n{"txt": "y"}\n', "in.jsonl:2: no column 'text'"),
        ("in.jsonl", '{"text": "x"}\nbroken\n', "in.jsonl:2: broken JSON"),
        ("in.csv", "text,a\nx,1\ny\n", "in.csv:3: 1 cells under a header of 2"),
        ("in.xlsx", "x", "save the sheet with the examples as CSV"),
    ],
)
def test_bad_rows_are_named_and_no_half_file_is_left(searched, cli, name, text, expected):
    (searched / name).write_text(text, encoding="utf-8")
    prompt = "reports/tiny/best_prompt"
    assert expected in cli("predict", prompt, "--input", name, "--output", "out.jsonl", code=2).stderr
    assert not (searched / "out.jsonl").exists()


def test_the_input_is_never_the_output(searched, cli):
    args = ("--input", "reviews.jsonl", "--output", "./reviews.jsonl")
    assert "is the input itself" in cli("predict", "reports/tiny/best_prompt", *args, code=2).stderr


def test_evaluate_shows_metrics_with_intervals(searched, cli):
    out = cli("evaluate", "reports/tiny/best_prompt", "--data", "reviews.jsonl").stdout
    assert "accuracy" in out
    assert " to " in out
    assert "on 70 examples" in out
    assert (
        "no column 'gold'"
        in cli("evaluate", "reports/tiny/best_prompt", "--data", "reviews.jsonl", "--label", "gold", code=2).stderr
    )


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_running_again_goes_on(work, cli, outside):
    code = "from autoprompt_search.cli import main; main()"
    slow = ["run", "space.yaml", "--set", "backend.seconds=0.3", "--set", "budget.trials=8"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *slow], stderr=subprocess.PIPE, text=True, env=outside,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )  # fmt: skip
    seen = ""
    while "[1/8]" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=30)[1]
    assert process.returncode == 130, rest
    assert "Go on with: autoprompt-search run space.yaml" in rest
    assert "Traceback" not in rest
    again = cli("run", "space.yaml", "--set", "backend.seconds=0.3", "--set", "budget.trials=8")
    assert "finished before" in again.stderr
