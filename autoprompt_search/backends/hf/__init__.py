"""Frozen models by Hugging Face Transformers: one backend, five model families, and what makes them fast."""
