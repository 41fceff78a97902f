"""Files for clusters, as far as they can be checked without one: their form, and numbers and options that fit."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from typer.main import get_command

from autoprompt_search.cli.app import app
from autoprompt_search.config.components import signature

DEPLOY = Path(__file__).parents[1] / "deploy"


def loaded(name: str) -> dict[str, Any]:
    (document,) = yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8"))
    return dict(document)


def commands() -> dict[str, list[str]]:
    """File -> the words of its `autoprompt-search` command."""
    slurm = (DEPLOY / "slurm.sh").read_text(encoding="utf-8").replace("\\\n", " ")
    ray_up = (DEPLOY / "ray_up.yaml").read_text(encoding="utf-8").replace("\\\n#", " ")
    found = {
        "kuberay.yaml": loaded("kuberay.yaml")["spec"]["entrypoint"],
        "slurm.sh": re.search(r"^autoprompt-search .*", slurm, re.MULTILINE)[0].rstrip(" &"),  # type: ignore[index]
        "ray_up.yaml": re.search(r"autoprompt-search submit .*", ray_up)[0],  # type: ignore[index]
    }
    return {name: shlex.split(text)[1:] for name, text in found.items()}


@pytest.mark.parametrize("name", ["kuberay.yaml", "slurm.sh", "ray_up.yaml"])
def test_the_command_is_one_that_we_understand(name: str, tmp_path: Path) -> None:
    words = commands()[name]
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    parsed = command.make_context(words[0], list(words[1:]), resilient_parsing=False).params
    options = {key for key, _, _ in (c.partition("=") for c in parsed["changes"])}
    known = {f"runner.{n}" for n in (*signature("runner", "ray").options, "type")} | {"tracker.uri"}
    assert options <= known


def test_the_rayjob_keeps_its_state_and_its_numbers_fit() -> None:
    job = loaded("kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = job["spec"]
    words = dict(w.split("=", 1) for w in shlex.split(spec["entrypoint"]) if "=" in w)
    cluster = spec["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    groups = (cluster["headGroupSpec"], workers)
    (container,) = workers["template"]["spec"]["containers"]
    gpus = workers["maxReplicas"] * int(container["resources"]["limits"]["nvidia.com/gpu"])
    assert gpus / float(words["runner.gpus"]) == int(words["runner.concurrency"])
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    assert cluster["authOptions"] == {"mode": "token"}
    out = spec["entrypoint"].split("--out ")[1].split()[0]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {v["name"] for v in pod["volumes"]}
        mounts = {m["mountPath"]: m["name"] for c in pod["containers"] for m in c["volumeMounts"]}
        assert set(mounts.values()) <= volumes
        assert out.startswith("/shared/")
        assert "/shared" in mounts
    secrets = [e for e in container["env"] if "valueFrom" in e]
    assert secrets == [], "a password that only the driver needs stands on the head alone"


def test_the_cluster_file_has_the_form_that_ray_asks_for() -> None:
    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    schema = json.loads((Path(spec.origin).parent / "autoscaler" / "ray-schema.json").read_text(encoding="utf-8"))
    problems = [f"{list(e.path)}: {e.message}" for e in Draft7Validator(schema).iter_errors(loaded("ray_up.yaml"))]
    assert problems == []
    head = " ".join(loaded("ray_up.yaml")["head_start_ray_commands"])
    assert "--dashboard-host=127.0.0.1" in head
    assert "RAY_AUTH_MODE=token" in head


def test_the_batch_script_stops_the_search_before_its_time_is_over(tmp_path: Path) -> None:
    """Run with stand-ins for `srun`, `ray` and the search: the signal gets through, the token does not stay."""
    stands_in = {
        "srun": "exit 0",
        "scontrol": "echo node-1; echo node-2",
        "ray": "exit 0",
        "autoprompt-search": """trap 'echo stopped; exit 130' TERM
            echo "$@"; sleep 0.5; kill -USR1 $PPID; for i in $(seq 100); do sleep 0.1; done""",
    }  # fmt: skip
    for name, text in stands_in.items():
        path = tmp_path / name
        path.write_text(f"#!/usr/bin/env bash\n{text}\n", encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    environment = {
        **os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "SLURM_SUBMIT_DIR": str(tmp_path),
        "SLURM_JOB_ID": "77", "SLURM_JOB_NODELIST": "node-[1-2]", "SLURM_JOB_NUM_NODES": "2",
    }  # fmt: skip
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, str(DEPLOY / "slurm.sh"), "reviews.yaml"], env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, start_new_session=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert done.stdout.splitlines()[0].startswith(
        f"run reviews.yaml --out {tmp_path}/reports/reviews --set runner.type=ray"
    )
    assert "runner.address=node-1:20077" in done.stdout
    assert "stopped" in done.stdout
    assert [p.name for p in tmp_path.iterdir() if "token" in p.name] == []
