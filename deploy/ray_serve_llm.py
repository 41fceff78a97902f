"""Serve a model on the Ray cluster of the search, and search through it.

    pip install "ray[serve,llm]"                      # on the cluster's nodes with GPUs
    MODEL=Qwen/Qwen3-4B serve run deploy.ray_serve_llm:app
    autoprompt-search probe http://127.0.0.1:8000/v1 --model searched
    autoprompt-search run search_spaces/endpoint.yaml \\
        --set backend.model=searched --set backend.base_url=http://127.0.0.1:8000/v1 --set budget.trials=48

The engine takes the GPUs, the search takes none: its driver sends requests. This project's tests have no GPU and do not
run it.
"""

from __future__ import annotations

import os

from ray.serve.llm import LLMConfig, build_openai_app

engine = LLMConfig(
    model_loading_config={
        "model_id": "searched",  # what backend.model says
        "model_source": os.environ["MODEL"],  # a hub name, or a folder that all GPU nodes can see
    },
    deployment_config={
        # One replica per GPU; a rung asks all of them at once. Scale with runner.concurrency / 16 or so.
        "autoscaling_config": {"min_replicas": 1, "max_replicas": int(os.environ.get("REPLICAS", "1"))},
    },
    engine_kwargs={
        "enable_prefix_caching": True,  # prompts of one trial share their beginning
        "max_logprobs": 20,  # labels by top-k, where they cannot be asked for by number
        "max_model_len": int(os.environ.get("CONTEXT", "4096")),
    },
)

app = build_openai_app({"llm_configs": [engine]})
