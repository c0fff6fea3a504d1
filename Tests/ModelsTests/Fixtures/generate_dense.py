#!/usr/bin/env python3
"""Small dense checkpoints (llama, qwen3) with reference outputs, from an independent numpy implementation in double.

The same code is first held against the transformers outputs in goldens/qwen3_moe and goldens/mixtral (both must agree
within 2e-5), so that the dense cases inherit that oracle. Usage: python3 generate_dense.py   (needs numpy, safetensors)
"""
import hashlib, json, math, pathlib
import numpy as np
from safetensors.numpy import load_file, save_file

HERE = pathlib.Path(__file__).parent / "goldens"


def rms(x, w, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * w


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def silu(x):
    return x / (1 + np.exp(-x))


def frequencies(config, width):
    rope = config["rope_parameters"]
    plain = rope["rope_theta"] ** (-np.arange(0, width, 2) / width)
    if rope["rope_type"] != "llama3":
        return plain
    context, low, high = rope["original_max_position_embeddings"], rope["low_freq_factor"], rope["high_freq_factor"]
    out = []
    for f in plain:
        wavelength = 2 * math.pi / f
        if wavelength < context / high:
            out.append(f)
        elif wavelength > context / low:
            out.append(f / rope["factor"])
        else:
            ramp = (context / wavelength - low) / (high - low)
            out.append((1 - ramp) * f / rope["factor"] + ramp * f)
    return np.array(out)


def forward(W, config, ids):
    W = {k: v.astype(np.float64) for k, v in W.items()}
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    width = config.get("head_dim") or config["hidden_size"] // heads
    eps, n = config["rms_norm_eps"], len(ids)
    angles = np.outer(np.arange(n), frequencies(config, width))
    cos, sin = (np.concatenate([f(angles)] * 2, -1)[:, None] for f in (np.cos, np.sin))
    rotate = lambda x: x * cos + np.concatenate([-x[..., width // 2:], x[..., :width // 2]], -1) * sin
    x = W["model.embed_tokens.weight"][ids]
    for layer in range(config["num_hidden_layers"]):
        P = f"model.layers.{layer}."
        def linear(y, name):
            out = y @ W[P + name + ".weight"].T
            return out + W[P + name + ".bias"] if P + name + ".bias" in W else out
        y = rms(x, W[P + "input_layernorm.weight"], eps)
        q, k, v = (linear(y, f"self_attn.{p}_proj").reshape(n, -1, width) for p in "qkv")
        if P + "self_attn.q_norm.weight" in W:
            q, k = rms(q, W[P + "self_attn.q_norm.weight"], eps), rms(k, W[P + "self_attn.k_norm.weight"], eps)
        q, k = rotate(q), np.repeat(rotate(k), heads // kv, 1)
        scores = np.einsum("ihd,jhd->hij", q, k) / math.sqrt(width)
        i, j = np.arange(n)[:, None], np.arange(n)[None]
        hidden = j > i
        windows = config.get("layer_types", ["full_attention"] * (layer + 1))[layer] == "sliding_attention"
        if windows:
            hidden |= i - j >= config["sliding_window"]
        out = np.einsum("hij,jhd->ihd", softmax(np.where(hidden, -np.inf, scores)), np.repeat(v, heads // kv, 1))
        x = x + linear(out.reshape(n, -1), "self_attn.o_proj")
        y = rms(x, W[P + "post_attention_layernorm.weight"], eps)
        if P + "mlp.gate_proj.weight" in W:
            x = x + linear(silu(linear(y, "mlp.gate_proj")) * linear(y, "mlp.up_proj"), "mlp.down_proj")
        else:
            mixtral = config["model_type"] == "mixtral"
            base = P + ("block_sparse_moe." if mixtral else "mlp.")
            names = ("w1", "w3", "w2") if mixtral else ("gate_proj", "up_proj", "down_proj")
            p = softmax(y @ W[base + "gate.weight"].T)
            add = np.zeros_like(x)
            for t in range(n):
                top = np.argsort(-p[t])[:config["num_experts_per_tok"]]
                for e in top:
                    g, u, d = (W[f"{base}experts.{e}.{name}.weight"] for name in names)
                    add[t] += p[t][e] / p[t][top].sum() * (d @ (silu(g @ y[t]) * (u @ y[t])))
            x = x + add
    head = W.get("lm_head.weight", W["model.embed_tokens.weight"])
    return rms(x, W["model.norm.weight"], eps) @ head.T


def check(case):
    W, Z = load_file(HERE / case / "model.safetensors"), load_file(HERE / case / "golden.safetensors")
    config = json.load(open(HERE / case / "config.json"))
    error = np.abs(forward(W, config, Z["p.in.input_ids"][0]) - Z["p.out.logits"][0]).max()
    print(f"{case}: largest difference to transformers {error:.1e}")
    assert error < 2e-5


def rng(*key):
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


def make(case, config):
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    heads, kv = config["num_attention_heads"], config["num_key_value_heads"]
    width = config.get("head_dim") or hidden // heads
    shapes = {"model.embed_tokens.weight": (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    if not config["tie_word_embeddings"]:
        shapes["lm_head.weight"] = (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        P = f"model.layers.{layer}."
        shapes |= {
            P + "input_layernorm.weight": (hidden,), P + "post_attention_layernorm.weight": (hidden,),
            P + "self_attn.q_proj.weight": (heads * width, hidden), P + "self_attn.k_proj.weight": (kv * width, hidden),
            P + "self_attn.v_proj.weight": (kv * width, hidden), P + "self_attn.o_proj.weight": (hidden, heads * width),
            P + "mlp.gate_proj.weight": (inner, hidden), P + "mlp.up_proj.weight": (inner, hidden),
            P + "mlp.down_proj.weight": (hidden, inner),
        }
        if config["attention_bias"]:
            shapes |= {P + f"self_attn.{p}_proj.bias": (n,) for p, n in
                       (("q", heads * width), ("k", kv * width), ("v", kv * width), ("o", hidden))}
        if config["model_type"] == "qwen3":
            shapes |= {P + f"self_attn.{p}_norm.weight": (width,) for p in "qk"}
    W = {}
    for name, shape in sorted(shapes.items()):
        draw = rng(1, case, name).standard_normal(shape)
        norm = "norm" in name
        scale = 0.2 if norm or "bias" in name else 1 / math.sqrt(shape[-1]) if len(shape) > 1 else 1
        W[name] = (draw * scale + norm).astype(np.float32)
    W["model.embed_tokens.weight"] *= math.sqrt(hidden) if not config["tie_word_embeddings"] else 1
    ids = rng(1, case, "ids").integers(3, config["vocab_size"], 24)
    logits = forward(W, config, ids)
    greedy = list(ids)
    for _ in range(8):
        step = forward(W, config, np.array(greedy))[-1]
        best = np.sort(step)
        assert best[-1] - best[-2] > 1e-3, "the likeliest token needs a clear margin"
        greedy.append(int(step.argmax()))
    out = HERE / case
    out.mkdir(parents=True, exist_ok=True)
    json.dump(config, open(out / "config.json", "w"), indent=1)
    save_file(W, str(out / "model.safetensors"))
    save_file({"p.in.input_ids": np.array([ids], dtype=np.int64), "p.out.logits": logits[None].astype(np.float32),
               "p.out.greedy_ids": np.array([greedy], dtype=np.int64)}, str(out / "golden.safetensors"))
    print(f"{case}: logits of standard deviation {logits.std():.2f}")


check("qwen3_moe")
check("mixtral")
common = dict(hidden_size=48, num_hidden_layers=3, vocab_size=256, intermediate_size=72, rms_norm_eps=1e-5,
              max_position_embeddings=2048, hidden_act="silu", bos_token_id=1, eos_token_id=2)
make("llama", common | dict(
    model_type="llama", num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=True, attention_bias=False,
    rope_parameters=dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                         original_max_position_embeddings=64)))
make("llama_bias", common | dict(
    model_type="llama", hidden_size=40, num_attention_heads=5, num_key_value_heads=1, tie_word_embeddings=False,
    attention_bias=True, rope_parameters=dict(rope_type="default", rope_theta=100000.0)))
make("qwen3", common | dict(
    model_type="qwen3", num_attention_heads=4, num_key_value_heads=2, head_dim=20, tie_word_embeddings=False,
    attention_bias=False, use_sliding_window=True, sliding_window=6, max_window_layers=1,
    layer_types=["full_attention", "sliding_attention", "sliding_attention"],
    rope_parameters=dict(rope_type="default", rope_theta=1000000.0)))
