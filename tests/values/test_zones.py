"""Time zones of every library, alone, in times of day and in pandas."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
import zoneinfo
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import pytz
from dateutil import relativedelta, tz

from funes import hash_value
from funes.errors import UnhashableArgumentError
from values.comparing import assert_all_differ, assert_all_equal
from values.fresh import assert_same_elsewhere

MAKERS: dict[str, Callable[[], dt.tzinfo | None]] = {
    "zoneinfo Paris": lambda: zoneinfo.ZoneInfo.no_cache("Europe/Paris"),
    "zoneinfo London": lambda: zoneinfo.ZoneInfo.no_cache("Europe/London"),
    "zoneinfo UTC": lambda: zoneinfo.ZoneInfo.no_cache("UTC"),
    "pytz Paris": lambda: pytz.timezone("Europe/Paris"),
    "pytz London": lambda: pytz.timezone("Europe/London"),
    "pytz Paris in summer": lambda: (
        pytz.timezone("Europe/Paris").localize(dt.datetime(2020, 7, 1)).tzinfo
    ),
    "pytz UTC": lambda: pytz.utc,
    "pytz offset": lambda: pytz.FixedOffset(60),
    "pytz offset of two hours": lambda: pytz.FixedOffset(120),
    "dateutil Paris": lambda: tz.gettz.nocache("Europe/Paris"),
    "dateutil London": lambda: tz.gettz.nocache("Europe/London"),
    "dateutil UTC": tz.tzutc,
    "dateutil offset": lambda: tz.tzoffset("a", 3600),
    "dateutil offset of another name": lambda: tz.tzoffset("b", 3600),
    "dateutil text": lambda: tz.tzstr("EST5EDT"),
    "dateutil local": tz.tzlocal,
    "datetime UTC": lambda: dt.timezone.utc,
    "datetime named": lambda: dt.timezone(dt.timedelta(0), "ZULU"),
    "datetime offset": lambda: dt.timezone(dt.timedelta(hours=1)),
}


def moment(zone: dt.tzinfo | None) -> dt.datetime:
    return dt.datetime(2020, 7, 1, tzinfo=zone)


@pytest.mark.parametrize("name", MAKERS)
def test_zone_equals_its_copies(name: str) -> None:
    make = MAKERS[name]
    used = make()
    assert used is not None
    moment(used).utcoffset(), used.tzname(moment(None)), str(used)
    zones = [make(), used, copy.deepcopy(make()), pickle.loads(pickle.dumps(make()))]
    assert_all_equal(zones)
    assert_all_equal(map(moment, zones))


def test_zones_differ() -> None:
    zones = [make() for make in MAKERS.values()]
    assert_all_differ(zones)
    assert_all_differ(map(moment, zones))


#: pandas 2 cannot use the zones of newer releases of dateutil.
LIBRARIES = ("zoneinfo", "pytz", "dateutil")[: 3 if int(pd.__version__.split(".")[0]) > 2 else 2]

IN_PANDAS: dict[str, Callable[[Any], Any]] = {
    "moment": lambda zone: pd.Timestamp("2020-07-01", tz=zone),
    "index": lambda zone: pd.DatetimeIndex(["2020-01-01", "2020-07-01"], tz=zone),
    "series": lambda zone: pd.Series(pd.to_datetime(["2020"]).tz_localize(zone)),
    "data type": lambda zone: pd.DatetimeTZDtype("ns", zone),
}


@pytest.mark.parametrize("kind", IN_PANDAS)
def test_zone_in_pandas_counts_by_type_and_name(kind: str) -> None:
    make = IN_PANDAS[kind]
    names = ["pytz offset", "datetime offset", "dateutil offset"]
    names += [f"{library} {city}" for library in LIBRARIES for city in ("Paris", "London", "UTC")]
    values = [make(MAKERS[name]()) for name in names]
    assert_all_differ(values)
    for name, value in zip(names, values, strict=True):
        assert_all_equal([value, pickle.loads(pickle.dumps(value)), make(MAKERS[name]())])


def test_text_counts_like_the_zone_that_pandas_makes_of_it() -> None:
    for text in ("Europe/Paris", "UTC"):
        moment = pd.Timestamp("2020-07-01", tz=text)
        assert_all_equal([moment, pd.Timestamp("2020-07-01", tz=moment.tz)])


def test_offset_of_a_pytz_zone_does_not_count_in_pandas() -> None:
    zone = pytz.timezone("Europe/Paris")
    summer = zone.localize(dt.datetime(2020, 7, 1)).tzinfo
    assert_all_equal(pd.DatetimeIndex(["2020-07-01"], tz=each) for each in (zone, summer))


def test_zone_with_other_data_than_its_name_is_refused() -> None:
    path = next(
        path
        for folder in (*zoneinfo.TZPATH, *tzdata_folders())
        for path in [Path(folder) / "Asia" / "Tokyo"]
        if path.exists()
    )
    for key in ("Europe/Paris", "Asia/Tokyo", None):
        with path.open("rb") as file:
            zone = zoneinfo.ZoneInfo.from_file(file, key=key)
        for value in (zone, moment(zone), pd.Timestamp("2020", tz=zone)):
            with pytest.raises(UnhashableArgumentError, match="read from a file"):
                hash_value(value)


def tzdata_folders() -> list[str]:
    with suppress(ImportError):
        import tzdata  # type: ignore[import-not-found]

        return [f"{each}/zoneinfo" for each in tzdata.__path__]
    return []


def test_zones_of_pandas_differ() -> None:
    others = [
        "zoneinfo Paris",
        "zoneinfo London",
        "zoneinfo UTC",
        "datetime named",
        "datetime offset",
    ]
    others += ["pytz offset of two hours", "dateutil offset"]
    assert_all_differ(pd.Timestamp("2020", tz=MAKERS[name]()) for name in others)


class Named(dt.tzinfo):
    """A zone with an attribute that libraries use for the name."""

    def __init__(self, key: str, hours: int) -> None:
        self.key = self.zone = key
        self.hours = hours

    def utcoffset(self, _when: Any) -> dt.timedelta:
        return dt.timedelta(hours=self.hours)

    def dst(self, _when: Any) -> None:
        return None

    def tzname(self, _when: Any) -> str:
        return self.key


def test_user_defined_zone_counts_by_content() -> None:
    zones = [Named("UTC", 0), Named("UTC", 1), Named("Europe/Paris", 1)]
    for make in (
        lambda zone: zone,
        moment,
        lambda zone: pd.Timestamp("2020", tz=zone),
        lambda zone: pd.DatetimeTZDtype("ns", zone),
        lambda zone: dt.time(1, tzinfo=zone),
    ):
        assert_all_differ(map(make, [*zones, dt.timezone.utc]))
        assert hash_value(make(zones[0])) == hash_value(make(Named("UTC", 0)))


def test_spans_of_dateutil() -> None:
    makers = [lambda n: relativedelta.relativedelta(months=n), relativedelta.MO]
    for make in makers:
        assert_all_equal([make(1), make(1), pickle.loads(pickle.dumps(make(1)))])
    assert_all_differ(make(n) for make in makers for n in (1, 2))


def test_hashes_are_equal_in_another_process(run_python: Callable[..., str]) -> None:
    assert_same_elsewhere(
        run_python,
        """
import datetime as dt, zoneinfo
import pytz
from dateutil import tz
zones = [zoneinfo.ZoneInfo("Europe/Paris"), pytz.timezone("Europe/Paris"), tz.gettz("Europe/Paris"), tz.tzutc()]
values = [*zones, *(dt.datetime(2020, 7, 1, tzinfo=zone) for zone in zones)]
""",
    )
