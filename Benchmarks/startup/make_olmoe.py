#!/usr/bin/env python3
"""Writes a GGUF file in OLMoE's shape with random Q4_0 weights: 16 layers, 64 experts of 1,024, top 8, width 2,048, 3.8 GB.

The vocabulary is SmolLM2's, so that text can be tokenized; what the model says is noise. It serves to measure starting and
paging at the size of a real model where no real one can be fetched. The numpy generator and the seed are fixed: the same bytes everywhere.
"""

import argparse
import os
import pathlib
import sys

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "peers"))
import peer  # noqa: E402

LAYERS, WIDTH, HEADS, EXPERTS, TOP, EXPERT_WIDTH = 16, 2048, 16, 64, 8, 1024
BLOCK_WEIGHTS, BLOCK_BYTES = 32, 18


def random_q4_0(generator, rows, columns):
    """Blocks of a half-precision scale and 16 bytes of nibbles; the scale makes the weights' deviation about 1/sqrt(columns)."""
    blocks = rows * columns // BLOCK_WEIGHTS
    data = generator.integers(0, 256, size=(blocks, BLOCK_BYTES), dtype=numpy.uint8)
    scale = numpy.float16(1 / (4.6 * columns**0.5))
    data[:, :2] = numpy.frombuffer(scale.tobytes(), dtype=numpy.uint8)
    return data.reshape(rows, columns // BLOCK_WEIGHTS * BLOCK_BYTES)


def body():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", nargs="?", help="the file to write (default: in the cache folder)")
    options = parser.parse_args()
    tools = peer.llama_tools()
    smollm2 = peer.models(tools)["Q4_0"]
    output = pathlib.Path(options.output or smollm2.parent / "random-olmoe.Q4_0.gguf")
    if output.exists():
        print(output)
        return
    # llama.cpp's own writer, from the sources that its tools were built of.
    sys.path.insert(0, str(tools.parents[1] / "source" / "gguf-py"))
    import gguf

    source = gguf.GGUFReader(smollm2)
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_suffix(".part")
    writer = gguf.GGUFWriter(unfinished, "olmoe")
    writer.add_name("Random weights in OLMoE's shape")
    writer.add_block_count(LAYERS)
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(EXPERT_WIDTH)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(TOP)
    writer.add_vocab_size(49152)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
    for field in source.fields.values():
        if field.name.startswith("tokenizer."):
            kind = field.types[0]
            sub_type = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(field.name, field.contents(), kind, sub_type=sub_type)

    def shapes():
        yield "token_embd.weight", (49152, WIDTH)
        yield "output.weight", (49152, WIDTH)
        yield "output_norm.weight", (WIDTH,)
        for layer in range(LAYERS):
            prefix = f"blk.{layer}."
            for name in ("attn_norm", "ffn_norm", "attn_q_norm", "attn_k_norm"):
                yield f"{prefix}{name}.weight", (WIDTH,)
            for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
                yield f"{prefix}{name}.weight", (WIDTH, WIDTH)
            yield f"{prefix}ffn_gate_inp.weight", (EXPERTS, WIDTH)
            yield f"{prefix}ffn_gate_exps.weight", (EXPERTS, EXPERT_WIDTH, WIDTH)
            yield f"{prefix}ffn_up_exps.weight", (EXPERTS, EXPERT_WIDTH, WIDTH)
            yield f"{prefix}ffn_down_exps.weight", (EXPERTS, WIDTH, EXPERT_WIDTH)

    def is_float(name, shape):
        return len(shape) == 1 or "gate_inp" in name

    for name, shape in shapes():
        if is_float(name, shape):
            writer.add_tensor_info(name, shape, numpy.dtype(numpy.float32), 4 * int(numpy.prod(shape)))
        else:
            size = int(numpy.prod(shape)) // BLOCK_WEIGHTS * BLOCK_BYTES
            quantized = (*shape[:-1], shape[-1] // BLOCK_WEIGHTS * BLOCK_BYTES)
            writer.add_tensor_info(
                name, quantized, numpy.dtype(numpy.uint8), size, raw_dtype=gguf.GGMLQuantizationType.Q4_0
            )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    generator = numpy.random.Generator(numpy.random.Philox(20260101))
    for name, shape in shapes():
        if len(shape) == 1:
            writer.write_tensor_data(numpy.ones(shape, dtype=numpy.float32))
        elif is_float(name, shape):
            writer.write_tensor_data(generator.standard_normal(shape, dtype=numpy.float32) / 45)
        else:
            rows, columns = int(numpy.prod(shape[:-1])), shape[-1]
            writer.write_tensor_data(
                random_q4_0(generator, rows, columns).reshape(*shape[:-1], columns // BLOCK_WEIGHTS * BLOCK_BYTES)
            )
    writer.close()
    os.replace(unfinished, output)
    print(output)


if __name__ == "__main__":
    peer.main(body)
