"""Tables on disk: what is read, and what is refused with the name of the column and what to do."""

import builtins

import numpy as np
import pytest

from convexnn.commands.tables import TableError, read_table

GOOD = "a,b,flag,y\n1,2.5,true,0.3\n2,-1e3,false,0.1\n3,0,true,-2\n"


def written(folder, text, name="t.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_numbers_and_truth_values_become_a_matrix(tmp_path):
    pytest.importorskip("pandas")
    table = read_table(written(tmp_path, GOOD), "y")
    assert table.features == ("a", "b", "flag")
    np.testing.assert_array_equal(table.X, [[1, 2.5, 1], [2, -1000, 0], [3, 0, 1]])
    np.testing.assert_array_equal(table.y, [0.3, 0.1, -2])
    assert table.task == "regression"


def test_the_same_table_reads_the_same_from_csv_tsv_parquet_and_npz(tmp_path):
    pd = pytest.importorskip("pandas")
    from_csv = read_table(written(tmp_path, GOOD), "y")
    pd.read_csv(tmp_path / "t.csv").to_parquet(tmp_path / "t.parquet")
    written(tmp_path, GOOD.replace(",", "\t"), "t.tsv")
    np.savez(tmp_path / "t.npz", X=from_csv.X, y=from_csv.y, features=np.array(from_csv.features))
    for name in ("t.tsv", "t.parquet", "t.npz"):
        table = read_table(tmp_path / name, "y")
        np.testing.assert_array_equal(table.X, from_csv.X)
        np.testing.assert_array_equal(table.y, from_csv.y)
        assert table.features == from_csv.features


def test_a_target_of_text_of_truth_or_of_few_whole_numbers_is_classes(tmp_path):
    pytest.importorskip("pandas")
    for column in ("cat,dog,cat", "true,false,true", "0,1,2"):
        cells = column.split(",")
        path = written(tmp_path, "a,y\n" + "".join(f"{k},{cell}\n" for k, cell in enumerate(cells)))
        assert read_table(path, "y").task == "classification"
    path = written(tmp_path, "a,y\n" + "".join(f"{k},{k}\n" for k in range(30)))
    assert read_table(path, "y").task == "regression"


def test_several_targets_are_several_outputs(tmp_path):
    pytest.importorskip("pandas")
    table = read_table(written(tmp_path, GOOD), ("y", "b"), drop=["flag"])
    assert table.features == ("a",)
    assert table.y.shape == (3, 2)
    assert table.task == "regression"


REFUSED = {
    "text": ("a,city,y\n1,3,1\n2,Rome,2\n", "column 'city' holds 'Rome' in row 2.*--drop city"),
    "question mark": ("a,b,y\n1,3,1\n2,?,2\n", r"column 'b' holds '\?' in row 2"),
    "date": ("a,day,y\n1,2020-01-02,1\n2,2020-01-03,2\n", "column 'day' holds '2020-01-02'"),
    "missing": ("a,b,y\n1,3,1\n2,,2\n3,,1\n", "column 'b' has 2 missing value.*row 2.*fill them in"),
    "missing target": ("a,b,y\n1,3,1\n2,4,\n", "column 'y' has 1 missing"),
    "infinite": ("a,b,y\n1,3,1\n2,inf,2\n", "column 'b' has 1 infinite"),
    "constant": ("a,my b,c,y\n1,3,5,1\n2,3,5,2\n", "columns 'my b', 'c' have the same value.*--drop 'my b' --drop c"),
    "one class": ("a,y\n1,3\n2,3\n", "target 'y' is '3.0' in every row"),
    "one named class": ("a,y\n1,x\n2,x\n", "target 'y' is 'x' in every row"),
    "no target": ("a,Y\n1,3\n2,4\n", "no column 'y'; it has a, Y"),
    "one row": ("a,y\n1,3\n", "has 1 row of data"),
    "no rows": ("a,y\n", "has 0 rows"),
    "no features": ("y\n1\n2\n", "no column beside 'y'"),
    "empty": ("", "cannot be read as CSV"),
    "ragged": ("a,y\n1,2\n1,2,3,4\n", "cannot be read as CSV"),
    "same name after stripping": ("a,a ,y\n1,2,3\n2,3,4\n", "two columns 'a'"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_used_is_refused_by_column_with_what_to_do(tmp_path, kind):
    pytest.importorskip("pandas")
    text, said = REFUSED[kind]
    with pytest.raises(TableError, match=said):
        read_table(written(tmp_path, text), "y")


def test_a_missing_column_suggests_the_nearest(tmp_path):
    pytest.importorskip("pandas")
    with pytest.raises(TableError, match="Did you mean 'flag'"):
        read_table(written(tmp_path, GOOD), "y", drop=["falg"])


def test_files_that_are_not_there_or_of_another_kind_are_refused(tmp_path):
    with pytest.raises(TableError, match="no file"):
        read_table(tmp_path / "none.csv", "y")
    with pytest.raises(TableError, match=r"is no \.csv"):
        read_table(written(tmp_path, "x", "t.xlsx"), "y")
    for name, kind in (("t.npz", "NPZ"), ("t.parquet", "PARQUET")):
        if kind == "PARQUET":
            pytest.importorskip("pyarrow")
        with pytest.raises(TableError, match=f"cannot be read as {kind}"):
            read_table(written(tmp_path, "not one", name), "y")


def test_arrays_that_do_not_fit_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.zeros((3, 2)), y=np.zeros(4))
    with pytest.raises(TableError, match="different lengths"):
        read_table(tmp_path / "a.npz", "y")
    np.savez(tmp_path / "b.npz", X=np.zeros((3, 2, 2)), y=np.zeros(3))
    with pytest.raises(TableError, match=r"'X' .*shape \(3, 2, 2\)"):
        read_table(tmp_path / "b.npz", "y")
    np.savez(tmp_path / "c.npz", X=np.array([[1.0, np.nan], [2, 3]]), y=np.zeros(2))
    with pytest.raises(TableError, match="column 'X1' has 1 missing"):
        read_table(tmp_path / "c.npz", "y")
    np.savez(tmp_path / "d.npz", X=np.array([[{}]], dtype=object), y=np.zeros(1))
    with pytest.raises(TableError, match="cannot be read as NPZ"):
        read_table(tmp_path / "d.npz", "y")


def test_without_pandas_the_message_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "pandas":
            raise ImportError(name)
        return real(name, *rest, **more)

    path = written(tmp_path, GOOD)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TableError, match=r"convexnn\[tables\]"):
        read_table(path, "y")
