"""What is heard: one sound a motion, a timbre a class of things, spoken words; log-mel pictures of it; and a way back to a waveform.

The log-mel picture (`bands` x 4 columns to a video frame) is both what the ear reads and what the flow decoder films. `waveform`
turns it back without a learned vocoder: one oscillator to a band, its pitch interpolated between bands at spectral peaks, its phase
kept from column to column."""

from __future__ import annotations

import io
import subprocess
import wave

import numpy as np

from . import config as configuration
from .things import CATALOGUE
from .world import Scene, bounce_height

PARTIALS = {  # (ratio, amplitude)
    "animal": ((1, 1.0), (2, 0.25)),
    "machine": ((1, 0.8), (2, 0.6), (3, 0.45), (4, 0.35), (5, 0.25)),
    "food": ((1, 1.0), (3, 0.5), (5, 0.25)),
    "plant": ((1, 1.0), (2.76, 0.4)),
    "toy": ((1, 0.7), (2, 0.7), (4, 0.5)),
}
BASE_HZ = (520.0, 300.0)  # of the first and the second thing
VOICES = (("en-us", 50, 150), ("en-us", 70, 140), ("en-gb", 35, 150), ("en-gb", 60, 165))


def tone(partials, hz: np.ndarray, amplitude: np.ndarray, rate: int) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(hz) / rate
    return amplitude * sum(a * np.sin(k * phase) for k, a in partials) / sum(a for _, a in partials)


def strokes(partials, hz: float, times, decay_s: float, drop: float, n: int, rate: int) -> np.ndarray:
    """Struck sounds: each begins at its time, falls by `drop` octaves and dies away."""
    out, t = np.zeros(n), np.arange(n) / rate
    for start in times:
        u = t - start
        on = u >= 0
        e = np.where(on, np.exp(-np.maximum(u, 0) / decay_s) * np.minimum(1, np.maximum(u, 0) / 0.004), 0)
        out += tone(partials, hz * 2 ** (-drop * np.clip(u / decay_s, 0, 2)), e, rate)
    return out


def event(motion: str, timbre: str, base: float, seconds: float, rate: int) -> np.ndarray:
    n = int(seconds * rate)
    t = np.arange(n) / n
    p = PARTIALS[timbre]
    edge = np.minimum(1, np.minimum(t, 1 - t) / 0.03)
    flat = np.ones(n)
    if motion == "rise":
        return tone(p, base * 2 ** (1.4 * t - 0.5), 0.8 * edge, rate)
    if motion == "fall":
        return tone(p, base * 2 ** (0.9 - 1.4 * t), 0.8 * edge, rate)
    if motion == "spin":
        return tone(p, base * 2 ** (0.25 * np.sin(2 * np.pi * 5 * t * seconds)), 0.8 * edge, rate)
    if motion == "grow":
        return tone(p, 0.6 * base * flat, t**1.5 * edge, rate)
    if motion == "shrink":
        return tone(p, 0.6 * base * flat, (1 - t) ** 1.5 * edge, rate)
    if motion == "right":
        return strokes(p, 2 * base, np.arange(0.03, seconds, 0.125), 0.03, 0.0, n, rate)
    if motion == "left":
        return strokes(p, 0.8 * base, np.arange(0.03, seconds, 0.25), 0.06, 0.0, n, rate)
    ground = [k / 100 for k in range(100) if bounce_height(np.array(k / 100)) < 1e-9]
    return strokes(p, 0.35 * base, [seconds * g + 0.02 for g in ground], 0.12, 0.5, n, rate)


class Speaker:
    """Words by espeak-ng, kept once spoken."""

    def __init__(self, rate: int):
        self.rate, self.words = rate, {}

    def say(self, word: str, voice: int) -> np.ndarray:
        if (word, voice) not in self.words:
            name, pitch, speed = VOICES[voice]
            raw = subprocess.run(["espeak-ng", "-v", name, "-p", str(pitch), "-s", str(speed), "--stdout", word], check=True, capture_output=True).stdout
            with wave.open(io.BytesIO(raw)) as f:
                rate, x = f.getframerate(), np.frombuffer(f.readframes(f.getnframes()), np.int16) / 32768
            t = np.arange(int(len(x) * self.rate / rate)) * rate / self.rate
            self.words[word, voice] = np.interp(t, np.arange(len(x)), x)
        return self.words[word, voice]


def render(config: configuration.World, scene: Scene, speaker: Speaker) -> np.ndarray:
    """The clip's waveform, float32 in -1...1."""
    rate, seconds = config.sample_rate, config.frames / config.fps
    n = int(rate * seconds)
    r = np.random.default_rng([scene.draw, 3])
    out = np.zeros(n)
    if scene.sound == "voice":
        x = speaker.say(scene.spoken, int(r.integers(len(VOICES))))[: n - rate // 10]
        at = int(r.uniform(rate // 20, n - len(x)))
        out[at : at + len(x)] = x
    elif scene.sound == "event":
        for i, (thing, motion) in enumerate(zip(scene.things, scene.motions)):
            out += event(motion, CATALOGUE[thing][1], BASE_HZ[i] * 2 ** r.uniform(-0.08, 0.08), seconds, rate) / len(scene.things)
    return (0.7 * out + r.normal(0, 2e-4, n)).astype(np.float32)


def mel_of_hz(hz):
    return 2595 * np.log10(1 + np.asarray(hz) / 700)


def hz_of_mel(mel):
    return 700 * (10 ** (np.asarray(mel) / 2595) - 1)


class MelPicture:
    """Waveform <-> (columns, bands) in -1...1, where -1 is silence (`floor`) and 1 about a full-scale tone."""

    def __init__(self, c: configuration.Mel, rate: int):
        self.c, self.rate = c, rate
        edges = hz_of_mel(np.linspace(mel_of_hz(c.low_hz), mel_of_hz(c.high_hz), c.bands + 2))
        f = np.fft.rfftfreq(c.window, 1 / rate)
        up = (f - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
        down = (edges[2:, None] - f) / (edges[2:] - edges[1:-1])[:, None]
        weights = np.maximum(0, np.minimum(up, down))
        # The lowest bands are narrower than a bin: each keeps at least the bin nearest its centre.
        for k in range(c.bands):
            if weights[k].sum() < 0.5:
                weights[k, np.abs(f - edges[k + 1]).argmin()] = 1
        self.weights = weights
        self.centres = edges[1:-1]
        self.taper = np.hanning(c.window + 1)[:-1]
        self.full = self.taper.sum() / 2

    def picture(self, x: np.ndarray) -> np.ndarray:
        """Column k is centred on sample hop * k + hop / 2; len(x) // hop columns, float32."""
        c = self.c
        n = len(x) // c.hop
        padded = np.pad(x.astype(np.float64), (c.window // 2, c.window))
        starts = np.arange(n) * c.hop + c.hop // 2
        frames = padded[starts[:, None] + np.arange(c.window)] * self.taper
        power = (np.abs(np.fft.rfft(frames)) / self.full) ** 2
        loud = np.sqrt(power @ self.weights.T)
        return (1 - 2 * np.log(np.clip(loud, c.floor, 1)) / np.log(c.floor)).astype(np.float32)

    def waveform(self, picture: np.ndarray) -> np.ndarray:
        """(columns, bands) -> float32 samples, hop to a column. Deterministic."""
        c = self.c
        loud = np.exp((1 - np.clip(picture, -1, 1)) / 2 * np.log(c.floor)).astype(np.float64)
        loud[loud <= c.floor * 1.5] = 0
        n, B = loud.shape
        padded = np.pad(loud, ((0, 0), (1, 1)))
        left, here, right = padded[:, :-2], padded[:, 1:-1], padded[:, 2:]
        peak = (here > left) & (here >= right)
        total = left + here + right
        # A tone between two bands is seen by both: the centre of gravity gives its pitch.
        mel = mel_of_hz(self.centres)
        step = mel[1] - mel[0]
        pitch = mel + step * np.where(peak, (right - left) / np.maximum(total, 1e-12), 0)
        amplitude = np.where(peak, np.sqrt(left**2 + here**2 + right**2), 0.0)
        for k in range(1, n):  # a silent band keeps its pitch, so that fading out does not glide
            keep = ~peak[k]
            pitch[k, keep] = pitch[k - 1, keep]
        samples = np.arange(n * c.hop)
        columns = np.arange(n) * c.hop + c.hop / 2
        out = np.zeros(n * c.hop)
        for b in np.flatnonzero(amplitude.any(0)):
            a = np.interp(samples, columns, amplitude[:, b])
            hz = np.interp(samples, columns, hz_of_mel(pitch[:, b]))
            out += a * np.sin(2 * np.pi * np.cumsum(hz) / self.rate + b)
        return np.clip(out, -1, 1).astype(np.float32)
