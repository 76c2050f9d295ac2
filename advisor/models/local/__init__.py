"""The local engine: a Hugging Face causal model and a sentence embedder in this process."""

import logging

# Where it is installed, PEFT imports it for every model, and it warns of kernels that nobody asked for.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
# What of a model lies on a disk, the report says.
logging.getLogger("accelerate.big_modeling").setLevel(logging.ERROR)
