"""Fine-tuning: what trains a local model's weights, or puts something beside them."""

from finetune.classifiers import Encoder, SetFit
from finetune.lora import Lora
from finetune.qlora import Qlora

__all__ = ["Encoder", "Lora", "Qlora", "SetFit"]
