"""Writes what the runtime needs: safetensors and one JSON of dimensions. Usage: python -m soranji_training.export --out FOLDER --type bf16

Matrices take the type asked for; norms, positions, routers, statistics and other small tensors stay f32. README.md lists the names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from . import config as configuration
from . import senses as sense_parts
from . import stage as stages
from .grown import MARKS
from .things import BACKGROUND_NAMES, MOTION_NAMES, PLACES
from .world import things_of

PARTS = {"codec": "decoder/codec", "flow": "decoder/flow", "senses": "encoders/senses", "answers": "experts/grown"}
KEEP = ("router", "table", "sharpness", "place", "frame", "kind", "queries", "spot", "marks", "gains", "mean", "scale", "basis", "centre", "spread", "time_in", "time_out")
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def converted(name: str, value: torch.Tensor, type: torch.dtype) -> torch.Tensor:
    small = value.dim() < 2 or any(k in name.split(".") or name.endswith(k) for k in KEEP)
    return value.float().contiguous() if small else value.to(type).contiguous()


def dimensions(c: configuration.Config) -> dict:
    rate = c.world.sample_rate // c.world.fps // c.mel.hop
    return configuration.as_dict(c) | dict(
        things=list(things_of(c.world)),
        motions=list(MOTION_NAMES),
        backgrounds=list(BACKGROUND_NAMES),
        places=list(PLACES),
        video_slots=list(sense_parts.VIDEO_SLOTS),
        audio_slots=list(sense_parts.AUDIO_SLOTS),
        slot_words=sense_parts.slot_words(c.world),
        marks=list(MARKS),
        sound_columns_a_frame=rate,
        prompt_prefix_rows=3,
    )


def main():
    parser = stages.arguments(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--type", choices=TYPES, default="bf16")
    args = parser.parse_args()
    st = stages.Stage("export", args)
    parts, total = {}, 0
    for name, target in PARTS.items():
        source = st.path("").with_name(f"{name}.safetensors")
        if not source.exists():
            print(f"{name}: not trained yet, left out")
            continue
        with safe_open(source, "pt") as f:
            step = int(f.metadata()["step"])
            values = {k: converted(k, f.get_tensor(k), TYPES[args.type]) for k in f.keys() if not k.startswith("probe.")}
        path = args.out / f"{target}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(values, path, dict(step=str(step), part=name))
        size = path.stat().st_size
        total += size
        parts[name] = dict(file=f"{target}.safetensors", step=step, parameters=sum(v.numel() for v in values.values()), bytes=size, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    (args.out / "model.json").write_text(json.dumps(dict(type=args.type, parts=parts, dims=dimensions(st.config)), indent=1, ensure_ascii=False) + "\n")
    print(f"{total / 1e6:.1f} MB in {args.out}")


if __name__ == "__main__":
    main()
