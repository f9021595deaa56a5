"""Who wears what: people come in groups that share most garments and differ in one or two cues."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tablewright.trainables.data.demo_generator.body import Physique

Colour = tuple[float, float, float]  # red, green, blue in [0, 1]
Top = Literal["tee", "shirt", "jacket", "coat"]
Pattern = Literal["plain", "hoops", "stripes", "check", "yoke", "print", "open"]
Bottom = Literal["trousers", "jeans", "shorts", "skirt"]
Hair = Literal["bald", "short", "bob", "long", "bun", "ponytail"]
Bag = Literal["none", "backpack", "handbag", "shoulder"]

CLOTH_COLOURS: tuple[tuple[Colour, float], ...] = (  # colour and how often it is worn
    ((0.10, 0.10, 0.12), 5),
    ((0.22, 0.23, 0.26), 4),
    ((0.45, 0.46, 0.48), 4),
    ((0.74, 0.73, 0.71), 4),
    ((0.90, 0.89, 0.86), 5),
    ((0.14, 0.19, 0.36), 5),
    ((0.26, 0.37, 0.56), 4),
    ((0.50, 0.63, 0.78), 3),
    ((0.56, 0.13, 0.14), 4),
    ((0.78, 0.24, 0.19), 3),
    ((0.16, 0.33, 0.23), 3),
    ((0.42, 0.47, 0.29), 3),
    ((0.71, 0.62, 0.46), 3),
    ((0.40, 0.29, 0.21), 3),
    ((0.86, 0.72, 0.33), 3),
    ((0.80, 0.51, 0.58), 3),
    ((0.39, 0.25, 0.43), 3),
    ((0.24, 0.52, 0.53), 3),
)
SKIN_COLOURS: tuple[Colour, ...] = (
    (0.90, 0.74, 0.64),
    (0.83, 0.65, 0.52),
    (0.70, 0.52, 0.40),
    (0.52, 0.37, 0.28),
    (0.36, 0.25, 0.19),
)
HAIR_COLOURS: tuple[Colour, ...] = (
    (0.07, 0.06, 0.06),
    (0.17, 0.11, 0.08),
    (0.32, 0.21, 0.13),
    (0.60, 0.47, 0.28),
    (0.52, 0.51, 0.50),
    (0.42, 0.19, 0.10),
)
PATTERNS: tuple[Pattern, ...] = ("hoops", "stripes", "check", "yoke", "print", "open")
CUES = ("shoes", "bag", "hair", "bottom_shade", "top_shade", "build", "hat", "second_colour")
NUM_CUES = (2, 4)  # a look-alike differs from its group in two or three cues (upper bound excluded)
GROUP_SIZES = (1, 1, 1, 1, 1, 2, 2, 3)  # drawn evenly; most people look like nobody else


@dataclass(frozen=True)
class Look:
    """All that a person carries from camera to camera."""

    physique: Physique
    stride: float
    arm_swing: float
    skin: Colour
    hair: Hair
    hair_colour: Colour
    top: Top
    top_colour: Colour
    second_colour: Colour
    pattern: Pattern
    pattern_scale: float
    bottom: Bottom
    bottom_colour: Colour
    hem: float  # height of the skirt's lower edge, rest metres
    shoe_colour: Colour
    sole_colour: Colour
    bag: Bag
    bag_colour: Colour
    hat: bool
    hat_colour: Colour
    fold_seed: int


def _vary(colour: Colour, rng: np.random.Generator, *, spread: float) -> Colour:
    """Shift a colour's brightness and, less, its hue."""
    gain = np.exp(rng.normal(0, spread)) * np.exp(rng.normal(0, spread / 3, 3))
    red, green, blue = np.clip(np.array(colour) * gain, 0.03, 0.97)
    return float(red), float(green), float(blue)


def _change_shade(colour: Colour, rng: np.random.Generator) -> Colour:
    """Make a colour clearly lighter, or darker where it is light."""
    is_light = sum(colour) > 1.2
    gain = rng.uniform(0.4, 0.6) if is_light else rng.uniform(1.6, 2.2)
    red, green, blue = np.clip(np.array(colour) * gain + (0.0 if is_light else 0.06), 0.03, 0.97)
    return _avoid_skin((float(red), float(green), float(blue)))


def _avoid_skin(colour: Colour) -> Colour:
    """Turn beige and tan into their bluish counterparts: at this size they read as bare skin."""
    red, green, blue = colour
    is_like_skin = red > 0.4 and 0.03 < red - green < 0.3 and 0.04 < green - blue < 0.25
    return (blue, green, red) if is_like_skin else colour


def _draw_cloth(rng: np.random.Generator) -> Colour:
    weights = np.array([weight for _, weight in CLOTH_COLOURS])
    index = rng.choice(len(CLOTH_COLOURS), p=weights / weights.sum())
    return _avoid_skin(_vary(CLOTH_COLOURS[index][0], rng, spread=0.1))


def _draw_hair(rng: np.random.Generator, is_woman: bool) -> Hair:
    if is_woman:
        return rng.choice(["short", "bob", "long", "bun", "ponytail"], p=[0.1, 0.2, 0.3, 0.15, 0.25])
    return rng.choice(["bald", "short", "bob"], p=[0.12, 0.8, 0.08])


def draw_look(rng: np.random.Generator) -> Look:
    """Draw one person with no regard to the others."""
    is_woman = bool(rng.random() < 0.5)
    bottoms: list[Bottom] = ["trousers", "trousers", "jeans", "jeans", "shorts"]
    shoe = _draw_cloth(rng)
    return Look(
        physique=Physique(
            gender=rng.uniform(0.8, 1.0) if is_woman else rng.uniform(0.0, 0.2),
            age=rng.uniform(0.5, 0.9),
            muscle=rng.uniform(0.3, 0.7),
            weight=rng.uniform(0.3, 0.8),
            height=rng.uniform(0.35, 0.7),
            proportions=rng.uniform(0.4, 0.8),
        ),
        stride=rng.uniform(0.3, 0.5),
        arm_swing=rng.uniform(0.2, 0.45),
        skin=_vary(SKIN_COLOURS[rng.integers(len(SKIN_COLOURS))], rng, spread=0.05),
        hair=_draw_hair(rng, is_woman),
        hair_colour=_vary(HAIR_COLOURS[rng.integers(len(HAIR_COLOURS))], rng, spread=0.1),
        top=rng.choice(["tee", "tee", "shirt", "jacket", "coat"]),
        top_colour=_draw_cloth(rng),
        second_colour=_draw_cloth(rng),
        pattern=rng.choice(["plain", "plain", "plain", *PATTERNS]),
        pattern_scale=rng.uniform(0.05, 0.14),
        bottom=rng.choice([*bottoms, "skirt", "skirt"] if is_woman else bottoms),
        bottom_colour=_draw_cloth(rng),
        hem=rng.uniform(-0.62, -0.3),
        shoe_colour=shoe,
        sole_colour=(0.85, 0.85, 0.83) if rng.random() < 0.4 else _vary(shoe, rng, spread=0.3),
        bag=rng.choice(["none", "backpack", "handbag", "shoulder"], p=[0.4, 0.25, 0.15, 0.2]),
        bag_colour=_draw_cloth(rng),
        hat=bool(rng.random() < 0.12),
        hat_colour=_draw_cloth(rng),
        fold_seed=int(rng.integers(1 << 30)),
    )


def _change_cue(look: Look, cue: str, rng: np.random.Generator) -> Look:
    """Change one thing by which look-alikes are told apart."""
    other = draw_look(rng)
    if cue == "shoes":
        return replace(look, shoe_colour=other.shoe_colour, sole_colour=other.sole_colour)
    if cue == "bag":
        bags: list[Bag] = [bag for bag in ("none", "backpack", "handbag", "shoulder") if bag != look.bag]
        return replace(look, bag=rng.choice(bags), bag_colour=other.bag_colour)
    if cue == "hair":
        hair = _draw_hair(rng, is_woman=look.physique.gender > 0.5)
        return replace(look, hair=hair, hair_colour=other.hair_colour)
    if cue == "bottom_shade":
        return replace(look, bottom_colour=_change_shade(look.bottom_colour, rng))
    if cue == "top_shade":
        return replace(look, top_colour=_change_shade(look.top_colour, rng))
    if cue == "build":
        drawn = other.physique
        physique = replace(look.physique, weight=drawn.weight, height=drawn.height, muscle=drawn.muscle)
        return replace(look, physique=physique)
    if cue == "hat":
        return replace(look, hat=not look.hat, hat_colour=other.hat_colour)
    if cue == "second_colour":
        patterns: list[Pattern] = [pattern for pattern in PATTERNS if pattern != look.pattern]
        return replace(look, second_colour=other.second_colour, pattern=rng.choice(patterns))
    raise KeyError(f"Cue {cue!r} is not known; choose one of {', '.join(CUES)}.")


def draw_lookalikes(rng: np.random.Generator, num_people: int) -> list[Look]:
    """Draw a group in the same clothes; each member but the first has its own one or two cues."""
    first = draw_look(rng)
    group = [first]
    cues = [str(cue) for cue in rng.permutation(CUES)]
    while len(group) < num_people:
        member = replace(
            first,
            physique=replace(first.physique, age=rng.uniform(0.5, 0.9), proportions=rng.uniform(0.4, 0.8)),
            stride=rng.uniform(0.3, 0.5),
            arm_swing=rng.uniform(0.2, 0.45),
            skin=_vary(first.skin, rng, spread=0.08),
            fold_seed=int(rng.integers(1 << 30)),
        )
        for _ in range(int(rng.integers(*NUM_CUES))):
            member = _change_cue(member, cues[0], rng)
            cues = [*cues[1:], cues[0]]
        group.append(member)
    return group


def draw_people(
    rng: np.random.Generator, num_people: int, group_sizes: tuple[int, ...] = GROUP_SIZES
) -> list[Look]:
    """Draw people in groups of look-alikes."""
    people: list[Look] = []
    while len(people) < num_people:
        size = min(int(rng.choice(group_sizes)), num_people - len(people))
        people += draw_lookalikes(rng, size)
    return people
