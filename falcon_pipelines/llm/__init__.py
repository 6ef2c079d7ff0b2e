"""One client for language models that speak the OpenAI protocol: structured replies, cache, budget, audit."""
