"""The embedded model's file with its weights in float32, in which llama.cpp computes as we do.

With the file as it comes, llama.cpp rounds activations to 8 bits before it multiplies them with weights of 4; served
from this one, what is left between two engines is what they do otherwise.
"""

from __future__ import annotations

from pathlib import Path

import gguf

SKIPPED = ("GGUF.version", "GGUF.tensor_count", "GGUF.kv_count", "general.architecture", "general.file_type")


def unquantised(source: Path, target: Path) -> Path:
    """Write `target`, unless it is there."""
    if target.exists():
        return target
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, str(architecture))
    for name, field in reader.fields.items():
        if name not in SKIPPED:
            kind = field.types[0]
            inner = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, inner)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.quants.dequantize(tensor.data, tensor.tensor_type))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target
