"""Fine-tuning: adapters on a local model, trained on the answers alone."""

from finetune.lora import Lora
from finetune.peft_kinds import Ia3, NormTuner, PeftKind

__all__ = ["Ia3", "Lora", "NormTuner", "PeftKind"]
