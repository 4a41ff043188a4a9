"""nibabel: images count by class, data, affine and header, not by their file."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from funes import hash_value, memorious
from values.comparing import assert_all_differ, assert_all_equal


def image(kind: Any = nibabel.Nifti1Image, data: Any = None, scale: int = 1, **header: Any) -> Any:
    data = np.arange(27, dtype="i2").reshape(3, 3, 3) if data is None else data
    made = kind(data, np.diag([scale, 1, 1, 1]))
    for name, value in header.items():
        made.header[name] = value
    return made


def test_every_part_counts() -> None:
    data = np.arange(27, dtype="i2").reshape(3, 3, 3)
    assert_all_equal(
        [image(), image(data=data.copy("F")), copy.deepcopy(image()), image().slicer[:]]
    )
    assert_all_differ(
        [
            image(),
            image(data=data + 1),
            image(data=data.astype("f4")),
            image(data=data[:2]),
            image(scale=2),
            image(descrip=b"a"),
            image(nibabel.Nifti2Image),
            image(nibabel.Spm99AnalyzeImage),
            data,
        ]
    )


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mgz"])
def test_path_and_unchanged_cache_do_not_count(name: str, tmp_path: Path) -> None:
    kind = nibabel.MGHImage if name.endswith("mgz") else nibabel.Nifti1Image
    nibabel.save(image(kind, np.arange(27, dtype="f4").reshape(3, 3, 3)), tmp_path / name)
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / name, tmp_path / "elsewhere" / name)
    fresh, used, dropped, elsewhere = (
        nibabel.load(folder / name)
        for folder in (tmp_path, tmp_path, tmp_path, tmp_path / "elsewhere")
    )
    used.get_fdata()
    dropped.get_fdata()
    dropped.uncache()
    assert_all_equal([fresh, used, dropped, elsewhere, pickle.loads(pickle.dumps(used))])
    assert hash_value(fresh) == hash_value(used)
    assert not fresh.in_memory


def test_changed_cached_data_count(tmp_path: Path) -> None:
    nibabel.save(image(), tmp_path / "a.nii")
    for make in (image, lambda: nibabel.load(tmp_path / "a.nii")):
        used, one, two = make(), make(), make()
        used.get_fdata()
        one.get_fdata()[0] = 9
        two.get_fdata()[0] = 8
        assert_all_equal([used, make()])
        assert_all_differ([used, one, two])
        one.uncache()
        assert_all_equal([one, make()])


@pytest.mark.usefixtures("cache")
def test_loaded_image_is_a_cache_hit() -> None:
    memo = memorious(lambda image: image.shape)
    value = image()
    memo(value)
    value.get_fdata()
    assert memo.is_cached(value)


class Scan(nibabel.Nifti1Image):
    """An image with an attribute."""


def test_subclass_counts_with_its_attributes() -> None:
    one, two, three = (image(Scan) for _ in range(3))
    two.get_fdata()
    three.unit = "mm"
    assert_all_equal([one, two])
    assert_all_differ([one, three, image()])


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    from values.fresh import assert_same_elsewhere

    assert_same_elsewhere(
        run_python,
        """
import nibabel, numpy as np
image = nibabel.Nifti1Image(np.eye(3), np.eye(4))
values = [image, image.header, image.slicer[:2]]
""",
    )
