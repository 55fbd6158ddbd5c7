"""Extending an object in place: its class stays, layers stack, copies and pickles are extended."""

from __future__ import annotations

import abc
import copy
import pickle
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import nn

from augself_loss.hosting.extend import extend


class Host(nn.Module):
    """Some framework's module."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def loss(self) -> int:
        return 1

    @property
    def groups(self) -> list[str]:
        return ["own"]


def doubled(host: Any) -> Mapping[str, Any]:
    return {"loss": lambda self: 2 * host.loss(self)}


def more(host: Any) -> Mapping[str, Any]:
    return {
        "loss": lambda self: host.loss(self) + 1,
        "groups": property(lambda self: [*host.groups.fget(self), "heads"]),
    }


def extended() -> Any:
    host = Host()
    extend(host, doubled)
    extend(host, more)
    return host


def test_layers_lie_one_over_another() -> None:
    host = extended()
    assert host.loss() == 3
    assert host.groups == ["own", "heads"]


def test_the_class_and_other_objects_stay_as_they_were() -> None:
    before = dict(vars(Host))
    assert type(extended()) is type(extended())
    assert Host().loss() == 1
    assert dict(vars(Host)) == before


def test_it_bears_its_classes_name() -> None:
    cls = type(extended())
    assert (cls.__name__, cls.__qualname__, cls.__module__) == ("Host", "Host", __name__)
    assert cls.__doc__ == Host.__doc__
    assert issubclass(cls, Host)


def test_a_pickle_names_the_hosts_class_and_the_layers() -> None:
    host = extended()
    for twin in (pickle.loads(pickle.dumps(host)), copy.deepcopy(host)):
        assert type(twin) is type(host)
        assert twin.loss() == 3
        assert torch.equal(twin.inner.weight, host.inner.weight)
        assert twin.inner.weight is not host.inner.weight


REGISTRY: dict[str, type[Any]] = {}


class Registered(Host):
    """Registers its subclasses, by a key that they must give."""

    def __init_subclass__(cls, key: str, **options: Any) -> None:
        super().__init_subclass__(**options)
        REGISTRY[key] = cls


class ByKey(Registered, key="by key"):
    pass


class Abstract(abc.ABC, ByKey, key="abstract"):
    def __init_subclass__(cls) -> None:
        REGISTRY[cls.__name__] = cls


@pytest.mark.parametrize("kind", [Registered, ByKey, Abstract])
def test_a_registry_of_subclasses_stays_as_it_was(kind: Any) -> None:
    before, host = dict(REGISTRY), kind()
    hook = kind.__init_subclass__
    extend(host, doubled)
    extend(host, more)
    assert (host.loss(), isinstance(host, kind), REGISTRY) == (3, True, before)
    assert kind.__init_subclass__ == hook
    assert pickle.loads(pickle.dumps(host)).loss() == 3

    class Another(Abstract): ...

    assert REGISTRY.pop("Another") is Another


def test_what_lies_over_it_stays_when_one_more_layer_comes() -> None:
    """As FSDP does, which makes a subclass of the class that it finds."""
    host = Host()
    extend(host, doubled)
    host.__class__ = type("Sharded", (type(host),), {"sharded": True})
    extend(host, more)
    assert host.sharded  # type: ignore[attr-defined]
    assert host.loss() == 3
    assert type(host).__name__ == "Sharded"
