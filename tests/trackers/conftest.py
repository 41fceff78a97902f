"""Quiet and offline, before MLflow is imported by anything."""

import os

from autoprompt_search.trackers.mlflow import SETTINGS

os.environ.update(SETTINGS)
