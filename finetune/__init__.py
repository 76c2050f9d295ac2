"""Fine-tuning: what is trained of a local model, or in front of it, on the answers alone."""

from finetune.lora import Lora
from finetune.starts import Cartridge, PrefixTuning, PTuning, SoftPrompt

__all__ = ["Cartridge", "Lora", "PTuning", "PrefixTuning", "SoftPrompt"]
