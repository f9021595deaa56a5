"""Why a weight file does not fill a part of a network, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tablewright.trainables.layers.architectures import KNOWN_ARCHITECTURES, published_part
from tablewright.trainables.layers.name_matching import Match, find_matches
from tablewright.trainables.layers.published_part import PublishedPart, is_counter
from tablewright.trainables.layers.weight_file import Entry
from tablewright.trainables.value.name_list import some

_NUM_SHOWN = 3

# Last words of names -> an optimizer keeps them of each parameter.
_OPTIMIZER_ENTRIES = frozenset(
    {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "step"}
)
# Words of names -> they stand behind a backbone.
_HEAD_WORDS = frozenset(
    {"fc", "classifier", "head", "heads", "roi_heads", "roi_head", "rpn", "bbox_head", "rpn_head", "mask_head",
     "box_predictor", "box_head", "neck", "fpn", "bottleneck", "projection_head", "prototypes", "predictor"}
)  # fmt: skip
# Part of a name -> who spells names so.
_LIBRARIES = {
    "embedder.embedder.convolution": "Hugging Face's transformers",
    "bottom_up.": "Detectron2",
    "res2.0.conv1": "Detectron2",
    "._mean": "PaddlePaddle",
    "moving_mean": "Keras or TensorFlow",
    "moving_variance": "Keras or TensorFlow",
    ".kernel": "Keras, TensorFlow or Flax",
}
# Part of a name -> which networks have one.
_FAMILIES = {
    "cls_token": "a vision transformer",
    "attn.qkv": "a vision transformer",
    "relative_position_bias_table": "a Swin transformer",
    "denselayer": "a DenseNet",
    "_blocks.0._": "an EfficientNet",
    "conv_stem.": "an EfficientNet, or a MobileNet of timm's",
    ".Mixed_": "an Inception network",
}


def describe_misfit(
    part: PublishedPart, entries: Mapping[str, Entry], matches: Sequence[Match], publisher: str
) -> str:
    """Say what is missing, what is unlike and what is left over, what the file most likely is, and what to do.

    Args:
        part: that is to be filled.
        entries: of the file.
        matches: of both, the best first.
        publisher: of the file that is meant; may be empty.
    """
    match = matches[0]
    if not _is_named_alike(match):  # names that agree by chance say nothing of the place
        match = next((other for other in matches if not other.prefix), match)
    cause = _likely_cause(part, entries, match, publisher)
    return f"does not fill {part.architecture}. {_lists(match, entries)}. {cause}"


def _lists(match: Match, entries: Mapping[str, Entry]) -> str:
    num_wanted = sum(not is_counter(name) for name in match.layout.wanted)
    unlike = [_compare(name, match, entries) for name in match.unlike]
    lists = [
        (match.missing, f"missing in the file: {len(match.missing)} of {num_wanted} parameters and buffers"),
        (unlike, f"unlike: {len(unlike)}"),
        (match.left_over, f"left over: {len(match.left_over)} of the file's {len(entries)} entries"),
    ]
    text = "; ".join(f"{what} ({some(names, _NUM_SHOWN)})" for names, what in lists if names)
    return f"Under {match.prefix!r}, {text}" if match.prefix else text[0].upper() + text[1:]


def _compare(name: str, match: Match, entries: Mapping[str, Entry]) -> str:
    found, wanted = entries[match.prefix + name], match.layout.wanted[name]
    if found.shape == wanted.shape:
        return f"{name} holds {str(found.dtype).removeprefix('torch.')}"
    return f"{name} is {_size(found)} for {_size(wanted)}"


def _size(entry: Entry) -> str:
    return "×".join(map(str, entry.shape)) or "one number"


def _is_named_alike(match: Match) -> bool:
    return len(match.missing) * 2 <= len(match.layout.wanted)


def _likely_cause(part: PublishedPart, entries: Mapping[str, Entry], match: Match, publisher: str) -> str:
    cause, then = next(_causes(part, entries, match))
    take = f"take the file of {part.architecture}{f', from {publisher}' if publisher else ''}"
    return f"{cause}: {then}, or {take}" if then else f"{cause}: {take}"


def _causes(part: PublishedPart, entries: Mapping[str, Entry], match: Match) -> Iterator[tuple[str, str]]:
    """Give what the file may be, the likeliest first, with a way to use it where there is one; at least one."""
    others = [published_part(name) for name in KNOWN_ARCHITECTURES if name != part.architecture]
    nearest = {other.architecture: find_matches(other, None, entries)[0] for other in others}
    for architecture, other in nearest.items():
        if other.is_exact:
            is_choice = architecture.startswith("resnet") and part.architecture.startswith("resnet")
            yield (
                f"It is a file of {architecture}",
                f"set the architecture to {architecture!r} and give the file the name that is then asked for"
                if is_choice
                else "",
            )
    if all(name.rpartition(".")[2] in _OPTIMIZER_ENTRIES for name in entries):
        yield "It holds the state of an optimizer and no network", ""
    if not _is_named_alike(match):
        yield from _renamed((part, *others), entries)
        if all(_HEAD_WORDS & set(name.split(".")) for name in entries):
            yield "It holds the head of a network without its backbone", ""
    for mark, library in _LIBRARIES.items():
        if any(mark in f".{name}" for name in entries):
            yield f"Its names are as {library} spells them", "convert it to the published names"
    for mark, family in _FAMILIES.items():
        if any(mark in f".{name}" for name in entries):
            yield f"It is a file of {family}", ""
    yield from _in_pieces(match, entries)
    if match.unlike and not match.missing:
        if all(
            entries[match.prefix + name].shape == match.layout.wanted[name].shape for name in match.unlike
        ):
            yield "It holds values that are no real numbers, as after quantisation", ""
        yield (
            f"It has the names of {part.architecture} and not the shapes, as a variant that is wider, whose "
            "convolutions are grouped, or that sees images of another number of channels",
            "",
        )
    if match.fills:
        yield f"It has layers that {part.architecture} has not, as an extension of it", ""
    best = max(nearest.values(), key=lambda other: other.num_agreeing)
    if best.num_agreeing > match.num_agreeing:
        architecture = next(name for name, other in nearest.items() if other is best)
        yield (
            f"It comes nearest to {architecture}, of whose {len(best.layout.wanted)} entries {best.num_agreeing} "
            "agree, and fills no architecture that is known here",
            "",
        )
    if match.num_agreeing:
        yield (
            f"Of {len(match.layout.wanted)} entries {match.num_agreeing} agree, as in a network that was saved in "
            "part, or in a relative of it",
            "",
        )
    yield (
        f"It names nothing of {part.architecture} nor of any architecture that is known here; its first entries are "
        f"{some(list(entries), _NUM_SHOWN)}",
        "",
    )


def _renamed(parts: Sequence[PublishedPart], entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Recognise an architecture by its shapes under other names, as `nn.Sequential(*children)` leaves them."""
    found = Counter(entry.shape for entry in entries.values() if entry.is_floating)
    for part in sorted(parts, key=lambda part: -len(part.entries)):
        if Counter(entry.shape for entry in part.entries.values() if entry.is_floating) - found:
            continue
        name, first = next(iter(part.entries.items()))
        theirs = next(other for other, entry in entries.items() if entry.shape == first.shape)
        yield (
            f"It has the shapes of {part.architecture} under other names, {theirs} for {name}, as a network that was "
            "wrapped or taken apart before it was saved",
            "save it under the published names",
        )


def _in_pieces(match: Match, entries: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """Recognise a network that was cut: what is missing in one place lies in others."""
    missing, places = set(match.missing), Counter[str]()
    for entry in entries:
        words = entry.split(".")
        for index in range(1, len(words)):
            if ".".join(words[index:]) in missing:
                places[".".join(words[:index])] += 1
                break
    if missing and sum(places.values()) * 2 >= len(missing):
        yield (
            f"What is missing lies elsewhere in it, under {some([repr(place) for place in places], _NUM_SHOWN)}: the "
            "network was cut before it was saved",
            "save it whole",
        )
