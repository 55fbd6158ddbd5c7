"""The weights λ: those written, those in force, and the device's copy to compute with."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

State: TypeAlias = dict[str, Any]
OF = "lambdas"
"""What losses call theirs."""


class LoadedWeightsWarning(UserWarning):
    """A checkpoint's λ are not those of the loss that it was loaded into."""


class Lambdas(nn.Module):
    """λ of every type, kept on the host in float32.

    On the host, so that reading and changing them waits for no device, and so that no cast, no
    empty memory (``to_empty``) and no average over models can change them. They are no buffers for
    the same reason. The state holds per type ``[in force, written]``, by its name: where the same
    was written, a run is resumed and goes on with what was in force; where something else is
    written now, that holds, and a warning says both.

    Args:
        weights: type name → λ as the user wrote it.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        super().__init__()
        self._written = {name: _float32(weight) for name, weight in weights.items()}
        self._now = dict(self._written)
        self._said = False
        self._copy = torch.tensor(list(self._now.values()), dtype=torch.float32)

    def read(self) -> dict[str, float]:
        """Return type name → λ in force."""
        return dict(self._now)

    def set(self, weights: Mapping[str, float]) -> None:
        """Put some λ into force, in place: what was compiled or captured sees them."""
        for place, name in enumerate(self._now):
            if name in weights:
                self._now[name] = _float32(weights[name])
                self._copy[place].fill_(self._now[name])

    def on(self, device: torch.device, names: Sequence[str]) -> Tensor:
        """Return the λ of some types, in their order, ``(types,)`` float32, on a device."""
        if self._copy.device != device:  # FSDP moves parameters and buffers alone
            self._copy = self._made(device)
        places = list(self._now)
        if list(names) == places:
            return self._copy
        return torch.stack([self._copy[places.index(name)] for name in names])

    def silent(self) -> frozenset[str] | None:
        """Return the types whose λ is 0; ``None`` while compiling, lest they be constants."""
        if torch.compiler.is_compiling():
            return None
        return frozenset(name for name, weight in self._now.items() if weight == 0)

    def reset_parameters(self) -> None:
        """Put the written λ into force again."""
        self.set(self._written)

    def __getattr__(self, name: str) -> Any:
        """Find a type's entry of the state as the state's readers do: as an attribute."""
        if name in self.__dict__.get("_now", ()):
            return torch.tensor(
                [self._now[name], self._written[name]], dtype=torch.float32, device="cpu"
            )
        return super().__getattr__(name)

    def _made(self, device: torch.device) -> Tensor:
        with torch.inference_mode(False):  # it is to serve training too
            return torch.tensor(list(self._now.values()), dtype=torch.float32, device=device)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Lambdas:  # noqa: ARG002
        """Follow the module to another device, and to no other dtype."""
        device = fn(self._copy).device
        if device != self._copy.device:
            self._copy = self._made(device)
        return self

    def _save_to_state_dict(self, destination: State, prefix: str, keep_vars: bool) -> None:  # noqa: ARG002
        destination.update({prefix + name: getattr(self, name) for name in self._now})

    def _load_from_state_dict(
        self,
        state_dict: State,
        prefix: str,
        local_metadata: State,  # noqa: ARG002
        strict: bool,
        missing_keys: list[str],  # noqa: ARG002
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        mine = {key.removeprefix(prefix): v for key, v in state_dict.items() if _under(key, prefix)}
        if strict:
            unexpected_keys += [prefix + name for name in mine if name not in self._now]
        found = {name: mine[name] for name in self._now if name in mine}
        for name, value in found.items():
            if not _is_state(value):
                error_msgs.append(
                    f"The checkpoint's λ of '{name}' expected finite numbers [current, initial] "
                    f">= 0, found {value!r}."
                )
        if not error_msgs:
            there = {name: value for name, value in found.items() if not value.is_meta}
            self._take(there, prefix.removesuffix(f"{OF}.").removesuffix("."))

    def _take(self, found: Mapping[str, Tensor], loss: str) -> None:
        """Put a checkpoint's λ into force where the same was written, and say where they differ."""
        loaded: dict[str, float] = {}
        before, known = self.read(), True
        for name, value in found.items():
            now, *written = map(_float32, value.flatten().tolist())
            # Compared as the file may have rounded them.
            like = torch.tensor(self._written[name], dtype=value.dtype, device="cpu")
            ours = _float32(like.item())
            known = known and bool(written)
            if not written or written[0] == ours:
                self.set({name: now})
            if (not written and now != before[name]) or (written and written[0] != ours):
                loaded[name] = now
        differing = {name: now for name, now in loaded.items() if now != before[name]}
        if differing and not self._said:
            self._said = True
            ours_too = {name: before[name] for name in differing}
            warnings.warn(_difference(differing, ours_too, known, loss), LoadedWeightsWarning, 2)


def rename_old(state_dict: State, prefix: str, types: Sequence[str]) -> None:
    """Name the weights of an older checkpoint, which were one tensor in the types' order."""
    old = state_dict.get(f"{prefix}weight")
    if isinstance(old, Tensor) and old.shape == (len(types),):
        del state_dict[f"{prefix}weight"]
        named = zip(types, old.unbind(), strict=True)
        state_dict.update({f"{prefix}lambdas.{name}": value for name, value in named})


def _difference(loaded: dict[str, float], written: dict[str, float], known: bool, loss: str) -> str:
    if known:
        holds, other = "The loss keeps its own; to use the checkpoint's,", loaded
    else:
        holds, other = (
            "The checkpoint is of an older version, so its λ are used; to use the loss's own,",
            written,
        )
    return (
        f"The checkpoint was trained with λ {loaded}, this loss was built with {written}. {holds} "
        f"call {_called(loss)}.set_weights({other})."
    )


def _called(loss: str) -> str:
    """Write how code finds a loss in the module whose state was loaded, by its dotted name."""
    if not loss:
        return "augself"
    plain = all(part.isidentifier() for part in loss.split("."))
    return loss if plain else f"get_submodule({loss!r})"


def _float32(weight: float) -> float:
    """Round to what the device computes with, in as few digits as name it: 0.4 stays 0.4."""
    packed = struct.pack("f", float(weight))
    (rounded,) = struct.unpack("f", packed)
    written = (float(f"{rounded:.{digits}g}") for digits in range(6, 9))
    most = torch.finfo(torch.float32).max  # what lies above it PyTorch would not take
    fits = (short for short in written if short <= most and struct.pack("f", short) == packed)
    return next(fits, rounded)


def _under(key: str, prefix: str) -> bool:
    return key.startswith(prefix) and key != prefix + "_extra_state"


def _is_state(value: object) -> bool:
    if not isinstance(value, Tensor) or value.numel() not in (1, 2):
        return False
    return value.is_meta or bool((torch.isfinite(value) & (value >= 0)).all())
