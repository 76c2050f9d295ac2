"""Fine-tuning: a local model's weights, or what stands beside them or before its prompts; and small classifiers."""

from finetune.bottleneck import Bottleneck
from finetune.classifiers import Encoder, SetFit
from finetune.cpt import ContinuedPretraining
from finetune.distil import Distil
from finetune.dpo import Dpo
from finetune.lora import Lora
from finetune.peft_kinds import Ia3, NormTuner, PeftKind
from finetune.probe import LayerProbe
from finetune.qlora import Qlora
from finetune.rlhf import Rlhf
from finetune.starts import Cartridge, PrefixTuning, PTuning, SoftPrompt
from finetune.weights import Freeze, Full

__all__ = [
    "Bottleneck",
    "Cartridge",
    "ContinuedPretraining",
    "Distil",
    "Dpo",
    "Encoder",
    "Freeze",
    "Full",
    "Ia3",
    "LayerProbe",
    "Lora",
    "NormTuner",
    "PTuning",
    "PeftKind",
    "PrefixTuning",
    "Qlora",
    "Rlhf",
    "SetFit",
    "SoftPrompt",
]
