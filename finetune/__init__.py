"""Fine-tuning: what trains a local model's weights, or puts something beside them; classifiers of its hidden states."""

from finetune.classifiers import Encoder, SetFit
from finetune.lora import Lora
from finetune.peft_kinds import Ia3, NormTuner, PeftKind
from finetune.probe import LayerProbe
from finetune.qlora import Qlora

__all__ = ["Encoder", "Ia3", "LayerProbe", "Lora", "NormTuner", "PeftKind", "Qlora", "SetFit"]
