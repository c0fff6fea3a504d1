"""Puts an export's weights where the stages look for their own, so that they go on from them. Usage: python -m soranji_training.take_over --parts ROOT

ROOT is what `export --out` wrote, or this repository (the default). Optimisers begin anew, and so does what only training needs; the
prompts' pool is not in an export (train_prompts). Exporting again without a step gives the same files of weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from . import config as configuration
from . import stage as stages
from .export import PARTS
from .grown import MODALITIES

# Settings that the weights were trained with and that their shapes do not show; `stage.fill` compares shapes.
FIXED = ("world", "mel", "flow.trunk_layers", "flow.history_chunks", "flow.expert_top", "understanding.expert_top", "understanding.window_frames")


def compare(config: configuration.Config, said: dict):
    """Exits where the settings are not those of the export."""
    own = json.loads(json.dumps(configuration.as_dict(config)))
    for name in FIXED:
        a, b = own, said
        for part in name.split("."):
            a, b = a[part], b.get(part)
        if a != b:
            detail = next((f"{name}.{k}: {b.get(k)} instead of {v}" for k, v in a.items() if b.get(k) != v), name) if isinstance(b, dict) else f"{name}: {b} instead of {a}"
            raise SystemExit(f"the export has other settings ({detail}); name the ones it was made with (--config)")


def checked(folder: Path, name: str, said: dict) -> dict:
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != said["sha256"]:
        raise SystemExit(f"{folder / name} is not the file that model.json names; export again")
    return load_file(folder / name)


def grown(folder: Path, files: dict) -> dict:
    """Stacks the experts' files as the network has them: the layer's first half is the video tokens', the rest the audio tokens'."""
    values = checked(folder, "routers.safetensors", files["routers.safetensors"])
    names = sorted(n for n in files if n.startswith("L"))
    for layer in sorted({n.split("/")[0] for n in names}):
        experts = [checked(folder, n, files[n]) for n in names if n.startswith(layer + "/")]
        each = len(experts) // len(MODALITIES)
        for m, modality in enumerate(MODALITIES):
            for part in ("gate_up", "down"):
                values[f"{modality}.{int(layer[1:])}.{part}"] = torch.stack([e[part] for e in experts[m * each : (m + 1) * each]])
    return values


def main():
    parser = stages.arguments(__doc__)
    parser.add_argument("--parts", type=Path, default=Path(__file__).resolve().parents[2], help="the folder that has `Experts/`")
    args = parser.parse_args()
    st = stages.Stage("take_over", args)
    folder = args.parts / "Experts"
    model = json.loads((folder / "model.json").read_text())
    compare(st.config, model["dims"])
    parts = {}
    for name in (n for n in PARTS if n in model["parts"]):
        if existing := next((p for s in (".state", ".safetensors") if (p := st.folder / f"{name}{s}").exists()), None):
            raise SystemExit(f"{existing} is there already: move it away, or name another --folder")
        file = f"{PARTS[name]}.safetensors"
        parts[name] = checked(folder, file, model["files"][file]) if PARTS[name] else grown(folder, model["files"])
    # All of them were read and are whole.
    for name, values in parts.items():
        step = model["parts"][name]["step"]
        stages.save_weights(st.folder / f"{name}.safetensors", values, st.config, step)
        print(f"{name}: step {step}, in {st.folder}")


if __name__ == "__main__":
    main()
