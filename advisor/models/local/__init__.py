"""The local engine: a Hugging Face causal model and a sentence embedder in this process."""
