"""Fine-tuning: what trains a local model's weights, or puts something beside them."""

from finetune.bottleneck import Bottleneck
from finetune.lora import Lora
from finetune.qlora import Qlora
from finetune.weights import Freeze, Full

__all__ = ["Bottleneck", "Freeze", "Full", "Lora", "Qlora"]
