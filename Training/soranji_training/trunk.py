"""The frozen trunk: SmolLM2-135M-Instruct read from its GGUF file, in plain PyTorch, f32; its tokenizer; and a way in for grown experts.

Text tokens use the original weights and nothing else. Media tokens (video, audio) go through the same frozen attention and FFN, and
grown experts of their modality are added beside the FFN; the two meet only in attention, where media come before the text that asks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from gguf import GGUFReader
from gguf.quants import dequantize
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from .layers import tensor
from .stage import cache_folder

START, END = "<|im_start|>", "<|im_end|>"


@dataclass(frozen=True)
class Dims:
    width: int
    layers: int
    heads: int
    kv_heads: int
    head: int
    eps: float
    theta: float


def default_path() -> Path:
    return Path(os.environ.get("SORANJI_TRUNK") or cache_folder() / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf")


def field(reader: GGUFReader, name: str):
    return reader.get_field(name).contents()


def unpermute(w: np.ndarray, heads: int) -> np.ndarray:
    """GGUF stores q and k rows so that rotated pairs are neighbours; back to halves (pair i = rows i and i + head/2)."""
    out, inner = w.shape
    return w.reshape(heads, out // heads // 2, 2, inner).swapaxes(1, 2).reshape(out, inner)


class Trunk:
    """h (B, S, width). All weights are frozen f32 tensors in `w`."""

    def __init__(self, path: Path | None = None, layers: int | None = None):
        path = path or default_path()
        if not path.exists():
            raise SystemExit(f"{path} is missing; `make model` fetches it")
        r = GGUFReader(path)
        a = field(r, "general.architecture")
        heads, width = field(r, f"{a}.attention.head_count"), field(r, f"{a}.embedding_length")
        self.dims = Dims(width, field(r, f"{a}.block_count"), heads, field(r, f"{a}.attention.head_count_kv"), width // heads, field(r, f"{a}.attention.layer_norm_rms_epsilon"), field(r, f"{a}.rope.freq_base"))
        d, t = self.dims, {x.name: x for x in r.tensors}
        read = lambda name: dequantize(t[name].data, t[name].tensor_type).astype(np.float32)
        w = {"emb": read("token_embd.weight"), "norm": read("output_norm.weight")}
        self.loaded = layers or d.layers
        for i in range(self.loaded):
            b = f"blk.{i}."
            q, k = unpermute(read(b + "attn_q.weight"), d.heads), unpermute(read(b + "attn_k.weight"), d.kv_heads)
            w[f"{i}.qkv"] = np.concatenate([q, k, read(b + "attn_v.weight")])
            w[f"{i}.o"] = read(b + "attn_output.weight")
            w[f"{i}.gate_up"] = np.concatenate([read(b + "ffn_gate.weight"), read(b + "ffn_up.weight")])
            w[f"{i}.down"] = read(b + "ffn_down.weight")
            w[f"{i}.n1"], w[f"{i}.n2"] = read(b + "attn_norm.weight"), read(b + "ffn_norm.weight")
        self.w = {k: tensor(v.copy()) for k, v in w.items()}
        self.emb = self.w["emb"]
        self.tokenizer = tokenizer(r)

    def ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def rope(self, pos):
        d = self.dims
        speed = d.theta ** (-torch.arange(0, d.head, 2, dtype=torch.float64, device=pos.device) / d.head)
        angle = torch.cat([pos.double()[..., None] * speed] * 2, -1)
        return angle.cos().float()[:, :, None], angle.sin().float()[:, :, None]

    def run(self, text, pos, mask, media=None, grown=None, kv_layers=(), stop=None, loads=None):
        """text (B, St, width) embeddings; media (B, Sm, width) or None; pos (B, S) and mask (B, S, S), True = may attend, in the order
        media, text. Returns the normed text states and {layer: (B, S, 2 * kv_heads * head)}: K before its rotation, then V."""
        d, w, half = self.dims, self.w, self.dims.head // 2
        B, n = text.shape[0], 0 if media is None else media.shape[1]
        S, kv, H, K, D = n + text.shape[1], {}, d.heads, d.kv_heads, d.head
        cos, sin = self.rope(pos)
        mask = mask[:, None]
        nrm = lambda x, g: F.rms_norm(x, (d.width,), g, d.eps)
        ffn = lambda x, i: F.linear(swiglu(F.linear(x, w[f"{i}.gate_up"])), w[f"{i}.down"])
        for i in range(self.loaded if stop is None else stop):
            p = F.linear(nrm(text, w[f"{i}.n1"]), w[f"{i}.qkv"])
            if n:
                p = torch.cat([F.linear(nrm(media, w[f"{i}.n1"]), w[f"{i}.qkv"]), p], 1)
            if i in kv_layers:
                kv[i] = p[..., H * D :]
            p = p.view(B, S, H + 2 * K, D)
            qk = p[:, :, : H + K]
            qk = qk * cos + torch.cat([-qk[..., half:], qk[..., :half]], -1) * sin
            q, k, v = qk[:, :, :H].transpose(1, 2), qk[:, :, H:].transpose(1, 2), p[:, :, H + K :].transpose(1, 2)
            k, v = (x.repeat_interleave(H // K, 1) for x in (k, v))
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(B, S, d.width)
            text = text + F.linear(a[:, n:].contiguous(), w[f"{i}.o"])
            text = text + ffn(nrm(text, w[f"{i}.n2"]), i)
            if n:
                media = media + F.linear(a[:, :n].contiguous(), w[f"{i}.o"])
                x = nrm(media, w[f"{i}.n2"])
                media = media + ffn(x, i) + (grown(i, x, loads) if grown else 0)
        return nrm(text, w["norm"]), kv

    @torch.no_grad()
    def prompt_rows(self, prompts: list[str], layers) -> list[torch.Tensor]:
        """For each prompt the rows (tokens, len(layers) * 2 * kv width) that the flow decoder reads: those of the prompt's own tokens and
        the end mark in `<|im_start|>user\\nPROMPT<|im_end|>`, without the first three, which every sequence shares."""
        ids = [self.ids(f"{START}user\n{p}{END}") for p in prompts]
        out: list[torch.Tensor | None] = [None] * len(ids)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        for s in range(0, len(order), 16):
            part = order[s : s + 16]
            n = max(len(ids[i]) for i in part)
            table = torch.zeros(len(part), n, dtype=torch.long)
            for row, i in enumerate(part):
                table[row, : len(ids[i])] = torch.tensor(ids[i])
            pos = torch.arange(n).expand(len(part), n)
            _, kv = self.run(self.emb[table], pos, torch.ones(1, n, n, dtype=torch.bool).tril(), kv_layers=layers, stop=max(layers) + 1)
            rows = torch.cat([kv[l] for l in layers], -1)
            for row, i in enumerate(part):
                out[i] = rows[row, 3 : len(ids[i])].clone()
        return out


def swiglu(x):
    gate, up = x.chunk(2, -1)
    return F.silu(gate) * up


def tokenizer(r: GGUFReader) -> Tokenizer:
    tokens, merges = field(r, "tokenizer.ggml.tokens"), field(r, "tokenizer.ggml.merges")
    kinds = field(r, "tokenizer.ggml.token_type")
    t = Tokenizer(models.BPE({x: i for i, x in enumerate(tokens)}, [tuple(m.split(" ")) for m in merges]))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([AddedToken(x, special=True, normalized=False) for x, k in zip(tokens, kinds) if k == 3])
    return t
