"""Sets λ during training, so that a term's gradient keeps a share of the base loss's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributed import all_reduce, is_available, is_initialized

from augself_loss.arguments import check_types, check_whole
from augself_loss.balance import described, gradient_norms
from augself_loss.errors import FeatureError, LossError
from augself_loss.loss import AugSelfLoss
from augself_loss.output import Output
from augself_loss.views import as_views, tensors_in

CHOICES = ("pairs", "types")
"""What the loss takes beside views."""


class Seen(NamedTuple):
    """One step of the loss, with its graph."""

    features: list[Tensor]
    out: Output


class RatioMeter:
    """Measures, every so many steps, how much each term weighs beside the base loss.

    It captures features and terms from the loss itself while a step runs, whoever calls it: your
    loop, :class:`~augself_loss.hosting.plain.AugSelf` or an adapter. A measurement costs a backward
    pass from the losses to the features, not through the backbone, and a wait for the device. Other
    steps cost nothing. It draws no random number and leaves no gradient.

    Args:
        augself: the loss; not compiled.
        every: steps between two measurements; the first is the next step.

    Raises:
        LossError: no AugSelfLoss, or ``every`` is not an integer >= 1.

    Example:
        >>> from augself_loss import AugSelfLoss
        >>> augself = AugSelfLoss(feature_dim=8, weights={"flip": 1.0}, hidden_dim=16)
        >>> meter = RatioMeter(augself, every=50)
        >>> f1, f2 = (torch.randn(4, 8, requires_grad=True) for _ in range(2))
        >>> record = {"flip": torch.zeros(4, 1)}
        >>> out = augself(f1, f2, record, record)
        >>> ratios = meter.measure(-torch.cosine_similarity(f1, f2).mean())
        >>> list(ratios)
        ['flip', 'total']
    """

    def __init__(self, augself: AugSelfLoss, every: int = 50) -> None:
        if not isinstance(augself, AugSelfLoss):
            raise LossError(
                f"{type(self).__name__} expected an AugSelfLoss, found {type(augself).__name__}. "
                "Pass the loss itself, not a compiled or wrapped one; of several objectives, "
                "objectives['augself']. It cannot weigh another objective's terms."
            )
        self.augself, self.every = augself, check_whole("every", every)
        self.steps = 0
        self._seen: Seen | None = None
        self._asked, self._copied = True, False
        self._hooks = [augself.register_forward_hook(self._see, with_kwargs=True)]

    def measure(self, base: Tensor) -> dict[str, float] | None:
        """Compare gradients if it is this step's turn. Call it in every step, before backward.

        With several processes, call it on each: the comparison then covers all their batches.

        Args:
            base: your own loss, a scalar with its graph.

        Returns:
            Type name → ‖∂L_a/∂f‖ / ‖∂L_base/∂f‖, with L_a unweighted, and ``total`` for the whole
            weighted term; ``None`` in other steps.

        Raises:
            LossError: the loss was not computed first, or ``base`` is no scalar with a graph.
            FeatureError: no feature has a gradient.
        """
        return self._measure(base, within=False)

    def measure_within(self, loss: Tensor) -> dict[str, float] | None:
        """Do the same if only the sum is at hand: ``loss`` is the base loss + the term."""
        return self._measure(loss, within=True)

    def close(self) -> None:
        """Stop watching the loss."""
        for hook in self._hooks:
            hook.remove()
        self._seen = None

    def _measure(self, loss: Tensor, *, within: bool) -> dict[str, float] | None:
        self._asked, self._copied = True, False
        if self.steps == 0:
            raise LossError(
                f"{type(self).__name__} expected a training step of its AugSelfLoss before "
                "measure, found none. Call augself(...) first, on a loss that is not compiled."
            )
        seen, self._seen = self._seen, None
        if seen is None:
            return None
        if not isinstance(loss, Tensor) or loss.numel() != 1 or not loss.requires_grad:
            raise LossError(
                f"{type(self).__name__} expected the loss as a scalar tensor with a gradient, "
                f"found {described(loss)}. Call measure before backward(), on a loss that is not "
                "detached."
            )
        base = loss - seen.out.total if within else loss
        return _ratios(base, seen)

    def _see(self, module: nn.Module, given: Any, named: Any, out: Output) -> None:
        """Keep a step that is to be measured, as the loss's forward hook."""
        if torch.compiler.is_compiling() or not (module.training and torch.is_grad_enabled()):
            return
        self._seen = None
        if self.steps % self.every == 0:
            if not (self._asked or self._copied):
                raise LossError(
                    f"{type(self).__name__} expected measure(base) in every step, found no call "
                    f"in {self.every} steps. Call it before backward(), or call close()."
                )
            own = {name: value for name, value in named.items() if name not in CHOICES}
            features = tensors_in(as_views(given, own)[0])
            trained = [one for one in features if one.requires_grad]
            self._seen, self._asked = Seen(trained, out), False
        self.steps += 1

    def __getstate__(self) -> dict[str, Any]:
        # A copy, or a file, of the loss holds its hooks. A step's graph cannot go with them, and
        # nobody may ever ask them to measure.
        return {**self.__dict__, "_seen": None, "_copied": True}


class GradientShare(RatioMeter):
    """Sets every type's λ to keep its gradient at the features at a share of the base loss's.

    The same λ weighs differently with each method, and at each stage of training. This sets
    λ_a = share · ‖∂L_base/∂f‖ / ‖∂L_a/∂f‖ from the next step on, using a moving (geometric) average
    of what it measures. In distributed training, λ is the same on every process. λ is part of the
    loss's state; the average is this object's, see :meth:`state_dict`. In Lightning, use
    :class:`~augself_loss.adapters.lightning.KeepGradientShare`.

    Args:
        augself: the loss whose λ it sets. A type with λ = 0 stays silent.
        share: one for all types, or by type; types left out keep their λ. Start at 0.5; λ = 1 came
            to 0.9 for colour with SimSiam's loss and to 0.1 with SimCLR's.
        every: steps between two measurements.
        smoothing: weight of the old average at each measurement, from 0 to below 1.
        limits: smallest and largest λ: a memorised term has hardly any gradient.

    Attributes:
        skipped: measurements that changed nothing: not finite, or without anything to compare.

    Raises:
        LossError: an unknown type, or a number out of range.

    Example:
        >>> augself = AugSelfLoss(feature_dim=8, weights={"flip": 1.0}, hidden_dim=16)
        >>> share = GradientShare(augself, 0.5, every=1)
        >>> record = {"flip": torch.tensor([[0.0], [1.0], [1.0], [0.0]])}
        >>> for _ in range(2):
        ...     f1, f2 = (torch.randn(4, 8, requires_grad=True) for _ in range(2))
        ...     out = augself(f1, f2, record, record)
        ...     base = -torch.cosine_similarity(f1, f2).mean()
        ...     ratios = share.measure(base)  # λ change with the next step
        ...     (base + out.total).backward()
        >>> augself.weights["flip"] != 1.0
        True
    """

    def __init__(
        self,
        augself: AugSelfLoss,
        share: float | Mapping[str, float] = 0.5,
        *,
        every: int = 50,
        smoothing: float = 0.8,
        limits: tuple[float, float] = (1e-2, 1e2),
    ) -> None:
        super().__init__(augself, every)
        try:
            self.shares = _shares(share, augself.types)
            _check_range("smoothing", smoothing, 0 <= smoothing < 1, "0 to below 1")
            rising = 0 < limits[0] <= limits[1] < math.inf
            _check_range("limits", limits, rising, "0 < smallest λ <= largest λ")
        except LossError:
            self.close()  # what is refused must not go on watching the loss
            raise
        self.smoothing, self.limits = smoothing, limits
        self.skipped = 0
        self._logs: dict[str, float] = {}
        self._pending = False
        self._hooks.append(augself.register_forward_pre_hook(self._apply))

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: the average and the number of steps."""
        return {"logs": dict(self._logs), "steps": self.steps, "skipped": self.skipped}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state: the next step has the λ that it would have had."""
        self._logs = {n: float(v) for n, v in state["logs"].items() if n in self.shares}
        self.steps, self.skipped = int(state["steps"]), int(state["skipped"])
        self._pending = bool(self._logs)

    def _measure(self, loss: Tensor, *, within: bool) -> dict[str, float] | None:
        ratios = super()._measure(loss, within=within)
        if ratios is not None:
            fit = {n: r for n, r in ratios.items() if n in self.shares and 0 < r < math.inf}
            self.skipped += any(not math.isfinite(r) for r in ratios.values()) or not fit
            for name, ratio in fit.items():
                new = math.log(ratio)
                kept = self._logs.get(name, new)
                self._logs[name] = self.smoothing * kept + (1 - self.smoothing) * new
            self._pending = bool(fit)
        return ratios

    def _apply(self, module: nn.Module, given: Any) -> None:  # noqa: ARG002
        """Set λ before a step is computed: what was computed before still has to go backward."""
        if self._pending and self.augself.training:
            now = self.augself.weights
            least, most = self.limits
            wanted = {n: self.shares[n] / math.exp(log) for n, log in self._logs.items()}
            self.augself.set_weights(
                {n: min(most, max(least, value)) for n, value in wanted.items() if now[n] > 0}
            )
            self._pending = False


def _ratios(base: Tensor, seen: Seen) -> dict[str, float]:
    """Compare the gradients of all terms with the base loss's, over all processes."""
    if not seen.features:
        raise FeatureError(
            "RatioMeter expected features with a gradient, found none. Call augself(...) on the "
            "backbone's own output, outside of torch.no_grad()."
        )
    losses = {n: term for n, term in seen.out.terms.items() if term.requires_grad}
    if losses:
        losses["total"] = seen.out.total
    own, *others = gradient_norms([base, *losses.values()], seen.features, _over_processes)
    return {n: o / own if own > 0 else math.nan for n, o in zip(losses, others, strict=True)}


def _over_processes(norms: Tensor) -> Tensor:
    squares = norms.square()
    if is_available() and is_initialized():
        all_reduce(squares)
    return squares.sqrt()


def _shares(share: float | Mapping[str, float], types: Sequence[str]) -> dict[str, float]:
    shares = dict(share) if isinstance(share, Mapping) else dict.fromkeys(types, share)
    check_types(list(shares), tuple(types))
    for name, value in shares.items():
        fits = isinstance(value, (int, float)) and 0 < value < math.inf
        _check_range(f"share of '{name}'", value, fits, "a number above 0")
    return {name: float(value) for name, value in shares.items()}


def _check_range(name: str, value: object, fits: bool, expected: str) -> None:
    if not fits:
        raise LossError(f"GradientShare expected {name} as {expected}, found {value!r}.")
