"""The heads φ_a of several augmentation types, evaluated side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.arguments import unfit_names
from augself_loss.draws import undisturbed
from augself_loss.eager import eager
from augself_loss.errors import LossError
from augself_loss.first_layer import Columns, FirstLayer, FirstLayers, fitted
from augself_loss.grouped import alike, grouped
from augself_loss.head import call, check_gathered, linear, mlp, out_of_place, shape
from augself_loss.silence import cut
from augself_loss.untouched import (
    all_as_built,
    dtype_of,
    first_as_built,
    tensors,
    watched,
)

RELEASED_NAMES = {"rot": "rotation", "sol": "solarize"}
"""Names of the released code's heads that differ from ours."""


def launches_cost(features: Tensor) -> bool:
    """Whether grouped heads are faster: not on a CPU, where each head alone fits its cache."""
    return features.device.type != "cpu"


class Heads(nn.ModuleDict):
    """The heads of several types, by name.

    Making them leaves the host's random state as it was, so that adding AugSelf changes neither
    the initialization nor the data order of the run it is added to.

    Args:
        feature_dim: width D of one view's features; ``None``: see :meth:`learn`. Where the types
            read different columns of them, type name → the width of its own.
        widths: type name → number of outputs.
        hidden_dim: width of the hidden layers.

    Raises:
        LossError: a type's name cannot name a module.
    """

    def __init__(
        self,
        feature_dim: int | Mapping[str, int | None] | None,
        widths: Mapping[str, int],
        hidden_dim: int,
    ) -> None:
        taken = unfit_names(widths, Heads)
        if taken:
            raise LossError(
                "A type's name also names its head: it expected no dot and no name that "
                f"torch.nn.ModuleDict uses itself, found '{taken[0]}'. Rename the encoder."
            )
        own = (
            feature_dim if isinstance(feature_dim, Mapping) else dict.fromkeys(widths, feature_dim)
        )
        with undisturbed():
            super().__init__(
                {name: mlp(own[name], hidden_dim, width) for name, width in widths.items()}
            )
            self._seed = int(torch.randint(2**62, (), device="cpu"))
        self._widths = dict(widths)
        self._columns: dict[str, Columns] = {}

    def read_columns(self, columns: Mapping[str, Columns]) -> None:
        """Say which columns of the features every type reads; types left out read all."""
        self._columns = dict(columns)

    @eager
    def learn(self, feature_dims: Mapping[str, int]) -> None:
        """Give first layers their shape, and weights that depend on no later random draw.

        Args:
            feature_dims: type name → width D of one view's features, as its head is given them;
                types whose heads have a shape keep it.
        """
        generator = torch.Generator("cpu").manual_seed(self._seed)
        with torch.inference_mode(False), torch.no_grad():  # they train, whoever asks first
            for name, feature_dim in feature_dims.items():
                lazy = [m for m in self[name].modules() if isinstance(m, nn.LazyLinear)]
                for first in lazy:
                    shape(first, 2 * feature_dim, generator)

    def forward(
        self,
        features: Sequence[Tensor],
        pairs: Sequence[tuple[int, int]],
        types: Sequence[str] | None = None,
        silent: Collection[str] = (),
    ) -> dict[str, Tensor]:
        """Predict every type's difference i→j, for all ordered pairs of views at once.

        A head that something was done to (hooks, other layers, a wrapper) is called; the others
        are computed from their weights, which is faster and gives the same.

        Args:
            features: per view, ``(B, D)``.
            pairs: ordered pairs (i, j) of views, stacked along the batch.
            types: the types to predict; default all.
            silent: types that pass back a gradient of exactly 0, whatever their numbers are.

        Returns:
            Type name → raw output ``(pairs · B, width)``.

        Raises:
            LossError: FSDP holds the heads in shards, and does not gather them for this call; or
                a head of the user's own gives another shape.
        """
        names = tuple(self if types is None else types)
        dtype = dtype_of(self[names[0]])
        features = [view if dtype is None else fitted(view, dtype) for view in features]
        heard = [name for name in names if name not in silent]
        outputs = self._evaluated(heard, features, pairs) if heard else {}
        if len(heard) < len(names):
            unheard = [name for name in names if name in silent]
            outputs.update(self._silenced(unheard, features, pairs))
        return {name: outputs[name] for name in names}

    def _evaluated(
        self, names: Sequence[str], features: Sequence[Tensor], pairs: Sequence[tuple[int, int]]
    ) -> dict[str, Tensor]:
        firsts = FirstLayers(features, pairs, self._columns)
        outputs: dict[str, Tensor] = {}
        if launches_cost(features[0]):
            together = firsts.in_order(self._together(names))
            heads: list[Any] = [self[name] for name in together]
            for head in heads:
                check_gathered(head[0].weight, features[0])
            first = partial(firsts.side_by_side, together)
            outputs = dict(zip(together, grouped(heads, first) if heads else (), strict=True))
        called = watched()
        for name in names:
            if name not in outputs:
                outputs[name] = self._one(name, firsts.of(name), called)
        return outputs

    def _together(self, names: Sequence[str]) -> Sequence[str]:
        """Choose the heads that are evaluated as one."""
        if alike([self[name] for name in names]):
            return names
        built = [name for name in names if all_as_built(self[name])]
        return built if len(built) < len(names) and alike([self[n] for n in built]) else ()

    def _one(self, name: str, first: FirstLayer, called: bool) -> Tensor:
        head: Any = self[name]
        built = not called and all_as_built(head)
        if not built:
            out_of_place(head)
        if built or (not called and first_as_built(head)):
            check_gathered(head[0].weight, first.left)
            x = first(head[0].weight)
            for layer in islice(head, 1, None):
                bare = built and isinstance(layer, nn.Linear)
                x = linear(layer, x) if bare else layer(x)
        else:
            x = call(head, first.concatenated())
        expected = (len(first.lefts) * len(first.left) // len(first.place_left), self._widths[name])
        if not built and (not isinstance(x, Tensor) or x.shape != expected):
            found = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise LossError(
                f"Expected AugSelf's head of '{name}' to return {expected}, found {found}. Your "
                f"own head must map (rows, 2 · feature_dim) to (rows, {expected[1]})."
            )
        return x

    def _silenced(
        self, names: Sequence[str], features: Sequence[Tensor], pairs: Sequence[tuple[int, int]]
    ) -> dict[str, Tensor]:
        """Predict without a graph, but keep features and heads in it: DDP waits for all of them."""
        built = [name for name in names if all_as_built(self[name])]
        called = [name for name in names if name not in built]
        with torch.no_grad():
            outputs = self._evaluated(built, features, pairs) if built else {}
        for name, output in outputs.items():
            own = [t for layer in self[name].children() for t in tensors(layer)]
            outputs[name] = cut(output, *features, *own)
        for name, output in (self._evaluated(called, features, pairs) if called else {}).items():
            outputs[name] = cut(output.detach(), output)
        return outputs

    def load_released(self, state_dicts: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Load heads that the released AugSelf code saved.

        Args:
            state_dicts: the released code's type name or ours → state dict of that MLP.

        Raises:
            LossError: a type that has no head here, or weights of other shapes.
        """
        if not isinstance(state_dicts, Mapping):
            raise LossError(
                "load_released_heads expected a dict from type name to state dict, found "
                f"{type(state_dicts).__name__}."
            )
        for released, state in state_dicts.items():
            name = RELEASED_NAMES.get(released, released)
            if name not in self:
                raise LossError(
                    f"load_released_heads expected types from {tuple(self)}, found the released "
                    f"head '{released}'. Build the loss with a weight for '{name}'."
                )
            try:
                self[name].load_state_dict(dict(state))
            except (RuntimeError, TypeError, ValueError) as error:
                raise LossError(
                    f"The released head '{released}' expected the state dict of an MLP (keys "
                    "0.weight … 6.bias) with this loss's feature_dim and hidden_dim, found: "
                    f"{error}"
                ) from error
