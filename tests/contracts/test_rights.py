"""A model is trained on nothing whose rights forbid it."""

from __future__ import annotations

from typing import get_args

import pytest

from data_contracts.family import Rights
from data_contracts.rights import TRAINABLE, TrainingForbidden, require_trainable

PRICE, DRIVER = "EIA.RWTC", "FRED.DTWEXBGS"


@pytest.mark.parametrize("label", ["public-domain", "attribution", "no-redistribution"])
def test_a_label_that_does_not_speak_of_training_allows_it(label: str) -> None:
    require_trainable([PRICE, DRIVER], {PRICE: label, DRIVER: label})


@pytest.mark.parametrize("name", [PRICE, DRIVER])
def test_a_price_or_driver_that_forbids_training_is_named_with_its_label(name: str) -> None:
    rights = {PRICE: "public-domain", DRIVER: "public-domain"} | {name: "no-training"}
    with pytest.raises(TrainingForbidden, match=rf"{name} \(no-training\)") as caught:
        require_trainable([PRICE, DRIVER], rights)
    assert ({PRICE, DRIVER} - {name}).pop() not in str(caught.value)


def test_every_such_series_is_named() -> None:
    with pytest.raises(TrainingForbidden, match=rf"{PRICE} .*{DRIVER} "):
        require_trainable([DRIVER, PRICE], dict.fromkeys([PRICE, DRIVER], "no-training"))


def test_a_series_that_nothing_follows_forbids_nothing() -> None:
    require_trainable([PRICE], {PRICE: "public-domain", DRIVER: "no-training"})


def test_a_followed_series_that_never_came_forbids_nothing() -> None:
    require_trainable([PRICE, DRIVER], {PRICE: "public-domain"})


def test_a_label_nobody_knows_forbids_training() -> None:
    with pytest.raises(TrainingForbidden, match="ask-first"):
        require_trainable([PRICE], {PRICE: "ask-first"})


def test_no_training_is_the_one_label_that_forbids_it() -> None:
    assert set(get_args(Rights)) - TRAINABLE == {"no-training"}
