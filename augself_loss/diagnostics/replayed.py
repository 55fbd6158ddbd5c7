"""Makes views that differ in one type of augmentation, by replaying a record with one part new."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from augself_loss.diagnostics.equivariance import Predictor, Transformed, equivariance
from augself_loss.diagnostics.ranking import Retrieval
from augself_loss.encoders import Encoder
from augself_loss.errors import FeatureError
from augself_loss.parameters import Record
from augself_loss.records import difference, exchanged, of_types

Embed = Callable[[Tensor], Tensor]
"""Maps views ``(B, C, h, w)`` to features ``(B, D)``."""


class Replays(Protocol):
    """A recorder of whole batches that can replay records, such as ``KorniaRecorder``.

    Attributes:
        encoders: encoders of the recorded types.
    """

    encoders: tuple[Encoder, ...]

    def __call__(self, images: Tensor, /) -> tuple[Tensor, Record]:
        """Make views of a batch and their record."""

    def replay(self, images: Tensor, record: Record) -> Tensor:
        """Make the views that a record describes."""


def equivariance_by_replay(
    embed: Embed,
    recorder: Replays,
    fit: Iterable[Tensor],
    test: Iterable[Tensor],
    *,
    types: Sequence[str] | None = None,
    candidates: int = 50,
    predictor: Predictor = "bilinear",
    seed: int = 0,
) -> dict[str, Retrieval]:
    """Measure, type by type, how equivariant a network's features are; see :func:`equivariance`.

    Args:
        embed: maps views ``(B, C, h, w)`` to frozen features ``(B, D)``; a network in evaluation
            mode.
        recorder: draws the augmentations and replays them: a ``KorniaRecorder``.
        fit: batches of images ``(B, C, H, W)`` to fit the predictors on, as the recorder takes
            them: ``images.split(256)``. Each image gets one other view.
        test: batches of other images.
        types: names of the types; default: all that the recorder records.
        candidates: views per test image that differ in the type alone; 50 in the papers.
        predictor: ``bilinear`` or ``mlp``.
        seed: determines, with the batches, every draw.

    Returns:
        Type name → mean reciprocal rank, Hit@1, Hit@5, and the same by chance.

    Raises:
        FeatureError: a network in training mode, images or features of another shape, too few
            images, or a type that never varies in what was drawn.
        EncoderError: a type that the recorder does not record.
        PipelineError: a type whose record is incomplete (affine, perspective).

    Example:
        >>> import kornia.augmentation as K
        >>> from augself_loss.recording.kornia import KorniaRecorder
        >>> recorder = KorniaRecorder(K.RandomHorizontalFlip())
        >>> images = torch.rand(120, 3, 8, 8)
        >>> left_and_right = lambda views: views.mean(1).flatten(1)
        >>> blind = lambda views: views.mean((2, 3))
        >>> for embed in (left_and_right, blind):
        ...     by_type = equivariance_by_replay(
        ...         embed, recorder, images[:100].split(50), images[100:].split(50), candidates=10
        ...     )
        ...     print(round(by_type["flip"].found.hit1, 1), by_type["flip"].chance.hit1)
        1.0 0.5
        0.5 0.5
    """
    make = functools.partial(transformed, embed, recorder, types=types)
    known = make(fit, candidates=1, seed=2 * seed)
    asked = make(test, candidates=candidates, seed=2 * seed + 1)
    return {
        name: equivariance(known[name], asked[name], predictor=predictor, seed=seed)
        for name in known
    }


def transformed(
    embed: Embed,
    recorder: Replays,
    batches: Iterable[Tensor],
    *,
    types: Sequence[str] | None = None,
    candidates: int = 50,
    seed: int = 0,
) -> dict[str, Transformed]:
    """Embed views of images and, for every type, others that differ in its parameters alone.

    Each batch draws a view, then ``candidates`` records. One type's entries of these replace the
    first record's, which is replayed. The caller's random state stays as if nothing had been drawn.

    Args:
        embed: as for :func:`equivariance_by_replay`.
        recorder: as for :func:`equivariance_by_replay`.
        batches: batches of images ``(B, C, H, W)``.
        types: names of the types; default: all that the recorder records.
        candidates: views per image.
        seed: determines, with the batches, every draw.

    Returns:
        Type name → features, float32 on the CPU. The parameters are the type's ω_diff from the
        first view to the other, classes as one column each.

    Raises:
        FeatureError, EncoderError, PipelineError: as for :func:`equivariance_by_replay`.
    """
    encoders = of_types(recorder.encoders, types)
    if candidates < 1:
        raise FeatureError(f"candidates expected an integer >= 1, found {candidates}.")
    if isinstance(embed, nn.Module) and any(module.training for module in embed.modules()):
        raise FeatureError(
            "embed expected a network in eval mode, found one in train mode, whose features "
            "depend on the batch. Call .eval() before, and .train() afterwards."
        )
    parts: dict[str, list[Transformed]] = {encoder.name: [] for encoder in encoders}
    for number, images in enumerate(batches):
        with torch.no_grad(), _own_draws(_checked(images), seed, number):
            views, record = recorder(images)
            drawn = [recorder(images)[1] for _ in range(candidates)]
            features = _embedded(embed, views)
            for encoder in encoders:
                others = [exchanged(record, other, [encoder]) for other in drawn]
                embedded = [_embedded(embed, recorder.replay(images, other)) for other in others]
                made = _transformed(features, embedded, record, others, encoder)
                parts[encoder.name].append(made)
    if not any(parts.values()):
        raise FeatureError("transformed expected batches of images, found none.")
    return {name: _joined(each) for name, each in parts.items()}


def _checked(images: Tensor) -> Tensor:
    if not isinstance(images, Tensor) or images.ndim != 4:
        found = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise FeatureError(
            f"transformed expected batches of images (B, C, H, W), found {found}. Split a single "
            "tensor: images.split(256)."
        )
    return images


@contextmanager
def _own_draws(images: Tensor, seed: int, number: int) -> Iterator[None]:
    """Draw by a seed for each batch: what a network draws itself does not change the next views."""
    devices = [images.device] if images.is_cuda else []
    mixed = seed * 1_000_003 + number
    with torch.random.fork_rng(devices):
        # Not torch.manual_seed: that seeds the devices that are not put back, too.
        torch.default_generator.manual_seed(mixed)
        for device in devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(mixed)
        yield


def _embedded(embed: Embed, views: Tensor) -> Tensor:
    features = embed(views)
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != len(views):
        found = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise FeatureError(
            f"embed expected features ({len(views)}, D) for {len(views)} views, found {found}. "
            "Pool and flatten maps first."
        )
    return features.float().cpu()


def _transformed(
    features: Tensor, views: list[Tensor], record: Record, others: list[Record], encoder: Encoder
) -> Transformed:
    parameters = [difference([encoder], record, other).float().cpu() for other in others]
    drawn = torch.stack([other[encoder.name] for other in others], dim=1).cpu()
    same = (drawn.unsqueeze(1) == drawn.unsqueeze(2)).all(dim=-1)
    before = same.tril(diagonal=-1).any(dim=-1)
    return Transformed(features, torch.stack(views, dim=1), torch.stack(parameters, dim=1), ~before)


def _joined(parts: list[Transformed]) -> Transformed:
    return Transformed(*map(torch.cat, zip(*parts, strict=True)))
