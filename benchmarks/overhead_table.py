"""The figures of `overhead.py` as Markdown."""

from __future__ import annotations

from typing import Any

from benchmarks.meter import PARTS

STOCK = "Ray Tune + OptunaSearch + ASHA + MLflowLoggerCallback"


def table(found: dict[str, Any]) -> str:
    """The figures for people."""
    ours, stock_side, long = found["ours"], found["theirs"][STOCK], found["long"]
    rest = [row["without_tpe"] for row in long["growth"]]
    lines = [
        f"Engine overhead per scripted trial, {found['concurrency']} at a time, {found['machine']}. {found['note']}",
        "",
        "| | ours | stock Tune + OptunaSearch + MLflow callback |",
        "|---|---|---|",
    ]
    rows = {
        "trials": "trials",
        "overhead, ms of wall time": "overhead_ms_per_trial",
        "driver, ms of processor time": "driver_cpu_ms_per_trial",
    }
    lines += [f"| {text} | {ours[name]:g} | {stock_side[name]:g} |" for text, name in rows.items()]
    lines += [
        "",
        f"Ratio of overheads, median of {found['repeats']}: {found['ratio']}.",
        "",
        "Processor time of our driver in ms per trial, along a search of "
        f"{long['trials']} trials. TPE's own grows with what it learns from; all the rest together took between "
        f"{min(rest):g} and {max(rest):g}.",
        "",
        f"| up to trial | {' | '.join(PARTS)} | without TPE |",
        "|---" * (len(PARTS) + 2) + "|",
    ]
    lines += [
        f"| {row['trials']} | {' | '.join(f'{row[part]:g}' for part in PARTS)} | {row['without_tpe']:g} |"
        for row in long["growth"]
    ]
    return "\n".join(
        [
            *lines,
            "",
            f"Memory at its end: driver {long['driver_megabytes']} MB, growing by "
            f"{long['driver_megabytes_per_1000_trials']:g} MB per 1,000 trials; both workers "
            f"{long['workers_megabytes']} MB, {long['workers_megabytes_per_1000_trials']:+g} MB per 1,000 trials.",
            "",
            f"Remake: `{found['remake']}`",
            "",
        ]
    )
