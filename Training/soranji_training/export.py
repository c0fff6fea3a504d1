"""Writes what the runtime needs: safetensors and one JSON of dimensions and hashes. Usage: python -m soranji_training.export --out ROOT --type bf16

ROOT gets `Experts/` and `Tokenizers/`; this repository is such a root, and so is what `SORANJI_PARTS` names. Matrices take the type asked for;
norms, positions, routers, statistics and other small tensors stay f32. README.md lists the files and names."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from . import config as configuration
from . import senses as sense_parts
from . import stage as stages
from .grown import MARKS, MODALITIES
from .things import BACKGROUND_NAMES, BACKGROUNDS, MOTION_NAMES, MOTIONS, PLACES
from .world import things_of

PARTS = {"codec": "decoder/codec", "flow": "decoder/flow", "senses": "encoders/senses", "answers": None}
KEEP = ("router", "table", "sharpness", "place", "frame", "kind", "queries", "spot", "marks", "gains", "mean", "scale", "basis", "centre", "spread", "time_in", "time_out")
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
# Control tokens of SmolLM2 that no chat has: what stands in a prompt where media come.
PLACEHOLDERS = {"image": 14, "video": 15, "audio": 16}
TEMPLATE = Path(__file__).resolve().parents[2] / "Tokenizers" / "chat_template.jinja"


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
        placeholders=PLACEHOLDERS,
        # What `soranji retell` reads descriptions by.
        motion_phrases={name: [form for says in motion.says for form in says] for name, motion in MOTIONS.items()},
        background_phrases={name: [b.phrase] for name, b in BACKGROUNDS.items()},
    )


class Writer:
    """Files below `Experts`, with their hashes."""

    def __init__(self, root: Path):
        self.folder, self.files = root / "Experts", {}

    def write(self, name: str, values: dict, part: str, step: int) -> int:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = save({k: v.contiguous().clone() for k, v in values.items()}, dict(part=part, step=str(step)))
        # The library writes what is said about a file in any order; the same weights should be the same bytes.
        data = data.replace(f'{{"step":"{step}","part":"{part}"}}'.encode(), f'{{"part":"{part}","step":"{step}"}}'.encode(), 1)
        path.write_bytes(data)
        size = path.stat().st_size
        self.files[name] = dict(bytes=size, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        return size


def write_grown(writer: Writer, values: dict, step: int) -> int:
    """One file for routers, marks and gains; one for each expert: those of the video tokens first, then those of the audio tokens."""
    total = writer.write("routers.safetensors", {k: v for k, v in values.items() if k.endswith("router") or k in ("marks", "gains")}, "grown", step)
    for layer in sorted({int(k.split(".")[1]) for k in values if k.endswith(".down")}):
        number = 0
        for modality in MODALITIES:
            gate_up, down = values[f"{modality}.{layer}.gate_up"], values[f"{modality}.{layer}.down"]
            for e in range(len(down)):
                total += writer.write(f"L{layer:02}/E{number:03}.safetensors", dict(gate_up=gate_up[e], down=down[e]), "grown", step)
                number += 1
    return total


def main():
    parser = stages.arguments(__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--type", choices=TYPES, default="bf16")
    args = parser.parse_args()
    st = stages.Stage("export", args)
    writer, parts, total = Writer(args.out), {}, 0
    for name, target in PARTS.items():
        source = st.folder / f"{name}.safetensors"
        if not source.exists():
            print(f"{name}: not trained yet, left out")
            continue
        with safe_open(source, "pt") as f:
            step = int(f.metadata()["step"])
            values = {k: converted(k, f.get_tensor(k), TYPES[args.type]) for k in f.keys() if not k.startswith(stages.UNSHIPPED)}
        size = writer.write(f"{target}.safetensors", values, name, step) if target else write_grown(writer, values, step)
        total += size
        parts[name] = dict(step=step, parameters=sum(v.numel() for v in values.values()), bytes=size)
    text = json.dumps(dict(format="soranji-parts", version=1, type=args.type, parts=parts, files=writer.files, dims=dimensions(st.config)), indent=1, ensure_ascii=False)
    (writer.folder / "model.json").write_text(text + "\n")
    template = args.out / "Tokenizers" / TEMPLATE.name
    if template.resolve() != TEMPLATE:
        template.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TEMPLATE, template)
    print(f"{total / 1e6:.1f} MB in {args.out}")


if __name__ == "__main__":
    main()
