"""Fine-tuning: a local model's weights, or what stands beside them or before its prompts; and small classifiers."""

from finetune.classifiers import Encoder, SetFit
from finetune.lora import Lora
from finetune.probe import LayerProbe
from finetune.qlora import Qlora
from finetune.starts import Cartridge, PrefixTuning, PTuning, SoftPrompt

__all__ = [
    "Cartridge",
    "Encoder",
    "LayerProbe",
    "Lora",
    "PTuning",
    "PrefixTuning",
    "Qlora",
    "SetFit",
    "SoftPrompt",
]
