"""Settings are read back from what was written beside a run."""

from __future__ import annotations

import json

import pytest
from transfer import recipes
from transfer.augmentations import Augmentation
from transfer.config import ARMS, METHODS, Config, SettingsError


@pytest.mark.parametrize("variant", ["", *recipes.VARIANTS])
@pytest.mark.parametrize("data", ["offline", "stl10"])
def test_settings_are_read_back(data: str, variant: str) -> None:
    for method in METHODS:
        config = recipes.configure(data, method, 3, augself=True, variant=variant)
        written = json.loads(json.dumps(config.as_dict()))
        assert Config.from_dict(written) == config
        assert Config.from_dict({**written, "apply": "fused"}).apply == "fused"


@pytest.mark.parametrize("arm", ARMS)
def test_settings_of_every_arm_are_read_back(arm: str) -> None:
    objective, augself = ARMS[arm]
    config = recipes.configure("offline", "moco", 3, augself=augself, objective=objective)
    assert Config.from_dict(json.loads(json.dumps(config.as_dict()))) == config
    assert config.name == ("moco-s3" if arm == "plain" else f"moco-{arm}-s3")


def test_settings_of_another_version_are_refused() -> None:
    written = Config("offline", "simclr", 0, augmentation=Augmentation(blur=0.5)).as_dict()
    with pytest.raises(SettingsError, match=r"of this version, found crops, shade"):
        Config.from_dict({**written, "shade": 1, "crops": 2})


def test_what_is_no_run_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"found no data, method, seed, augmentation\."):
        Config.from_dict({})
