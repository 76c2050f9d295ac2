"""Fine-tuning: what trains a local model's weights, or puts something beside them."""

from finetune.lora import Lora
from finetune.peft_kinds import Ia3, NormTuner, PeftKind
from finetune.qlora import Qlora

__all__ = ["Ia3", "Lora", "NormTuner", "PeftKind", "Qlora"]
