"""Fine-tuning: adapters, or weights of a local model's own, trained on the answers alone."""

from finetune.bottleneck import Bottleneck
from finetune.lora import Lora
from finetune.weights import Freeze, Full

__all__ = ["Bottleneck", "Freeze", "Full", "Lora"]
