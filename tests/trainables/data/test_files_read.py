from tablewright.trainables.data.files_read import FilesRead, Look
from tablewright.trainables.data.labelled_images import sizes_of_images


def test_one_look_gives_the_images_and_by_what_they_are_known_again(tmp_path):
    """What was looked at while reading is the state that a later look finds, and another one once a file changed."""
    for name, content in (
        ("a/1.jpg", b"1"),
        ("a/b/2.PNG", b"22"),
        ("a/notes.txt", b"333"),
        ("a/.t/3.jpg", b"4"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    look = Look(tmp_path, ["a"])
    assert ({"a/1.jpg": 1, "a/b/2.PNG": 2}, []) == sizes_of_images(look)
    read = FilesRead(tmp_path, look.folders, looked=look.state())
    assert read.state() == read.state_as_read()
    assert ["a", "a/.t", "a/b"] == read.state()[1]
    (tmp_path / "a/b/2.PNG").write_bytes(b"333")
    assert read.state() != read.state_as_read()


def test_links_that_lead_nowhere_or_in_a_circle_are_named_and_not_followed(tmp_path):
    """A link to itself, to nothing, to a folder around it or above the data set ends no look and hangs none."""
    images = tmp_path / "data" / "a" / "b"
    images.mkdir(parents=True)
    (images / "1.jpg").write_bytes(b"1")
    for name, target in (
        ("2.jpg", "2.jpg"),
        ("3.jpg", "gone"),
        ("up", ".."),
        ("above", tmp_path),
        ("beside", images),
    ):
        (images / name).symlink_to(target)
    found, lost = sizes_of_images(Look(tmp_path / "data", ["a"]))
    assert {"a/b/1.jpg": 1} == found
    assert ["a/b/2.jpg", "a/b/3.jpg", "a/b/above", "a/b/beside", "a/b/up"] == sorted(lost)
