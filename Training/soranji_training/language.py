"""The words for a scene: captions, questions with answers, storyboards. Pure functions of a scene and a generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .things import BACKGROUND_NAMES, BACKGROUNDS, MOTION_NAMES, MOTIONS, PLACE_PHRASES, article
from .world import Scene, things_of

QUESTION_KINDS = ("thing", "motion", "background", "count", "place", "describe", "heard", "yes_no")


@dataclass(frozen=True)
class Question:
    kind: str
    question: str
    answer: str


def pick(r: np.random.Generator, *options):
    return options[int(r.integers(len(options)))]


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def sound_words(scene: Scene) -> str:
    """What is heard, as an answer without its capital and full stop."""
    if scene.sound == "none":
        return "nothing"
    if scene.sound == "voice":
        return f"a voice says {scene.spoken}"
    heard = list(dict.fromkeys(MOTIONS[m].sound for m in scene.motions))
    return " and ".join(heard)


def canonical(scene: Scene) -> str:
    """The plain caption that answers "describe"."""
    phrase = BACKGROUNDS[scene.background].phrase
    says = [MOTIONS[m].says[0][0] for m in scene.motions]
    if len(scene.things) == 1:
        return f"{article(scene.things[0])} {says[0]} {phrase}"
    where = [PLACE_PHRASES[p] for p in scene.places]
    return f"{article(scene.things[0])} {says[0]} {where[0]} and {article(scene.things[1])} {says[1]} {where[1]} {phrase}"


def caption(scene: Scene, r: np.random.Generator) -> str:
    """A prompt for the scene. Things are named with their places, or the left or upper one first."""
    phrase = BACKGROUNDS[scene.background].phrase
    says = [MOTIONS[m].says[int(r.integers(3))] for m in scene.motions]
    if len(scene.things) == 1:
        (verb, gerund, _), thing = says[0], scene.things[0]
        a = article(thing)
        text = pick(r, f"{a} {verb} {phrase}", f"{phrase}, {a} {verb}", f"a video of {a} that {verb} {phrase}", f"{a} is {gerund} {phrase}", f"show me {a} {gerund} {phrase}", f"the {thing} {verb} {phrase}", f"{thing}, {gerund}, {scene.background}")
    else:
        order = [0, 1] if r.random() < 0.7 else [1, 0]
        where = ["", ""] if order == [0, 1] and r.random() < 0.25 else [" " + PLACE_PHRASES[p] for p in scene.places]
        (a, va, wa), (b, vb, wb) = [(article(scene.things[i]), says[i], where[i]) for i in order]
        text = pick(r, f"{a} {va[0]}{wa} and {b} {vb[0]}{wb} {phrase}", f"{phrase}, {a} {va[0]}{wa} and {b} {vb[0]}{wb}", f"a video of {a} {va[1]}{wa} and {b} {vb[1]}{wb} {phrase}", f"{a} is {va[1]}{wa} while {b} is {vb[1]}{wb} {phrase}")
    if scene.sound == "voice":
        text += pick(r, f", a voice says {scene.spoken}", f" while someone says {scene.spoken}")
    elif scene.sound == "none":
        text += pick(r, ", in silence", ", without sound")
    return text


def questions(scene: Scene, r: np.random.Generator, config) -> list[Question]:
    """One of every kind that the scene allows, and a yes/no question of a random sort."""
    n = len(scene.things)
    i = int(r.integers(n))
    thing, motion = scene.things[i], scene.motions[i]
    both = " and ".join(article(t) for t in scene.things)
    out = [
        Question("thing", pick(r, "What is in the video?", "What do you see?", "What is shown in this clip?"), sentence(both)),
        Question("motion", pick(r, f"What does the {thing} do?", f"How does the {thing} move?", f"What is the {thing} doing?"), f"It {MOTIONS[motion].says[0][0]}."),
        Question("background", pick(r, "What is the background?", "Where is it?", "Where does it take place?"), BACKGROUNDS[scene.background].answer),
        Question("count", pick(r, "How many things are there?", "How many objects are in the video?", "Count the things."), ("One.", "Two.")[n - 1]),
    ]
    if n == 2:
        place = scene.places[i]
        out.append(pick(r, Question("place", f"What is {PLACE_PHRASES[place]}?", sentence(article(thing))), Question("place", f"Where in the picture is the {thing}?", sentence(PLACE_PHRASES[place]))))
    out.append(Question("describe", pick(r, "Describe the video.", "What happens in the video?", "What is going on?"), sentence(canonical(scene))))
    out.append(Question("heard", pick(r, "What do you hear?", "What is heard?", "What sounds are in the clip?"), sentence(sound_words(scene))))
    out.append(yes_no(scene, r, config))
    return out


def yes_no(scene: Scene, r: np.random.Generator, config) -> Question:
    truth = bool(r.integers(2))
    answer = "Yes." if truth else "No."
    sort = int(r.integers(3))
    i = int(r.integers(len(scene.things)))
    other = lambda options, taken: pick(r, *[o for o in options if o not in taken])
    if sort == 0:
        thing = scene.things[i] if truth else other(things_of(config), scene.things)
        return Question("yes_no", f"Is there {article(thing)}?", answer)
    if sort == 1:
        motion = scene.motions[i] if truth else other(MOTION_NAMES, (scene.motions[i],))
        return Question("yes_no", f"Does the {scene.things[i]} {MOTIONS[motion].says[0][2]}?", answer)
    background = scene.background if truth else other(BACKGROUND_NAMES, (scene.background,))
    return Question("yes_no", f"Is it {BACKGROUNDS[background].phrase}?", answer)


def storyboard(scenes: list[Scene], r: np.random.Generator) -> str:
    """A prompt in several shots, a heading each."""
    return "\n\n".join(f"## Shot {k + 1}\n{sentence(caption(s, r))}" for k, s in enumerate(scenes))
