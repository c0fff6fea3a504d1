"""What the world is made of: things (emoji), motions, backgrounds and places, each with its words. Lists are in a fixed order: an index is a label."""

from __future__ import annotations

from dataclasses import dataclass

# name -> (emoji, timbre class). The first 16 look least like each other; the rest is for a wider world.
CATALOGUE: dict[str, tuple[str, str]] = {
    "cat": ("🐱", "animal"),
    "frog": ("🐸", "animal"),
    "pig": ("🐷", "animal"),
    "whale": ("🐳", "animal"),
    "crab": ("🦀", "animal"),
    "rocket": ("🚀", "machine"),
    "car": ("🚗", "machine"),
    "robot": ("🤖", "machine"),
    "pizza": ("🍕", "food"),
    "banana": ("🍌", "food"),
    "apple": ("🍏", "food"),
    "tree": ("🌲", "plant"),
    "flower": ("🌻", "plant"),
    "ball": ("⚽", "toy"),
    "heart": ("💜", "toy"),
    "moon": ("🌜", "toy"),
    "dog": ("🐶", "animal"),
    "fish": ("🐟", "animal"),
    "cow": ("🐮", "animal"),
    "snail": ("🐌", "animal"),
    "turtle": ("🐢", "animal"),
    "bee": ("🐝", "animal"),
    "bus": ("🚌", "machine"),
    "plane": ("✈️", "machine"),
    "boat": ("⛵", "machine"),
    "train": ("🚂", "machine"),
    "clock": ("⏰", "machine"),
    "key": ("🔑", "toy"),
    "guitar": ("🎸", "toy"),
    "umbrella": ("☂️", "toy"),
    "cake": ("🎂", "food"),
    "ghost": ("👻", "toy"),
}
TIMBRES = ("animal", "machine", "food", "plant", "toy")


@dataclass(frozen=True)
class Motion:
    says: tuple[tuple[str, str, str], ...]  # (third person, gerund, bare) paraphrases; the first is the one used in answers
    sound: str  # what is heard


MOTIONS: dict[str, Motion] = {
    "right": Motion((("moves right", "moving right", "move right"), ("goes to the right", "going to the right", "go to the right"), ("slides right", "sliding right", "slide right")), "quick ticks"),
    "left": Motion((("moves left", "moving left", "move left"), ("goes to the left", "going to the left", "go to the left"), ("slides left", "sliding left", "slide left")), "slow knocks"),
    "rise": Motion((("rises", "rising", "rise"), ("goes up", "going up", "go up"), ("moves up", "moving up", "move up")), "a rising tone"),
    "fall": Motion((("falls", "falling", "fall"), ("goes down", "going down", "go down"), ("drops down", "dropping down", "drop down")), "a falling tone"),
    "bounce": Motion((("bounces", "bouncing", "bounce"), ("jumps up and down", "jumping up and down", "jump up and down"), ("hops", "hopping", "hop")), "thumps"),
    "spin": Motion((("spins", "spinning", "spin"), ("rotates", "rotating", "rotate"), ("turns around", "turning around", "turn around")), "a trill"),
    "grow": Motion((("grows", "growing", "grow"), ("gets bigger", "getting bigger", "get bigger"), ("becomes larger", "becoming larger", "become larger")), "a swelling hum"),
    "shrink": Motion((("shrinks", "shrinking", "shrink"), ("gets smaller", "getting smaller", "get smaller"), ("becomes smaller", "becoming smaller", "become smaller")), "a fading hum"),
}


@dataclass(frozen=True)
class Background:
    top: tuple[int, int, int]
    bottom: tuple[int, int, int]
    phrase: str
    answer: str


BACKGROUNDS: dict[str, Background] = {
    "night": Background((6, 8, 38), (34, 34, 86), "at night", "Night."),
    "sky": Background((96, 172, 250), (196, 228, 255), "in the sky", "The sky."),
    "grass": Background((74, 152, 62), (112, 192, 84), "on the grass", "Grass."),
    "desert": Background((242, 204, 126), (214, 164, 92), "in the desert", "A desert."),
    "sea": Background((8, 74, 136), (26, 142, 186), "in the sea", "The sea."),
    "snow": Background((238, 242, 252), (214, 224, 240), "in the snow", "Snow."),
}

MOTION_NAMES = tuple(MOTIONS)
BACKGROUND_NAMES = tuple(BACKGROUNDS)
PLACES = ("left", "right", "above", "below")  # of one of two things
PLACE_PHRASES = {"left": "on the left", "right": "on the right", "above": "at the top", "below": "at the bottom"}


def article(name: str) -> str:
    return ("an " if name[0] in "aeiou" else "a ") + name
