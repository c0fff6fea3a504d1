"""Checks that need no training. Run in Training/: python -m unittest discover tests"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch

from soranji_training import codec, config, export, flow, goldens, grids, grown, language, measures, senses, sound, stage, take_over, train_codec, train_flow, world
from soranji_training.layers import Experts
from soranji_training.optimiser import Both, orthogonalise

torch.set_num_threads(1)


class WorldTests(unittest.TestCase):
    def setUp(self):
        self.c = config.World()

    def test_scenes_and_pictures_are_pure_functions(self):
        a, b = (world.scene(self.c, 5, 17) for _ in range(2))
        self.assertEqual(a, b)
        x, y = (world.Painter(self.c).paint(a, [0, 9])[0] for _ in range(2))
        self.assertTrue((x == y).all())

    def test_clips_go_on_after_their_end(self):
        for motion, still in (("right", True), ("grow", True), ("spin", False), ("bounce", False)):
            s = dataclasses.replace(world.scene(self.c, 5, 3), things=("cat",), motions=(motion,), axis="")
            (short,), (long,) = world.tracks(self.c, s), world.tracks(self.c, s, 40)
            for name in ("x", "y", "size", "turn"):
                a, b = getattr(short, name), getattr(long, name)
                np.testing.assert_array_equal(b[:16], a)
                np.testing.assert_array_equal(b[16:], np.full(24, a[-1]) if still else np.tile(a, 3)[16:40])
            frames, _ = world.Painter(self.c).paint(s, [15, 20])
            self.assertEqual((frames[0] == frames[1]).all(), still)

    def test_held_out_triples_never_occur_in_training(self):
        for split, wanted in (("train", False), ("seen", False), ("test", True)):
            for i in range(300):
                s = world.scene(self.c, 5, i, split)
                held = any(world.held_out(self.c, t, m, s.background) for t, m in zip(s.things, s.motions))
                self.assertEqual(held, wanted)

    def test_answers_follow_the_scene(self):
        for i in range(100):
            s = world.scene(self.c, 6, i)
            q = {x.kind: x.answer for x in language.questions(s, np.random.default_rng(i), self.c)}
            self.assertEqual(q["count"], "Two." if s.axis else "One.")
            for name in s.things:
                self.assertIn(name, q["thing"].lower())
            a = senses.slot_answers(s)
            for slot, words in senses.slot_words(self.c).items():
                self.assertIn(a[slot], words)


class CodecTests(unittest.TestCase):
    def test_windows_blend_to_one(self):
        for rim in (2, 4):
            k, n = codec.blend_weights(8, rim), 8 + 2 * rim
            self.assertTrue(torch.allclose(k[: 2 * rim] + k[-2 * rim :], torch.ones(2 * rim)))
            # Windows that agree on a picture, here each pixel's column and row, give that picture.
            y, x = (torch.arange(count)[:, None] * 8 - rim + torch.arange(n) for count in (3, 4))
            windows = (100.0 * y[:, None, :, None] + x[None, :, None, :])[..., None].expand(3, 4, n, n, 3).reshape(1, 3, 4, -1)
            wanted = (100.0 * torch.arange(24)[:, None] + torch.arange(32))[None, :, :, None].expand(1, 24, 32, 3)
            self.assertTrue(torch.allclose(codec.spread(windows, 8, rim), wanted))

    def test_edges_count_where_steps_are_off_and_tints_do_not(self):
        x = torch.zeros(1, 8, 8, 3)
        x[:, :, 4:] = 1
        self.assertLess(train_codec.edge_loss(x + 0.3, x).item(), 1e-6)
        self.assertAlmostEqual(train_codec.edge_loss(torch.zeros_like(x), x).item(), 1 / 7, places=5)

    def test_patches_round_trip(self):
        x = torch.randn(2, 16, 24, 3)
        self.assertTrue(torch.equal(codec.unpatch(codec.patches(x, 8), 8), x))

    def test_latents_have_unit_mean_square(self):
        c = config.World()
        painter = world.Painter(c)
        frames, cover = painter.paint(world.scene(c, 1, 1))
        m = codec.Codec(config.Codec())
        m.fit(frames, np.ones_like(cover))
        self.assertAlmostEqual(m.encode_clip(frames).square().mean().item(), 1.0, delta=0.02)


class SoundTests(unittest.TestCase):
    def test_a_tone_survives_the_way_to_mel_and_back(self):
        m = sound.MelPicture(config.Mel(), 16000)
        t = np.arange(16000) / 16000
        for hz in (220, 440, 1000, 2500):
            y = m.waveform(m.picture((0.5 * np.sin(2 * np.pi * hz * t)).astype(np.float32)))
            got = np.abs(np.fft.rfft(y * np.hanning(len(y)))).argmax()
            self.assertLess(abs(got / hz - 1), 0.06)

    def test_silence_stays_silence(self):
        m = sound.MelPicture(config.Mel(), 16000)
        self.assertEqual(np.abs(m.waveform(m.picture(np.zeros(8000, np.float32)))).max(), 0)


class FlowTests(unittest.TestCase):
    def test_tokens_round_trip(self):
        z = torch.randn(2, 4, 8, 8, 5)
        self.assertTrue(torch.equal(flow.latents_of(flow.tokens_of(z, 2), 4, 4, 4, 2), z))

    @torch.no_grad()
    def test_a_cached_rollout_equals_the_masked_pass_of_training(self):
        c = goldens.CONFIG.flow
        m = goldens.randomise(flow.FlowDecoder(c, 6, 48, 32), 4)
        g = torch.Generator().manual_seed(0)
        rows, lengths, n = torch.randn(1, 5, 32, generator=g), torch.tensor([5]), 2 * 4 + 2
        video, mel = torch.randn(1, 4, 8, 24, generator=g), torch.randn(1, 4, 2, 48, generator=g)
        t, none = torch.tensor([[0, 0, 0, 0.6]]), torch.zeros(1, dtype=torch.bool)
        kinds, first = [0, 1, 1, 1], [0, 2, 4, 6]
        sees = [list(range(max(0, k - c.history_chunks), k + 1)) for k in range(4)]
        prompt = m.read(rows)
        whole, _ = m(video, mel, t, kinds, first, prompt, flow.prompt_masks(lengths, 5, 4, n, none), sees, 2, 2)
        committed = []
        for k in range(4):
            window = committed[-c.history_chunks :]
            past = [tuple(torch.cat([chunk[i][j] for chunk in window], 2) for j in (0, 1)) for i in range(c.depth)] if window else None
            kept = []
            one = slice(k, k + 1)
            x, _ = m(video[:, one], mel[:, one], t[:, one], kinds[one], first[one], prompt, flow.prompt_masks(lengths, 5, 1, n, none), flow.ALONE, 2, 2, past=past, kept=kept)
            committed.append(kept)
            self.assertLess((x[:, 0] - whole[:, k]).abs().max().item(), 1e-5)

    def test_a_share_of_the_noise_levels_is_low(self):
        low, high = config.Flow().fine
        inside = lambda share: ((t := train_flow.noise_levels(400, 50, config.Flow(fine_share=share))) >= low).logical_and(t <= high).float().mean().item()
        torch.manual_seed(1)
        without, half, all_ = inside(0), inside(0.5), inside(1)
        self.assertEqual(all_, 1)
        self.assertLess(without, 0.15)
        self.assertAlmostEqual(half, (1 + without) / 2, delta=0.02)

    def test_shifted_windows_lie_where_four_others_meet(self):
        grid, side, C = (2, 3, 4), 2, 5
        z = torch.randn(1, 2, 6, 8, C)
        windows = flow.windows_of(flow.tokens_of(z, side), grid, side, 0, True).view(2, 4, 5, side, side, C)
        self.assertTrue(torch.equal(windows[1, 1, 2], z[0, 1, 1:3, 3:5]))
        self.assertTrue(torch.equal(windows[0, 3, 4, 0, 0], z[0, 0, 5, 7]))
        self.assertEqual(windows[:, 0, :, 0].abs().max().item(), 0)  # beyond the frame
        back = flow.sum_of_windows(windows.flatten(3).view(1, -1, side * side * C), grid, side, 0, True)
        self.assertTrue(torch.equal(back, flow.tokens_of(z, side)))

    def test_last_step_is_on_both_grids(self):
        c = goldens.CONFIG
        model = goldens.randomise(flow.FlowDecoder(c.flow, 6, 8, 16), 1)
        rows, lengths, used = torch.randn(1, 4, 16), torch.tensor([4]), []
        forward = model.forward
        model.forward = lambda *a, **k: used.append((a[2][0, 0].item() > 0, k["shift"])) or forward(*a, **k)
        for both, wanted in ((False, [False] * 3), (True, [False, False, False, True])):
            model.c, used[:] = dataclasses.replace(c.flow, both_grids=both), []
            latents, _ = flow.film(model, rows, lengths, 1, (2, 2), 6, 3)
            self.assertEqual([shift for noisy, shift in used if noisy], wanted)
            self.assertEqual([shift for noisy, shift in used if not noisy], [False, True][: 1 + both])  # committed on each grid
            self.assertEqual(len(latents), 1 + both)
        self.assertGreater((latents[0] - latents[1]).abs().max().item(), 0.01)

    def test_levels_are_told_higher_and_ends_stay(self):
        t = torch.linspace(0, 1, 11)
        told = flow.towards_noise(t, 1.5)
        self.assertTrue((told[1:-1] > t[1:-1]).all() and told[0] == 0 and told[-1] == 1)
        self.assertTrue(torch.equal(flow.towards_noise(t, 1.0), t))

    def test_hard_scenes_are_drawn_more_often(self):
        c = dataclasses.replace(goldens.CONFIG.flow, two_share=0.6, motion_odds=(1, 1, 2, 1, 1, 3, 1, 1))
        scene = lambda *motions: SimpleNamespace(things=motions, motions=motions)
        p = train_flow.odds([scene("left"), scene("spin"), scene("left", "rise"), scene("left", "left")], c)
        np.testing.assert_allclose(p, [0.1, 0.3, 0.36, 0.24])
        np.testing.assert_allclose(train_flow.odds([scene("left"), scene("rise")], c), [1 / 3, 2 / 3])

    def test_experts_equal_a_sum_over_all_of_them(self):
        e = Experts(8, 4, 6, 2, zero=False)
        x = torch.randn(10, 8)
        p = (x @ e.router.T).softmax(-1)
        weight = torch.where(p >= p.topk(2, -1).values[:, 1:], p, 0)
        weight = weight / weight.sum(-1, keepdim=True)
        want = sum(e.one(i, x) * weight[:, i, None] for i in range(4))
        self.assertLess((e(x) - want).abs().max().item(), 1e-5)
        self.assertLess((e(x, []) - want).abs().max().item(), 1e-5)  # as trained: with rows of zeros beside

    def test_bfloat16_changes_neither_routes_nor_much_else(self):
        torch.manual_seed(4)
        e, x = Experts(64, 4, 32, 2, zero=False), torch.randn(200, 64)

        def trained(bf16):
            e.zero_grad()
            loads = []
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                y = e(x, loads)
            y.square().mean().backward()
            return y.detach(), loads[0][1], e.down.grad.clone()

        (y, load, g), (y16, load16, g16) = trained(False), trained(True)
        self.assertTrue(torch.equal(load, load16))
        self.assertEqual(y16.dtype, torch.float32)
        for a, b in ((y, y16), (g, g16)):
            self.assertLess((a - b).norm() / a.norm(), 0.01)
            self.assertGreater((a - b).norm().item(), 0)

    def test_orthogonalised_in_bfloat16(self):
        torch.manual_seed(5)
        g = torch.randn(3, 48, 32)
        for number in (torch.float32, torch.bfloat16):
            s = torch.linalg.svdvals(orthogonalise(g.to(number)).float())
            self.assertTrue(0.6 < s.min() and s.max() < 1.3, s)


class MeasureTests(unittest.TestCase):
    def test_seams_are_steps_at_the_borders_of_tokens(self):
        clip = np.zeros((2, 64, 64, 3), np.uint8)
        clip[:] = np.arange(64, dtype=np.uint8)[None, None, :, None] + np.arange(64, dtype=np.uint8)[None, :, None, None]
        np.testing.assert_allclose(measures.seams(clip, 16), 1)
        clip[:, :, 16:] += 3
        clip[:, 56:] += 2
        # One of three borders along one of two axes; one of four on the shifted grid.
        np.testing.assert_allclose(measures.seams(clip, 16), [1 + 3 / 6, 1 + 2 / 8, 1], rtol=1e-6)

    def test_cuts_are_edges_at_the_borders_of_tokens(self):
        clip = np.full((2, 64, 64, 3), 100, np.uint8)
        self.assertEqual(measures.cuts(clip, 16).tolist(), [0, 0, 0])
        clip[:, 4:10, 20:42] = 200  # edges at 4, 10 and 20, 42: none between tokens
        plain, shifted, elsewhere = measures.cuts(clip, 16)
        self.assertEqual((plain, shifted), (0, 0))
        self.assertGreater(elsewhere, 0)
        clip[:, 4:10, 32:42] = 100  # cut off at 32
        self.assertAlmostEqual(measures.cuts(clip, 16)[0], 2 * 6 / 3 / 2)  # two frames, six rows, one of three borders along one of two axes
        clip[:, 4:10, 20:24] = 100  # and begins at 24
        np.testing.assert_allclose(measures.cuts(clip, 16)[:2], [2 * 6 / 3 / 2, 2 * 6 / 4 / 2])

    def test_tokens_are_read_and_drawn_with_a_rim(self):
        grid, side, rim, channels = (2, 3, 2), 2, 1, 5
        latents = torch.randn(4, 2, 6, 4, channels)
        tokens = flow.tokens_of(latents, side)
        windows = flow.windows_of(tokens, grid, side, rim)
        cell = 1 * 6 + 1 * 2 + 1  # frame 1, row 1, column 1: latents 2...3 down and across
        padded = torch.nn.functional.pad(latents, (0, 0, 1, 1, 1, 1))
        torch.testing.assert_close(windows[:, cell], padded[:, 1, 2:6, 2:6].flatten(1))
        torch.testing.assert_close(flow.windows_of(tokens, grid, side, 0), tokens)
        torch.testing.assert_close(flow.sum_of_windows(tokens, grid, side, 0), tokens)
        # Drawing is the transpose of reading.
        other = torch.randn_like(windows)
        drawn = flow.sum_of_windows(other, grid, side, rim)
        torch.testing.assert_close((drawn * tokens).sum(), (other * windows).sum(), rtol=1e-4, atol=1e-3)

    def test_blended_frames_hardly_have_borders_of_either_grid(self):
        y, x = torch.arange(48)[:, None], torch.arange(64)[None]
        tints = lambda shift: torch.randn(9, 9, generator=torch.Generator().manual_seed(shift))[(y + shift) // 16, (x + shift) // 16]
        plain, shifted = (tints(s)[None, :, :, None].expand(2, -1, -1, 3) for s in (0, 8))
        mixed = grids.blend(plain, shifted, 16)
        step = lambda frames, line: (frames[0, :, line, 0] - frames[0, :, line - 1, 0]).abs().mean().item()
        for frames, line in ((plain, 16), (plain, 32), (shifted, 24), (shifted, 40)):
            self.assertLess(step(mixed, line), 0.3 * step(frames, line))
        torch.testing.assert_close(grids.blend(plain, plain, 16), plain)
        self.assertTrue(((mixed <= torch.maximum(plain, shifted) + 1e-6) & (mixed >= torch.minimum(plain, shifted) - 1e-6)).all())

    def test_motions_are_counted_by_what_was_asked_and_seen(self):
        scene = lambda things, motions: SimpleNamespace(things=things, motions=motions, background="sea")
        verdict = lambda things, motions: measures.Verdict("sea", things, motions, "x", 1.0)
        cases = (
            (scene(("cat",), ("spin",)), verdict(("cat",), ("still",))),
            (scene(("cat", "pig"), ("rise", "spin")), verdict(("pig", "cat"), ("spin", "rise"))),  # the right ones in other places
            (scene(("cat", "pig"), ("rise", "fall")), verdict(("cat", "car"), ("rise", "left"))),  # a wrong thing: place by place
            (scene(("cat", "pig"), ("rise", "fall")), verdict(("cat",), ("rise",))),
        )
        verdicts = iter(v for _, v in cases)
        judge = SimpleNamespace(judge=lambda clip, count: next(verdicts))
        row = measures.score(judge, [np.zeros((2, 32, 32, 3), np.uint8)] * len(cases), [s for s, _ in cases], 16)
        self.assertEqual(row["motions"], {"fall": "0 of 2, 1 left, 1 nothing", "rise": "3 of 3", "spin": "1 of 2, 1 still"})
        self.assertEqual((row["thing"], row["motion"], row["count"]), (0.5, 0.25, 0.75))


class TrunkTests(unittest.TestCase):
    @torch.no_grad()
    def test_text_alone_never_meets_the_grown_experts(self):
        trunk = goldens.tiny_trunk(3)
        ids = torch.randint(0, 64, (1, 7))
        pos, mask = torch.arange(7)[None], torch.ones(1, 7, 7, dtype=torch.bool).tril()
        plain, _ = trunk.run(trunk.emb[ids], pos, mask)
        grown, _ = trunk.run(trunk.emb[ids], pos, mask, None, lambda *_: self.fail("an expert was asked"))
        self.assertTrue(torch.equal(plain, grown))


class StageTests(unittest.TestCase):
    def test_rates_fall_at_the_end_of_a_run_that_cools(self):
        with tempfile.TemporaryDirectory() as folder:
            args = SimpleNamespace(config=None, folder=Path(folder), minutes=10, cool=4, steps=0, seed=3, threads=1, device="cpu", pause_file=None, stop_file=None)
            st = stage.Stage("toy", args)
            st.step = 100
            for worked, wanted in ((0, 1), (6, 1), (8, 0.5), (10, 1 / 30), (12, 1 / 30)):
                st.worked_s = lambda: worked * 60
                self.assertAlmostEqual(st.rate(10, 1000), wanted)
            args.cool = 0
            self.assertEqual(st.rate(10, 1000), 1)

    def test_weights_alone_are_gone_on_from_with_new_rates(self):
        args = lambda folder: SimpleNamespace(config=None, folder=Path(folder), minutes=10, cool=0, steps=0, seed=3, threads=1, device="cpu", pause_file=None, stop_file=None)
        network = lambda **parts: torch.nn.ModuleDict(dict(a=torch.nn.Linear(2, 2)) | {k: torch.nn.Linear(2, 2) for k in parts})
        old, new, other = network(), network(probe=1), network(more=1)
        with tempfile.TemporaryDirectory() as folder:
            st = stage.Stage("toy", args(folder))
            optimiser, ema = Both(new.named_parameters(), 0.02, 1e-2, lambda n, p: False), stage.Average(new)
            self.assertFalse(st.resume(new, optimiser, ema))
            stage.save_weights(st.path(".safetensors"), old.state_dict(), st.config, 800)
            self.assertTrue(st.resume(new, optimiser, ema))
            self.assertTrue(torch.equal(new["a"].weight, old["a"].weight))
            self.assertTrue(torch.equal(ema.values["a.weight"], old["a"].weight))
            self.assertEqual((st.step, st.rate(10, 200)), (800, 0.05))
            st.step = 810
            st.save(new, optimiser, ema)
            st = stage.Stage("toy", args(folder))
            st.resume(new, optimiser, ema)
            self.assertEqual((st.step, st.first_step), (810, 800))
            st = stage.Stage("strange", args(folder))
            stage.save_weights(st.path(".safetensors"), old.state_dict(), st.config, 1)
            with self.assertRaisesRegex(SystemExit, "another network: more.bias"):
                st.resume(other, optimiser, stage.Average(other))
            with self.assertRaisesRegex(SystemExit, "another network: a.weight"):
                wide = torch.nn.ModuleDict(dict(a=torch.nn.Linear(3, 2)))
                st.resume(wide, optimiser, stage.Average(wide))

    def test_what_is_taken_over_is_exported_as_the_same_bytes(self):
        with tempfile.TemporaryDirectory() as root:
            first, second, out, again = (Path(root) / n for n in ("first", "second", "out", "again"))
            (first / "small").mkdir(parents=True)
            c = goldens.CONFIG
            decoder = lambda: flow.FlowDecoder(c.flow, 6, 8, 16, probe=4)
            parts = dict(
                codec=goldens.randomise(codec.Codec(c.codec), 1),
                flow=goldens.randomise(decoder(), 2),
                senses=goldens.randomise(senses.Senses(c, goldens.tiny_trunk(3).emb), 3),
                answers=goldens.randomise(grown.Grown(c.understanding, 4, 16), 4),
            )
            for name, model in parts.items():
                stage.save_weights(first / "small" / f"{name}.safetensors", model.state_dict(), goldens.CONFIG, 7)
            with contextlib.redirect_stdout(io.StringIO()):
                for module, options in ((export, ("--folder", first, "--out", out)), (take_over, ("--folder", second, "--parts", out)), (export, ("--folder", second, "--out", again))):
                    with mock.patch("sys.argv", ["", *map(str, options)]):
                        module.main()
            files = [p.relative_to(out) for p in sorted(out.rglob("*")) if p.is_file()]
            self.assertGreater(len(files), 10)
            for file in files:
                self.assertEqual((out / file).read_bytes(), (again / file).read_bytes(), file)
            # The head that is not exported is the network's own; the rest is what was exported, in 16 bits.
            new = stage.load_weights(decoder(), second / "small" / "flow.safetensors")
            self.assertTrue(torch.equal(new.video_in.weight, parts["flow"].video_in.weight.bfloat16().float()))
            self.assertFalse(torch.equal(new.probe.weight, parts["flow"].probe.weight))
            with mock.patch("sys.argv", ["", "--folder", str(second), "--parts", str(out)]), self.assertRaisesRegex(SystemExit, "is there already"):
                take_over.main()
            (out / "Experts" / "routers.safetensors").write_bytes(b"damaged")
            third = Path(root) / "third"
            with mock.patch("sys.argv", ["", "--folder", str(third), "--parts", str(out)]), self.assertRaisesRegex(SystemExit, "is not the file"):
                take_over.main()
            self.assertEqual(list((third / "small").glob("*.safetensors")), [])
            said = json.loads((out / "Experts" / "model.json").read_text())["dims"]
            said["world"]["fps"] = 9
            with self.assertRaisesRegex(SystemExit, "world.fps: 9 instead of 8"):
                take_over.compare(config.Config(), said)

    def test_a_resumed_run_equals_one_that_was_not_stopped(self):
        def run(folder, steps_of_each_run):
            for steps in steps_of_each_run:
                args = SimpleNamespace(config=None, folder=Path(folder), minutes=1, steps=steps, seed=3, threads=1, device="cpu", pause_file=None, stop_file=None)
                st = stage.Stage("toy", args)
                torch.manual_seed(0)
                model = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.Linear(6, 6))
                optimiser = Both(model.named_parameters(), 0.02, 1e-2, lambda n, p: n == "0.weight")
                ema = stage.Average(model)
                st.resume(model, optimiser, ema)
                while st.goes_on():
                    st.begin_step()
                    x = torch.randn(5, 6)
                    optimiser.zero_grad()
                    (model(x) - x).square().mean().backward()
                    optimiser.step(1.0)
                    st.step += 1
                    ema.update(model, st.step)
                st.save(model, optimiser, ema)
            return ema.values

        with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
            x, y = run(a, (9,)), run(b, (4, 9))
            for k in x:
                self.assertTrue(torch.equal(x[k], y[k]))


if __name__ == "__main__":
    unittest.main()
