"""Films one prompt with the weights at hand, to look at and listen to. Usage: python -m soranji_training.film_prompt "a cat rises at night" --out clip.mp4"""

from __future__ import annotations

from pathlib import Path

import torch

from . import stage as stages
from .codec import Codec
from .flow import FlowDecoder, film
from .media import write_mp4
from .sound import MelPicture
from .trunk import Trunk


@torch.no_grad()
def main():
    parser = stages.arguments(__doc__)
    parser.add_argument("prompt")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps-film", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=1.5)
    args = parser.parse_args()
    st = stages.Stage("film", args)
    c = st.config
    columns = c.world.sample_rate // c.world.fps // c.mel.hop
    rows = Trunk(layers=max(c.flow.trunk_layers) + 1).prompt_rows([args.prompt], c.flow.trunk_layers)[0][None]
    codec = stages.load_weights(Codec(c.codec), st.folder / "codec.safetensors")
    model = stages.load_weights(FlowDecoder(c.flow, c.codec.channels, c.mel.bands * columns, rows.shape[2]), st.folder / "flow.safetensors")
    side = c.world.frame_px // c.token_px
    z, sound = film(model, rows, torch.tensor([rows.shape[1]]), c.world.frames // c.flow.chunk_frames, (side, side), c.codec.channels, args.steps_film, args.guidance, seed=args.seed)
    wave = MelPicture(c.mel, c.world.sample_rate).waveform(sound[0].reshape(-1, c.mel.bands).cpu().numpy())
    write_mp4(args.out, codec.decode_film(z[:, 0], c.token_px), wave, c.world.fps, c.world.sample_rate)
    print(args.out)


if __name__ == "__main__":
    main()
