"""Models behind an OpenAI-compatible API: asked with patience, counted request by request, believed after a probe."""
