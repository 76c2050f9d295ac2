"""Fine-tuning: low-rank adapters on a local model, trained on the answers alone; encoders as classifiers."""

from finetune.classifiers import Encoder, SetFit
from finetune.lora import Lora

__all__ = ["Encoder", "Lora", "SetFit"]
