"""Fine-tuning: low-rank adapters on a local model, trained on the answers alone; classifiers of its hidden states."""

from finetune.lora import Lora
from finetune.probe import LayerProbe

__all__ = ["LayerProbe", "Lora"]
