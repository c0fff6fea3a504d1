"""What every training stage shares: its folder, its clock, and stopping and going on.

A stage is a loop of steps. Everything random in step k is drawn from generators seeded with (seed, stage, k), so a resumed run does
the same steps as one that was never stopped. It ends when its minutes are used up, on SIGTERM or SIGINT, or when the stop file
exists; the state is then saved. While the pause file exists it waits (waiting is not counted)."""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from . import config as configuration

# Parts of networks that only training needs: an export has none of these.
UNSHIPPED = "probe."


def cache_folder() -> Path:
    """Where the project keeps what it fetches or derives; as Scripts/common.sh has it."""
    if given := os.environ.get("SORANJI_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soranji"


def default_folder() -> Path:
    return Path(os.environ.get("SORANJI_TRAINING") or cache_folder() / "training")


def arguments(description: str, minutes: float = 10) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, default=default_folder(), help="where checkpoints, caches, logs and sheets lie (env SORANJI_TRAINING)")
    parser.add_argument("--config", help="settings file (JSON); default: the built-in small ones")
    parser.add_argument("--minutes", type=float, default=minutes, help="time box of this run")
    parser.add_argument("--steps", type=int, default=0, help="stop at this step count; 0: no limit")
    parser.add_argument("--cool", type=float, default=0, help="minutes at the end over which the rates fall to a thirtieth")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true", help="multiply the flow decoder's matrices in bfloat16: half the time of a step on processors that have AVX-512 BF16")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--pause-file", type=Path, help="wait while this file exists")
    parser.add_argument("--stop-file", type=Path, help="save and end when this file exists (default: FOLDER/stop)")
    return parser


class Stage:
    def __init__(self, name: str, args):
        self.name, self.args = name, args
        self.config = configuration.load(args.config)
        self.folder = args.folder / self.config.name
        for sub in ("", "logs", "sheets", "cache"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(args.threads)
        self.device = torch.device(args.device)
        if self.device.type != "cpu":  # where it is the CPU, this would only cost time
            torch.set_default_device(self.device)
        self.stop_file = args.stop_file or args.folder / "stop"
        # `first_step`: the one at which the optimiser began.
        self.step, self.first_step, self.trained_s, self.stopped = 0, 0, 0.0, False
        self.began, self.began_cpu = time.monotonic(), time.process_time()
        self.waited = self.mark = 0.0
        self.sums: dict[str, list[float]] = {}
        for s in (signal.SIGTERM, signal.SIGINT):
            signal.signal(s, self._stop)

    def _stop(self, *_):
        self.stopped = True

    # Randomness

    def seeds(self, salt: str = "") -> tuple[np.random.Generator, int]:
        """The generator and torch seed of this step."""
        key = [self.args.seed, zlib.crc32((self.name + salt).encode()), self.step]
        r = np.random.default_rng(key)
        return r, int(r.integers(2**62))

    def begin_step(self) -> np.random.Generator:
        r, seed = self.seeds()
        torch.manual_seed(seed)
        return r

    # The clock

    def pause(self):
        while self.args.pause_file and self.args.pause_file.exists() and not self.ending():
            start = time.monotonic()
            time.sleep(1)
            self.waited += time.monotonic() - start

    def ending(self) -> bool:
        return self.stopped or self.stop_file.exists()

    def worked_s(self) -> float:
        """Seconds of work. On the CPU those that this process was given: beside busier ones a run takes longer, but does not learn less."""
        if self.device.type == "cpu":
            return (time.process_time() - self.began_cpu) / self.args.threads
        return time.monotonic() - self.began - self.waited

    def goes_on(self) -> bool:
        self.pause()
        if self.ending() or self.worked_s() >= self.args.minutes * 60:
            return False
        return not self.args.steps or self.step < self.args.steps

    def rate(self, warm: int, hold: int) -> float:
        """What the learning rates are multiplied with: `warm_then_hold`, and the fall at the end of a run with `--cool`."""
        left = self.args.minutes * 60 - self.worked_s()
        cooled = 1.0 if not self.args.cool else min(1.0, max(1 / 30, left / (self.args.cool * 60)))
        return warm_then_hold(self.step, self.first_step, warm, hold) * cooled

    # Checkpoints

    def path(self, suffix: str) -> Path:
        return self.folder / f"{self.name}{suffix}"

    def save(self, model, optimiser, ema: "Average"):
        state = dict(step=self.step, first_step=self.first_step, trained_s=self.trained_s + self.worked_s(), model=model.state_dict(), optimiser=optimiser.state_dict(), ema=ema.values, config=configuration.as_dict(self.config))
        partial = self.path(".state.partial")
        torch.save(state, partial)
        os.replace(partial, self.path(".state"))
        save_weights(self.path(".safetensors"), ema.values, self.config, self.step)

    def resume(self, model, optimiser, ema: "Average") -> bool:
        """Goes on from the state that an earlier run saved or, where there are only weights (see `take_over`), from those and their step,
        with a new optimiser whose rates rise once more. False where there is neither."""
        if self.path(".state").exists():
            state = torch.load(self.path(".state"), map_location=self.device, weights_only=False)
            model.load_state_dict(state["model"])
            optimiser.load_state_dict(state["optimiser"])
            ema.values = state["ema"]
            self.step, self.first_step, self.trained_s = state["step"], state.get("first_step", 0), state["trained_s"]
        elif self.path(".safetensors").exists():
            with safe_open(self.path(".safetensors"), "pt") as f:
                self.step = self.first_step = int(f.metadata()["step"])
                values = {k: f.get_tensor(k).float() for k in f.keys()}
            fill(model, values, self.path(".safetensors"))
            ema.values = Average(model).values
            print(f"{self.name}: going on from the weights alone, step {self.step}; the optimiser begins anew, minutes are counted from here", flush=True)
        else:
            return False
        return True

    # The log

    def note(self, **values):
        for k, v in values.items():
            self.sums.setdefault(k, []).append(float(v))

    def log(self, **values):
        row = dict(step=self.step, trained_min=round((self.trained_s + self.worked_s()) / 60, 2))
        row |= {k: round(float(np.mean(v)), 5) for k, v in self.sums.items()} | values
        self.sums = {}
        with open(self.folder / "logs" / f"{self.name}.jsonl", "a") as f:
            f.write(json.dumps(row) + "\n")
        print(self.name, json.dumps(row), flush=True)

    def every(self, seconds: float) -> bool:
        """True once in so many seconds of work."""
        if self.worked_s() - self.mark < seconds:
            return False
        self.mark = self.worked_s()
        return True


class Average:
    """Exponential average of the weights, slower as training goes on: what is sampled and exported."""

    def __init__(self, model, longest: float = 0.998):
        self.longest = longest
        self.values = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model, step: int):
        keep = min(self.longest, (1 + step) / (10 + step))
        for k, v in model.state_dict().items():
            if v.is_floating_point():
                self.values[k].lerp_(v, 1 - keep)
            else:
                self.values[k].copy_(v)


def save_weights(path: Path, values: dict, config, step: int):
    partial = path.with_suffix(".partial")
    meta = dict(step=str(step), config=json.dumps(configuration.as_dict(config)))
    save_file({k: v.detach().float().contiguous().cpu() for k, v in values.items()}, partial, meta)
    os.replace(partial, path)


def fill(model, values: dict, path: Path):
    """Gives the network weights, which may have more or less than it of what only training needs."""
    own = model.state_dict()
    strange = [k for k in sorted(values.keys() | own.keys()) if not k.startswith(UNSHIPPED) and (k not in own or k not in values or own[k].shape != values[k].shape)]
    if strange:
        raise SystemExit(f"{path} is of another network: {', '.join(strange[:3])}")
    model.load_state_dict(values, strict=False)


def load_weights(model, path: Path):
    if not path.exists():
        raise SystemExit(f"{path} is missing; run the stage that makes it first")
    fill(model, load_file(path), path)
    return model.eval()


def warm_then_hold(step: int, first: int = 0, warm: int = 50, hold: int = 2000) -> float:
    """Rate schedule that needs no end: rises over the `warm` steps from the optimiser's `first`, holds, then falls with the root of the step."""
    return min(1.0, (step - first + 1) / warm) * min(1.0, hold / max(1, step)) ** 0.5
