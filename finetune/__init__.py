"""Fine-tuning: what trains a local model's weights, or puts something beside them; classifiers of its hidden states."""

from finetune.bottleneck import Bottleneck
from finetune.classifiers import Encoder, SetFit
from finetune.lora import Lora
from finetune.probe import LayerProbe
from finetune.qlora import Qlora
from finetune.weights import Freeze, Full

__all__ = ["Bottleneck", "Encoder", "Freeze", "Full", "LayerProbe", "Lora", "Qlora", "SetFit"]
