#!/usr/bin/env python3
"""Small checkpoints with the sizes and switches that the other goldens do not have, run by transformers 5.23.0.

Odd widths, odd numbers of heads and experts, clamped projections, scaled rotary embeddings, layers without experts.
Usage: python3 generate_variants.py   (needs torch, transformers 5.23.0, safetensors)
"""
import hashlib
import json
import pathlib
import shutil

import numpy as np
import torch
import transformers as T
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).parent / "goldens"
torch.set_num_threads(1)
COMMON = dict(
    vocab_size=67, max_position_embeddings=256, tie_word_embeddings=False, eos_token_id=None, bos_token_id=None, pad_token_id=None
)

CASES = {
    "llama_yarn": lambda: T.LlamaConfig(
        **COMMON, num_hidden_layers=2, hidden_size=60, intermediate_size=37, num_attention_heads=5, num_key_value_heads=1, head_dim=12,
        rope_parameters=dict(rope_type="yarn", rope_theta=1e4, factor=4.0, original_max_position_embeddings=64),
    ),
    "mixtral_odd": lambda: T.MixtralConfig(
        **COMMON, num_hidden_layers=2, hidden_size=42, intermediate_size=29, num_attention_heads=7, num_key_value_heads=7, head_dim=6,
        num_local_experts=5, num_experts_per_tok=3, sliding_window=None,
    ),
    "olmoe_clip": lambda: T.OlmoeConfig(
        **COMMON, num_hidden_layers=2, hidden_size=40, intermediate_size=17, num_attention_heads=4, num_key_value_heads=2, num_experts=9,
        num_experts_per_tok=4, norm_topk_prob=True, clip_qkv=1.5,
    ),
    "qwen3_moe_step": lambda: T.Qwen3MoeConfig(
        **COMMON, num_hidden_layers=4, hidden_size=36, intermediate_size=50, moe_intermediate_size=21, num_attention_heads=3,
        num_key_value_heads=1, head_dim=20, num_experts=7, num_experts_per_tok=2, decoder_sparse_step=2, norm_topk_prob=True,
    ),
    "deepseek_v2_odd": lambda: T.DeepseekV2Config(
        **COMMON, num_hidden_layers=2, hidden_size=42, intermediate_size=50, moe_intermediate_size=23, num_attention_heads=3,
        num_key_value_heads=3, q_lora_rank=None, kv_lora_rank=20, qk_nope_head_dim=12, qk_rope_head_dim=8, v_head_dim=10,
        n_routed_experts=6, num_experts_per_tok=2, n_shared_experts=1, first_k_dense_replace=0, topk_method="greedy",
        routed_scaling_factor=1.7, n_group=1, topk_group=1,
    ),
    "deepseek_v3_odd": lambda: T.DeepseekV3Config(
        **COMMON, num_hidden_layers=2, hidden_size=45, intermediate_size=50, moe_intermediate_size=17, num_attention_heads=5,
        num_key_value_heads=5, q_lora_rank=28, kv_lora_rank=36, qk_nope_head_dim=12, qk_rope_head_dim=4, v_head_dim=12,
        n_routed_experts=15, num_experts_per_tok=4, n_shared_experts=2, first_k_dense_replace=1, routed_scaling_factor=2.5, n_group=5,
        topk_group=2, norm_topk_prob=True,
    ),
    "gpt_oss_odd": lambda: T.GptOssConfig(
        **{**COMMON, "max_position_embeddings": 131072}, num_hidden_layers=2, hidden_size=54, intermediate_size=28, num_attention_heads=6,
        num_key_value_heads=2, head_dim=20, num_local_experts=5, num_experts_per_tok=3, sliding_window=17,
    ),
}


def draw(case, name, shape):
    """One stream of numbers per tensor, from its name."""
    seed = hashlib.sha256(f"{case}/{name}".encode()).digest()[:16]
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(seed, "little")))
    return torch.from_numpy(generator.standard_normal(tuple(shape)).astype(np.float32))


def fill(case, model):
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("inv_freq"):
                continue
            values = draw(case, name, tensor.shape)
            if "norm" in name and name.endswith("weight"):
                tensor.copy_(1 + 0.1 * values)
            elif tensor.ndim < 2 or name.endswith("bias"):
                tensor.copy_(0.1 * values)
            else:
                # Input rows run along the last axis, except in gpt-oss's stacked experts.
                fan = tensor.shape[1] if case.startswith("gpt_oss") and tensor.ndim == 3 else tensor.shape[-1]
                tensor.copy_(values * (0.5 if "embed" in name else (2.0 if ".gate." in name or "router" in name else 1.2) / fan**0.5))


def chosen_experts(model, layers, sink):
    """Records the sorted ids of the experts of each layer, as the reference's own expert block receives them."""
    for index, layer in enumerate(layers):
        block = getattr(layer.mlp, "experts", None)
        if block is None:
            continue
        forward = block.forward

        def traced(hidden, experts, weights, *rest, forward=forward, index=index, **named):
            sink[index] = experts.reshape(-1, experts.shape[-1]).clone()
            return forward(hidden, experts, weights, *rest, **named)

        block.forward = traced


def generate(case, configuration):
    configuration._experts_implementation = "eager"
    model = T.AutoModelForCausalLM.from_config(configuration, attn_implementation="eager").eval().float()
    fill(case, model)
    folder = HERE / case
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    choices = {}
    chosen_experts(model, model.model.layers, choices)
    golden = {}
    numbers = np.random.Generator(np.random.Philox(key=11))
    for run, (batch, length) in {"p": (1, 12), "long": (1, 150)}.items():
        ids = torch.from_numpy(numbers.integers(0, configuration.vocab_size, (batch, length)))
        with torch.no_grad():
            logits = model(ids, use_cache=False).logits
        golden[f"{run}.in.input_ids"] = ids
        golden[f"{run}.out.logits"] = logits.contiguous()
        for layer, experts in choices.items():
            golden[f"{run}.out.router.{layer}#2"] = experts.contiguous()
    sequence = golden["p.in.input_ids"]
    with torch.no_grad():
        for _ in range(8):
            sequence = torch.cat([sequence, model(sequence, use_cache=False).logits[:, -1:].argmax(-1)], 1)
    golden["p.out.greedy_ids"] = sequence
    save_file(golden, folder / "golden.safetensors")
    print(case, sum(p.numel() for p in model.parameters()), sorted(choices))


if __name__ == "__main__":
    for case, configuration in CASES.items():
        generate(case, configuration())
