"""Fine-tuning: low-rank adapters on a local model, trained on the answers alone."""

from finetune.lora import Lora

__all__ = ["Lora"]
