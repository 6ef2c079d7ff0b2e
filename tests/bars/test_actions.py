from datetime import date
from pathlib import Path

import pytest

from falcon_pipelines.bars.actions import BadActionsFile, as_actions, read_actions_csv

HEADER = "ticker,kind,ex_date,ratio,amount,pay_date"


def write(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "actions.csv"
    path.write_text("\n".join([header, *lines, ""]))
    return path


def test_actions_are_read_with_their_types(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "NA,split,2014-06-09,7,,",
        "AAPL,dividend,2014-08-07,,0.47,2014-08-14",
        "X,delisting,2014-01-02,,,",
    )
    dividend, split, delisting = as_actions(read_actions_csv(path))
    assert (dividend.ticker, dividend.amount, dividend.pay_date) == ("AAPL", 0.47, date(2014, 8, 14))
    assert (split.ticker, split.ratio, split.ex_date) == ("NA", 7.0, date(2014, 6, 9))
    assert (delisting.kind, delisting.amount) == ("delisting", None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("A,split,2014-06-09,,,", "without a positive ratio"),
        ("A,split,2014-06-09,-7,,", "without a positive ratio"),
        ("A,dividend,2014-06-09,,0,", "without a positive amount"),
        ("A,merger,2014-06-09,,,", "unknown kind"),
        ("A,split,09.06.2014,7,,", "no number or no date"),
        ("A,split,2014-06-09,seven,,", "no number or no date"),
        ("A,split,,7,,", "no ex_date"),
        (",split,2014-06-09,7,,", "no ticker"),
        ("OK,split,2014-06-09,7,,", "repeats"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(BadActionsFile, match=f"line 3 .*{problem}"):
        read_actions_csv(write(tmp_path, "OK,split,2014-06-09,7,,", line))


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadActionsFile, match="lacks the columns ratio"):
        read_actions_csv(write(tmp_path, header=HEADER.replace("ratio,", "")))
    with pytest.raises(BadActionsFile, match="no such file"):
        read_actions_csv(tmp_path / "none.csv")
