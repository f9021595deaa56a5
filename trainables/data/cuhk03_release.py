"""Reading `cuhk-03.mat` as CUHK03's authors publish it: MATLAB 7.3, which is HDF5.

The only file that imports h5py, and only when it is asked for: the images extracted before need none of it.

    | variable              | is                                                                          |
    |-----------------------|-----------------------------------------------------------------------------|
    | `labeled`, `detected` | 5 cells, one a camera pair: cells (people, 10) of images, some empty        |
    | `testsets`            | 20 cells: (100, 2) camera pair and person, counted from 1                   |

The first 5 images of a person are of view 1, the others of view 2. HDF5 holds the axes of MATLAB's arrays in reverse.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tablewright.trainables.data.unpacking import UnpacksToTooMuch, refuse_too_much

RELEASE = "cuhk03_release/cuhk-03.mat"
IMAGES_A_VIEW = 5


class Release:
    """The published file, opened for each question, so that it may be asked from several threads and processes.

    Args:
        path: of the file.
        boxes: `labeled` or `detected`.
    """

    def __init__(self, path: Path, boxes: str) -> None:
        self._path, self._boxes = path, boxes

    def sizes_bytes(self) -> dict[str, int]:
        """Give the size of every image, uncompressed, under the name that it is extracted to.

        Raises:
            ValueError: the file is not as published.
        """
        sizes: dict[str, int] = {}
        with self._open() as file:
            for pair, reference in enumerate(file[self._boxes][0], 1):
                for person, images in enumerate(_whole(file[reference]).T, 1):
                    for number, image in enumerate(images, 1):
                        if file[image].ndim == 3:  # an empty cell holds its shape, which has two sides
                            view = 1 if number <= IMAGES_A_VIEW else 2
                            name = f"images_{self._boxes}/{pair}_{person:03d}_{view}_{number:02d}.png"
                            sizes[name] = int(file[image].size)
        return sizes

    def open_image(self, path: str) -> Image.Image:
        """Give the image of such a name."""
        pair, person, _, number = map(int, Path(path).stem.split("_"))
        with self._open() as file:
            people = file[file[self._boxes][0, pair - 1]]
            pixels_HWC = _whole(file[people[number - 1, person - 1]]).T
        return Image.fromarray(np.ascontiguousarray(pixels_HWC))

    def test_people(self, fold: int) -> set[tuple[int, int]]:
        """Give camera pair and person of everybody that a fold tests on.

        Raises:
            ValueError: the file is not as published.
        """
        with self._open() as file:
            people_N2 = _whole(file[file["testsets"][0, fold]]).T
        return {(int(pair), int(person)) for pair, person in people_N2}

    @contextmanager
    def _open(self) -> Generator[Any]:
        try:
            with _h5py().File(self._path, "r") as file:
                yield file
        except UnpacksToTooMuch as error:
            raise ValueError(f"{self._path} holds an array that {error}") from error
        except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ValueError(
                f"{self._path} is not as published ({type(error).__name__}): no file of MATLAB 7.3, cut off, or "
                f"without the cells {self._boxes!r} and 'testsets' of images and people; get it again"
            ) from error


def open_release(root: Path, boxes: str) -> Release:
    """Give the published file below the data set's folder.

    Raises:
        ValueError: h5py is not installed.
    """
    try:
        _h5py()
    except ImportError as error:
        raise ValueError(
            f"{root / RELEASE} is MATLAB 7.3, which h5py reads, and h5py is not installed: `pip install h5py`, or "
            f"extract the file as torchreid does, to images_{boxes}/ and splits_classic_{boxes}.json"
        ) from error
    return Release(root / RELEASE, boxes)


def _whole(array: Any) -> np.ndarray:
    """Read an array, which may be packed and of any size that the file says.

    Raises:
        UnpacksToTooMuch: it is too large.
    """
    refuse_too_much([array.nbytes])
    return array[:]


def _h5py() -> Any:
    """Import the optional package."""
    return importlib.import_module("h5py")
