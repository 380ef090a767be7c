"""The reader of metadata files: strict, with the line of what is wrong, and never a traceback or a lost row."""

import csv
import io
import itertools
import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amgan.data.metadata import READERS, find_metadata, metadata_rows
from amgan.data.names import item_id, relative_name
from amgan.errors import PhotoError, UserError

FILES = [f"metadata{end}" for end in READERS]

POSIX = pytest.mark.skipif(os.name != "posix", reason="makes pipes and links")
QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)


def rows_of(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [row.cells for row in metadata_rows(path)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty; its first line"),
        ("\n\n", "is empty; its first line"),
        ("name,color\na.jpg,red\n", "line 1: there is no column file_name, .* the columns are 'name', 'color'"),
        ("file_name;color\na.jpg;red\n", "separated by semicolons"),
        ('"file_name";"color"\n"a.jpg";"red"\n', "separated by semicolons"),
        ("color\tfile_name\nred\ta.jpg\n", "separated by tabs"),
        ("file_name,color,color\na.jpg,red,blue\n", "line 1: there are two columns 'color'"),
        ("file_name,color, color \na.jpg,red,blue\n", "line 1: there are two columns 'color'"),
        (",file_name\n0,a.jpg\n", "line 1: column 1 has no name"),
        ("file_name,color\na.jpg,red\nb.jpg\n", "line 3: it has 1 cells where the header has 2"),
        ("file_name,color\na.jpg,red\n\nb.jpg,red,blue\n", "line 4: it has 3 cells where the header has 2"),
        ('file_name,color\na.jpg,red\nb.jpg,"red\nc.jpg,red\nd.jpg,red\n', "line 3: this row is not well-formed"),
        ('file_name,color\na.jpg,"red"x\nb.jpg,red\n', "line 2: this row is not well-formed"),
        ('file_name,note\na.jpg,"5 inches\nb.jpg,5"\nc.jpg,\n', "line 2: a quotation mark that opens here takes in"),
        ('file_name,note\n"a.jpg\nb.jpg",x\n', "line 2: a quotation mark that opens here takes in"),
        ('file_name,note\na.jpg,"' + "x\n" * 70_000, "line 2: this row is not well-formed CSV .field larger"),
        (b"file_name\na.jpg\ncaf\xe9.jpg\n", "line 3: this is not UTF-8"),
        ('file_name,"note\na.jpg,x"\nb.jpg,y\n', "line 1: a quotation mark that opens in the header"),
        ("file_name\na.jpg\n".encode("utf-16"), "line 1: this is not UTF-8"),
    ],
)
def test_malformed_csv_is_an_error_with_its_line(tmp_path, content, sentence):
    with pytest.raises(UserError, match=f"metadata.csv.*{sentence}"):
        rows_of(tmp_path / "metadata.csv", content)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('{"file_name": "a.jpg"', "this is not JSON"),
        ("[1, 2]", "this is no object"),
        ("3", "this is no object"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"file_name": "a.jpg", "x": ' + "[" * 900 + "]" * 900 + "}", None),
        ('{"file_name": "a\\ud800.jpg"}', "half a character"),
        ('{"file_name": "a.jpg", "\\udfff": 1}', "half a character"),
        ('{"file_name": "a.jpg", "x": ["\\ud800"]}', None),
        ('{"file_name": "a.jpg", "x": ' + "9" * 5000 + "}", "cannot be read"),
        ('{"file_name": "a.jpg", "color": "red", "color": "blue"}', "two columns 'color'"),
        ('{"color": "red"}', "there is no column file_name"),
        ('{"file_name": ["a.jpg"]}', "the file_name is no text"),
        ('{"file_name": "a.jpg", "mask_file_name": 3}', "the mask_file_name is no text"),
        (b'{"file_name": "caf\xe9.jpg"}', "not UTF-8"),
    ],
)
def test_odd_json_lines_are_sentences_with_their_line(tmp_path, line, sentence):
    line = line if isinstance(line, bytes) else line.encode()
    content = b'\n{"file_name": "0.jpg"}\n' + line + b"\n"
    if sentence is None:  # odd, but all that is asked for is there
        assert [row["file_name"] for row in rows_of(tmp_path / "metadata.jsonl", content)] == ["0.jpg", "a.jpg"]
        return
    with pytest.raises(UserError, match=f"metadata.jsonl, line 3: .*{sentence}"):
        rows_of(tmp_path / "metadata.jsonl", content)


def test_what_is_sound_is_read_alike(tmp_path):
    expected = [
        {"file_name": "a b.jpg", "note": 'of "wool",\nwarm', "n": "3"},
        {"file_name": "b.jpg", "note": "", "n": ""},
    ]
    text = '\ufeff file_name ,note,n\r\na b.jpg,"of ""wool"",\nwarm",3\r\n\r\nb.jpg,,\r\n'
    assert rows_of(tmp_path / "metadata.csv", text) == expected
    places = [row.place for row in metadata_rows(tmp_path / "metadata.csv")]
    assert places == ["line 2", "line 5"]
    lines = [
        {"file_name": "a b.jpg", "note": 'of "wool",\nwarm', "n": 3},
        {"file_name": "b.jpg", "note": None, "n": ""},
    ]
    assert rows_of(tmp_path / "metadata.jsonl", "\ufeff" + "\n".join(map(json.dumps, lines))) == expected


def test_rows_come_as_they_are_asked_for(tmp_path):
    (tmp_path / "metadata.csv").write_text("file_name\n" + "a.jpg\n" * 100_000 + '"')
    rows = metadata_rows(tmp_path / "metadata.csv")
    assert next(rows).cells == {"file_name": "a.jpg"}
    with pytest.raises(UserError, match="line 100002"):
        list(rows)


@pytest.mark.parametrize("marks", [1, 2])
def test_stray_quotation_marks_never_lose_a_row(tmp_path, marks):
    text = "file_name,n,c\n1.jpg,,r\n2.jpg,,r\n"
    lost = read = 0
    for places in itertools.combinations(range(len(text) + 1), marks):
        pieces = [text[a:b] for a, b in itertools.pairwise((0, *places, len(text)))]
        try:
            rows = rows_of(tmp_path / "metadata.csv", '"'.join(pieces))
        except UserError:
            continue
        read += 1
        lost += len(rows) != 2
    assert (lost, read > 0) == (0, True)


@QUICK
@given(st.lists(st.tuples(WORDS, WORDS), max_size=6))
def test_csv_and_json_there_and_back(tmp_path, cells):
    rows = [{"file_name": f"{i}.jpg", "note": a, "more": b} for i, (a, b) in enumerate(cells)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["file_name", "note", "more"])
    writer.writeheader()
    writer.writerows(rows)
    assert rows_of(tmp_path / "metadata.csv", text.getvalue()) == rows
    for ascii_only in (True, False):
        lines = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
        assert rows_of(tmp_path / "metadata.jsonl", lines) == rows


@QUICK
@given(
    st.binary(max_size=60), st.sampled_from([b"", b"file_name\n", b'{"file_name":', b"PAR1"]), st.sampled_from(FILES)
)
def test_random_bytes_are_rows_or_a_sentence(tmp_path, content, start, name):
    try:
        rows = rows_of(tmp_path / name, start + content)
    except UserError as error:
        said = str(error)
    else:
        said = f"{tmp_path / name}."
        assert all(isinstance(text, str) for row in rows for text in row.values())
    assert said.startswith(str(tmp_path / name))
    assert said.endswith(".")


def test_the_photos_column_may_be_called_as_product_feeds_call_it(tmp_path):
    row = {"file_name": "a.jpg", "id": "7"}
    assert rows_of(tmp_path / "metadata.csv", "id,Image_Link\n7,a.jpg\n") == [row]
    assert rows_of(tmp_path / "metadata.jsonl", '{"id": 7, "photo": "a.jpg"}') == [row]
    # file_name counts wherever it is, then the likelier; what is not the photo's keeps its name.
    both = {"file_name": "a.jpg", "image": "b.jpg"}
    assert rows_of(tmp_path / "metadata.csv", "image,file_name\nb.jpg,a.jpg\n") == [both]
    assert rows_of(tmp_path / "metadata.csv", "image,image_url\nb.jpg,a.jpg\n") == [both]
    with pytest.raises(UserError, match="separated by tabs"):
        rows_of(tmp_path / "metadata.csv", "image_link\tid\na.jpg\t7\n")
    with pytest.raises(UserError, match=r"no column file_name, image_link, image_url, image or photo"):
        rows_of(tmp_path / "metadata.csv", "imagery,id\na.jpg,7\n")
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"image url": ["a.jpg"], "id": [7]}), tmp_path / "metadata.parquet")
    assert [r.cells for r in metadata_rows(tmp_path / "metadata.parquet")] == [row]


def test_parquet_that_python_cannot_say(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path, names = tmp_path / "metadata.parquet", pyarrow.array(["a.jpg", "b.jpg"])

    def write(**columns):
        parquet.write_table(pyarrow.table(columns), path)
        return [row.cells for row in metadata_rows(path)]

    far = pyarrow.array([0, 10**7], pyarrow.int32()).cast(pyarrow.date32())
    with pytest.raises(UserError, match=r"metadata.parquet, row 2: the value of 'made' cannot be read"):
        write(file_name=names, made=far)
    with pytest.raises(UserError, match=r"row 1: the file_name is no text"):
        write(file_name=pyarrow.array([{"path": "a.jpg"}]))
    with pytest.raises(UserError, match=r"there is no column file_name"):
        write(name=names)
    with pytest.raises(UserError, match=r"row 2: the file_name is not UTF-8"):
        write(file_name=pyarrow.array([b"a.jpg", b"\xff.jpg"]))
    twice = pyarrow.Table.from_arrays([names, names, names], names=["file_name", "color", "color"])
    parquet.write_table(twice, path)
    with pytest.raises(UserError, match=r"two columns 'color'"):
        list(metadata_rows(path))
    nested = pyarrow.array([{"a": [1]}, None])
    binary = pyarrow.array([b"a.jpg", b"b.jpg"])
    assert write(file_name=binary, more=nested) == [
        {"file_name": "a.jpg", "more": "{'a': [1]}"},
        {"file_name": "b.jpg", "more": ""},
    ]


@POSIX
@pytest.mark.parametrize("name", FILES)
def test_what_is_no_file_does_not_count_as_absent(tmp_path, name):
    assert find_metadata(tmp_path) is None
    path = tmp_path / name
    for make, sentence in (
        (lambda: path.symlink_to("nowhere"), "link to a file that does not exist"),
        (lambda: path.symlink_to(name), "cannot be read"),
        (lambda: os.mkfifo(path), "a pipe, socket or device"),
        (lambda: path.symlink_to("/dev/zero"), "a pipe, socket or device"),
        (path.mkdir, "is a folder"),
    ):
        make()
        with pytest.raises(UserError, match=sentence):
            find_metadata(tmp_path)
        path.rmdir() if path.is_dir() else path.unlink()
    path.symlink_to("elsewhere")
    (tmp_path / "elsewhere").write_text("file_name\n")
    assert find_metadata(tmp_path) == path


def test_a_metadata_file_that_may_not_be_read_is_a_sentence(tmp_path, monkeypatch):
    path = tmp_path / "metadata.csv"
    path.write_text("file_name\na.jpg\n")

    def refuse(self, *args, **kwargs):  # tests run as the superuser, too, to whom nothing is forbidden
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(UserError, match=r"metadata.csv cannot be read: Permission denied\."):
        list(metadata_rows(path))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((name, "outside") for name in ("../a.jpg", "a/../../b.jpg", "..", "/a.jpg", "C:/a.jpg", "c:\\a.jpg")),
        *((name, "outside") for name in ("\\\\server\\a.jpg", "..\\a.jpg", "a\\..\\..\\b.jpg")),
        *((name, "bad-name") for name in ("a\\b.jpg", "a\0.jpg", "\ud800.jpg", ".", "./")),
    ],
)
def test_names_that_are_refused(text, reason):
    with pytest.raises(PhotoError) as caught:
        relative_name(text)
    assert caught.value.reason == reason
    str(caught.value).encode()  # it can be printed


@pytest.mark.parametrize(
    ("text", "name", "id"),
    [
        ("./a//b.c.jpg ", "a/b.c.jpg", "a/b.c"),
        ("..a/b...jpg", "..a/b...jpg", "..a/b.."),
        ("x.y/.hidden", "x.y/.hidden", "x.y/.hidden"),
        ("é 1:2.jpg", "é 1:2.jpg", "é 1:2"),
        ("a.", "a.", "a."),
    ],
)
def test_names_in_one_form(text, name, id):
    assert (relative_name(text), item_id(name)) == (name, id)
