"""Random encoders of the released sizes, and transformers' time on them.

    reference.py make FOLDER                 checkpoints (bf16) and inputs: FOLDER/{vision,audio}, FOLDER/*.f32
    reference.py time FOLDER image|video|audio f32|bf16 THREADS REPEATS OUTPUT
    reference.py compare A.f32 B.f32         root of the mean square of the difference, against that of A
"""
import json
import os
import sys
import time

import numpy
import torch

VISION = dict(depth=27, hidden_size=1152, hidden_act="gelu_pytorch_tanh", intermediate_size=4304, num_heads=16,
              in_channels=3, patch_size=16, spatial_merge_size=2, temporal_patch_size=2, out_hidden_size=2048,
              num_position_embeddings=2304, deepstack_visual_indexes=[8, 16, 24])
AUDIO = dict(d_model=1280, encoder_layers=32, encoder_attention_heads=20, encoder_ffn_dim=5120, num_mel_bins=128,
             n_window=50, n_window_infer=800, conv_chunksize=500, downsample_hidden_size=480, output_dim=2048,
             max_source_positions=1500, activation_function="gelu")
GRIDS = {"image": [1, 48, 48], "video": [4, 28, 28]}  # 768x768; 8 frames of 448x448
FRAMES = 3000  # 30 s


def model(kind):
    from transformers.models.qwen3_omni_moe import configuration_qwen3_omni_moe as configuration
    from transformers.models.qwen3_omni_moe import modeling_qwen3_omni_moe as modeling
    if kind == "audio":
        made = configuration.Qwen3OmniMoeAudioEncoderConfig(**AUDIO)
        made._attn_implementation = "sdpa"
        return modeling.Qwen3OmniMoeAudioEncoder(made).eval()
    made = configuration.Qwen3OmniMoeVisionEncoderConfig(**VISION)
    made._attn_implementation = "sdpa"
    return modeling.Qwen3OmniMoeVisionEncoder(made).eval()


def make(folder):
    from safetensors.torch import save_file
    torch.manual_seed(7)
    for kind, settings in (("vision", VISION), ("audio", AUDIO)):
        target = os.path.join(folder, kind)
        os.makedirs(target, exist_ok=True)
        made = model(kind)
        state = {}
        for name, value in made.state_dict().items():
            if name.endswith(".bias"):
                value = torch.randn_like(value) * 0.02
            if name != "positional_embedding.positional_embedding":
                state[name] = value.to(torch.bfloat16).contiguous()
        save_file(state, os.path.join(target, "model.safetensors"))
        with open(os.path.join(target, "config.json"), "w") as file:
            json.dump({"model_type": "encoder", kind + "_config": settings}, file)
    for name, grid in GRIDS.items():
        rows = torch.rand(grid[0] * grid[1] * grid[2], 1536) * 2 - 1
        rows.numpy().tofile(os.path.join(folder, name + ".f32"))
    (torch.rand(128, FRAMES) * 2 - 1).numpy().tofile(os.path.join(folder, "audio.f32"))


def measure(folder, what, kind, threads, repeats, output):
    from safetensors.torch import load_file
    torch.set_num_threads(threads)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[kind]
    part = "audio" if what == "audio" else "vision"
    made = model(part)
    missing, unexpected = made.load_state_dict(load_file(os.path.join(folder, part, "model.safetensors")), strict=False)
    assert not unexpected and all("positional" in name or "inv_freq" in name for name in missing), missing
    made = made.to(dtype)
    values = torch.from_numpy(numpy.fromfile(os.path.join(folder, what + ".f32"), dtype=numpy.float32)).to(dtype)
    if what == "audio":
        arguments = dict(input_features=values.reshape(128, FRAMES), feature_lens=torch.tensor([FRAMES]))
    else:
        arguments = dict(hidden_states=values.reshape(-1, 1536), grid_thw=torch.tensor([GRIDS[what]]))
    with torch.inference_mode():
        for _ in range(repeats):
            start, processors = time.perf_counter(), time.process_time()
            result = made(**arguments)
            print(f"{time.perf_counter() - start:.3f} {time.process_time() - processors:.3f}", flush=True)
    result.pooler_output.float().numpy().tofile(output)


def compare(first, second):
    a, b = (numpy.fromfile(name, dtype=numpy.float32).astype(numpy.float64) for name in (first, second))
    print(f"{numpy.sqrt(numpy.mean((a - b) ** 2) / numpy.mean(a ** 2)):.2e}")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2])
    elif sys.argv[1] == "time":
        measure(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6]), sys.argv[7])
    else:
        compare(sys.argv[2], sys.argv[3])
