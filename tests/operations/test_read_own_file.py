"""What a file shows by itself is read off it; what can be meant in two ways is refused."""

from datetime import date

import pytest

from cbi_pipeline.operations.read_own_file import Stated, Unclear, read_own_file


@pytest.fixture
def read(tmp_path):
    def run(text: str, **stated):
        file = tmp_path / "prices.csv"
        file.write_text(text)
        return read_own_file(file, Stated(**stated))

    return run


@pytest.mark.parametrize(
    ("text", "order", "decimal", "first"),
    [
        ("Date,Price\n2020-01-31,1.5\n2020-02-03,2\n", "iso", ".", 1.5),
        ('Date,Price\n2020-01-31,"1,234.5"\n2020-02-03,2\n', "ymd", ".", 1234.5),
        ("Datum;Preis\n31.01.2020;1,5\n03.02.2020;2\n", "dmy", ",", 1.5),
        ("Datum;Preis\n31.01.2020;1.234,5\n03.02.2020;2\n", "dmy", ",", 1234.5),
        ("day\tusd\n01/31/2020\t1.5\n02/03/2020\t2\n", "mdy", ".", 1.5),
        ("when|what|note\n20200131|1.5|a\n20200203|2|b\n", "ymd", ".", 1.5),
        ("d,p,empty\n2020-01-31,1.5,\n2020-02-03,N/A,\n", "ymd", ".", 1.5),
        ("d,p\n2020-01-31,-36.98\n2020-02-03,2\n", "iso", ".", -36.98),
        ("d,p\n2020-01-31,2.345\n2020-02-03,2.346\n", "iso", ".", 2.345),
    ],
)
def test_columns_order_and_marks_are_read_off(read, text, order, decimal, first):
    file = read(text)
    assert (file.reading.order, file.reading.decimal) == (order, decimal)
    assert file.prices[0] == (date(2020, 1, 31), first)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("d,p\n01/02/2020,1\n03/04/2020,2\n", "--date-order dmy or --date-order mdy"),
        ('d,p\n2020-01-01,"1,234"\n2020-01-02,"2,345"\n', "--decimal"),
        ("d;p\n2020-01-01;1.234\n2020-01-02;2.345\n", "--decimal"),
        ("d,open,close\n2020-01-01,1,2\n2020-01-02,2,3\n", "open, close all hold numbers.*--price"),
        ("d,e,p\n2020-01-01,2020-01-02,1\n", "d, e all hold dates.*--date"),
        ("a,b\nx,y\n", "no column holds dates.*--date"),
        ("d,b\n2020-01-01,y\n", "no column holds numbers.*--price"),
        ("2020-01-01,1\n2020-01-02,2\n", "names no columns"),
        ("d,p\n", "no line below"),
        ("", "no line below"),
    ],
)
def test_what_can_be_meant_in_two_ways_is_refused_with_what_to_type(read, text, words):
    with pytest.raises(Unclear, match=words):
        read(text)


def test_what_is_stated_is_not_asked_again(read):
    text = 'd,open,close\n01/02/2020,"1,234",2\n03/04/2020,"2,345",3\n'
    file = read(text, price_column="open", order="mdy", decimal=",")
    assert file.prices == ((date(2020, 1, 2), 1.234), (date(2020, 3, 4), 2.345))


@pytest.mark.parametrize("option", ["date_column", "price_column", "vintage_column"])
def test_a_column_that_is_not_there_is_refused_with_those_that_are(read, option):
    with pytest.raises(Unclear, match="no such column; there are d, p"):
        read("d,p\n2020-01-31,1\n2020-02-03,2\n", **{option: "q"})
