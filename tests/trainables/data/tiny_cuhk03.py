"""A miniature CUHK03: its images, its index files, and its splits as torchreid writes them.

Six people of two camera pairs; the fourth has no image under view 2.
"""

import json
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image

NUMBERS = {1: (1, 2, 3), 2: (6, 7)}
PEOPLE = ("1_001", "1_002", "1_003", "2_001", "2_002", "2_003")
TEST_PEOPLE = {0: ("1_002", "2_003"), 1: ("1_001", "2_002")}
NAMES = tuple(
    f"{person}_{view}_{number:02d}.png"
    for person in PEOPLE
    for view, numbers in NUMBERS.items()
    for number in numbers
    if not (person == "2_001" and view == 2)
)
QUERY_NUMBERS = ("_1_01", "_2_06")


def pixels(name, boxes):
    """Give an image that its name decides, 6 by 4."""
    seed = [*name.encode(), *boxes.encode()]
    return np.random.default_rng(seed).integers(0, 256, (6, 4, 3), dtype=np.uint8)


def write_images(root, boxes="labeled"):
    folder = Path(root) / f"images_{boxes}"
    folder.mkdir(parents=True)
    for name in NAMES:
        Image.fromarray(pixels(name, boxes)).save(folder / name)


def new_split():
    """Share the names of the new protocol out: people of fold 0 are tested on."""
    test = [name for name in NAMES if name[:5] in TEST_PEOPLE[0]]
    return {
        "train": [name for name in NAMES if name[:5] not in TEST_PEOPLE[0]],
        "query": [name for name in test if name[5:10].startswith(QUERY_NUMBERS)],
        "gallery": [name for name in test if not name[5:10].startswith(QUERY_NUMBERS)],
    }


def write_index(root, boxes="labeled", **changes):
    """Write Zhong et al.'s file: columns, a cell array of names, indices from 1 on."""

    def column(values):
        return np.array(values, dtype=np.uint16)[:, None]

    files = np.empty((len(NAMES), 1), dtype=object)
    files[:, 0] = NAMES
    content = {
        "filelist": files,
        "labels": column([1 + PEOPLE.index(name[:5]) for name in NAMES]),
        "camId": column([int(name[6]) for name in NAMES]),
        **{
            f"{split}_idx": column([1 + NAMES.index(n) for n in names])
            for split, names in new_split().items()
        },
        **changes,
    }
    content = {name: value for name, value in content.items() if value is not None}
    scipy.io.savemat(Path(root) / f"cuhk03_new_protocol_config_{boxes}.mat", content)


def write_splits(root, boxes="labeled"):
    """Write torchreid's lists: people numbered anew, cameras from 0 on, paths of the machine that wrote them."""

    def entries(names):
        people = sorted({name[:5] for name in names})
        return [
            [f"/home/someone/data/cuhk03/images_{boxes}/{name}", people.index(name[:5]), int(name[6]) - 1]
            for name in names
        ]

    classic = []
    for fold in range(20):
        test_people = TEST_PEOPLE[fold % 2]
        test = entries([name for name in NAMES if name[:5] in test_people])
        train = entries([name for name in NAMES if name[:5] not in test_people])
        classic.append({"train": train, "query": test, "gallery": test, "num_train_pids": 4})
    new = [{split: entries(names) for split, names in new_split().items()}]
    (Path(root) / f"splits_classic_{boxes}.json").write_text(json.dumps(classic))
    (Path(root) / f"splits_new_{boxes}.json").write_text(json.dumps(new))


def write_release(root):
    """Write `cuhk-03.mat` as MATLAB 7.3 does: a block for its own use, references for cells, reversed axes."""
    import h5py

    path = Path(root) / "cuhk03_release" / "cuhk-03.mat"
    path.parent.mkdir(parents=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        refs = file.create_group("#refs#")

        def cell(values):
            array = np.asarray(values)
            dataset = refs.create_dataset(f"c{len(refs)}", data=array)
            return dataset.ref

        def cells(references):
            array = np.empty(np.shape(references), dtype=h5py.ref_dtype)
            for place in np.ndindex(array.shape):
                array[place] = references[place[0]][place[1]]
            return array

        def image(name, boxes):
            return cell(pixels(name, boxes).T) if name in NAMES else cell(np.array([0, 0], np.uint64))

        for boxes in ("labeled", "detected"):
            pairs = []
            for pair in range(1, 6):
                people = [person for person in PEOPLE if person.startswith(f"{pair}_")] or None
                names = [
                    [f"{person}_{1 if number <= 5 else 2}_{number:02d}.png" for person in people or ()]
                    for number in range(1, 11)
                ]
                if people is None:
                    dataset = refs.create_dataset(f"c{len(refs)}", shape=(10, 0), dtype=h5py.ref_dtype)
                else:
                    table = cells([[image(name, boxes) for name in row] for row in names])
                    dataset = refs.create_dataset(f"c{len(refs)}", data=table, dtype=h5py.ref_dtype)
                pairs.append(dataset.ref)
            file.create_dataset(boxes, data=cells([pairs]), dtype=h5py.ref_dtype)
        tests = []
        for fold in range(20):
            people = [[float(part) for part in person.split("_")] for person in TEST_PEOPLE[fold % 2]]
            tests.append(cell(np.array(people).T))
        file.create_dataset("testsets", data=cells([tests]), dtype=h5py.ref_dtype)
