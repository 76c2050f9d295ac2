"""Fine-tuning: what trains a local model's weights, or puts something beside them or in front of its prompts."""

from finetune.lora import Lora
from finetune.qlora import Qlora
from finetune.starts import Cartridge, PrefixTuning, PTuning, SoftPrompt

__all__ = ["Cartridge", "Lora", "PTuning", "PrefixTuning", "Qlora", "SoftPrompt"]
