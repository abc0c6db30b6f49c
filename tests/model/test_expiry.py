# SPDX-License-Identifier: BSD-3-Clause
"""Lifetimes: what a caller gives, as the milliseconds that a server takes."""

from __future__ import annotations

import datetime
import math

import hypothesis
import pytest
from hypothesis import strategies

import sake.redis
from sake.redis._model import expiry as _expiry

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
YEARS = 10 * 365 * 86_400

SECONDS = strategies.integers(1, YEARS) | strategies.floats(0.001, YEARS)
NEVER = (None, math.inf, math.nan)
NOT_POSITIVE = (0, -1, 0.0, -0.5, -math.inf, datetime.timedelta(0), datetime.timedelta(seconds=-1))
NOT_A_TIME = (True, False, "60", b"60", [60], object())


@hypothesis.given(SECONDS)
def test_seconds_become_milliseconds(seconds: float) -> None:
    assert _expiry.to_milliseconds(seconds, "expire") == pytest.approx(seconds * 1_000, abs=0.51)


@hypothesis.given(strategies.integers(1, YEARS * 1_000))
def test_whole_milliseconds_are_kept_to_the_millisecond(milliseconds: int) -> None:
    assert _expiry.to_milliseconds(datetime.timedelta(milliseconds=milliseconds), "expire") == milliseconds
    assert _expiry.to_milliseconds(milliseconds / 1_000, "expire") == milliseconds


@hypothesis.given(strategies.floats(0, 0.001, exclude_min=True) | strategies.just(5e-324))
def test_the_shortest_time_is_a_millisecond_and_not_for_ever(seconds: float) -> None:
    assert _expiry.to_milliseconds(seconds, "expire") == 1


@hypothesis.given(SECONDS)
def test_the_result_is_what_a_server_takes(seconds: float) -> None:
    result = _expiry.to_milliseconds(seconds, "expire")
    assert isinstance(result, int)
    assert result >= 1


@pytest.mark.parametrize("expire", NEVER)
def test_none_infinity_and_nan_mean_no_expiry(expire: float | None) -> None:
    assert _expiry.to_milliseconds(expire, "expire") is None


@pytest.mark.parametrize("expire", NOT_POSITIVE)
@pytest.mark.parametrize("convert", [_expiry.to_milliseconds, _expiry.to_lifetime])
def test_what_is_not_positive_is_refused_by_name(convert, expire) -> None:
    with pytest.raises(ValueError, match="the_argument"):
        convert(expire, "the_argument")


@pytest.mark.parametrize("expire", NOT_A_TIME)
@pytest.mark.parametrize("convert", [_expiry.to_milliseconds, _expiry.to_lifetime])
def test_what_is_no_time_is_refused_by_name(convert, expire) -> None:
    with pytest.raises(TypeError, match="the_argument"):
        convert(expire, "the_argument")


def test_a_lifetime_left_out_is_not_the_same_as_one_without_end() -> None:
    assert _expiry.to_lifetime(None, "expire") is None
    assert _expiry.to_lifetime(math.inf, "expire") == 0
    assert _expiry.to_lifetime(math.nan, "expire") == 0
    assert _expiry.to_lifetime(1.5, "expire") == 1_500


@pytest.mark.parametrize("max_age", [0, None])
def test_an_invite_with_no_age_never_expires(max_age: int | None) -> None:
    invite = {"max_age": max_age, "created_at": NOW.isoformat()}
    assert _expiry.invite_lifetime(invite, NOW) is None
    assert _expiry.invite_lifetime({}, NOW) is None


@hypothesis.given(strategies.integers(1, 604_800), strategies.integers(0, 1_000_000_000))
def test_an_invite_lives_from_its_creation_on(max_age: int, elapsed: int) -> None:
    created_at = NOW - datetime.timedelta(milliseconds=elapsed)
    left = _expiry.invite_lifetime({"max_age": max_age, "created_at": created_at.isoformat()}, NOW)
    assert left == max_age * 1_000 - elapsed


@hypothesis.given(strategies.integers(-14 * 60, 14 * 60))
def test_the_time_zone_of_a_creation_counts(minutes: int) -> None:
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    invite = {"max_age": 60, "created_at": NOW.astimezone(zone).isoformat()}
    assert _expiry.invite_lifetime(invite, NOW) == 60_000


def test_a_creation_written_with_a_z_is_understood() -> None:
    assert _expiry.invite_lifetime({"max_age": 60, "created_at": "2026-01-01T00:00:00Z"}, NOW) == 60_000


def test_the_defaults_are_milliseconds() -> None:
    minute = 60_000
    assert 5 * minute == sake.redis.DEFAULT_FAST_EXPIRE
    assert 60 * minute == sake.redis.DEFAULT_EXPIRE
    assert 7 * 24 * 60 * minute == sake.redis.DEFAULT_SLOW_EXPIRE
    assert 30 * 24 * 60 * minute == sake.redis.DEFAULT_INVITE_EXPIRE
