"""EquiMod: a view's embedding is predicted from the plain image's and the view's parameters.

    y = e(f),  ŷ_i = p(y_0 ⊕ u(t_i)),  L = NT-Xent([y_1; y_2], [ŷ_1; ŷ_2])

Reference: Devillers and Lefort, *EquiMod: An Equivariance Module to Improve Self-Supervised
Learning*, ICLR 2023.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from augself_loss.arguments import check_numbers, check_whole
from augself_loss.draws import undisturbed
from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Recorded
from augself_loss.errors import FeatureError, LossError, RecordError
from augself_loss.objectives.base import Objective, check_pairs
from augself_loss.objectives.condition import (
    Condition,
    by_name,
    check_is_condition,
    described,
)
from augself_loss.objectives.parts import mlp, nt_xent
from augself_loss.parameters import Record
from augself_loss.pooling import Pool
from augself_loss.records import of_types

TYPES = ("crop", "flip", "color", "grayscale", "blur", "solarize")
"""What the paper's vector describes, in its order."""
NEAR = 0.02
"""How far from the middle a crop's centre may lie by rounding to pixels, of the image's side."""


class EquiMod(Objective):
    """The equivariance term beside any base loss.

    It needs a third view per image, without augmentation: its features are ``third``.

    Args:
        feature_dim: width D of the features.
        condition: turns a record into the parameters t, e.g. :meth:`describe`; or an object of
            your own with a ``width``, called like a ``Condition``.
        weight: λ; the paper's is 1.
        hidden_dim: hidden width of the embedding's MLP.
        embedding_dim: width of the embeddings.
        temperature: τ of NT-Xent.
        mean: per column of t, to standardise it; by default a batch norm without weights does that.
        std: per column of t, above 0, as ``mean``.
        pool: turns maps and tokens into ``(B, D)``.

    Raises:
        LossError: no condition; one of mean and std without the other, or not one finite number
            per column; std or a temperature not above 0.

    Example:
        >>> from augself_loss import FlipEncoder
        >>> equimod = EquiMod(16, EquiMod.describe([FlipEncoder()]), embedding_dim=8)
        >>> plain, one, two = torch.randn(3, 4, 16)
        >>> record = {"flip": torch.tensor([[0.0], [1.0], [0.0], [1.0]])}
        >>> equimod([one, two], [record, record], third=plain).total.shape
        torch.Size([])
    """

    third_view = "the images without augmentation"
    least_views = 1
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        feature_dim: int,
        condition: Condition,
        *,
        weight: float = 1.0,
        hidden_dim: int = 2048,
        embedding_dim: int = 128,
        temperature: float = 0.2,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        pool: Pool | None = None,
    ) -> None:
        check_is_condition("EquiMod", condition)
        own = not isinstance(condition, Condition)
        known = [] if own else of_types(condition.encoders, condition.types)
        super().__init__({"equimod": weight}, pool, feature_dim=feature_dim, encoders=known)
        feature_dim = check_whole("feature_dim", feature_dim)
        self.condition = condition
        (self.temperature,) = check_numbers("temperature", [temperature], above=0)
        self.trained_with = described(condition)
        width = condition.width
        if any(len(given) != width for given in (mean, std) if given is not None) or (
            (mean is None) != (std is None)
        ):
            raise LossError(
                f"EquiMod expected both mean and std, with {width} columns, or neither, found "
                f"{mean!r} and {std!r}."
            )
        widths = [feature_dim, hidden_dim, hidden_dim, embedding_dim]
        with undisturbed():
            self.embed = mlp(widths, last="norm without weights")
            self.parameters_mlp = mlp([width, embedding_dim], last="norm")
            self.predict = mlp([2 * embedding_dim, embedding_dim], last="norm without weights")
        self.standardise: nn.Module = nn.Identity()
        if mean is None or std is None:
            self.standardise = nn.BatchNorm1d(width, affine=False)
        self._scale = {
            "mean": check_numbers("mean", [0.0] * width if mean is None else mean),
            "std": check_numbers("std", [1.0] * width if std is None else std, above=0),
        }
        for name, numbers in self._scale.items():
            self.register_buffer(name, torch.tensor(numbers))

    def reset_parameters(self) -> None:
        """Restore mean and std as they were given; the networks' layers reset themselves."""
        for name, numbers in self._scale.items():
            buffer = self.get_buffer(name)
            buffer.copy_(torch.tensor(numbers, dtype=buffer.dtype, device=buffer.device))

    @staticmethod
    def describe(encoders: Iterable[Encoder]) -> Condition:
        """Describe a view as the paper does: raw, in the source's frame, with flags and order.

        Args:
            encoders: the pipeline's, ``recorder.encoders``.

        Raises:
            LossError: no encoders, or none of these types.
        """
        known = by_name(encoders)
        types = [name for name in TYPES if name in known]
        if not types:
            raise LossError(f"EquiMod.describe expected some of {TYPES}, found {list(known)}.")
        return Condition(
            list(known.values()), types, frame="source", scale="none", order=True,
            applied=[name for name in types if name in ("color", "blur")],
            flags_only=[name for name in types if name == "solarize"],
        )  # fmt: skip

    def check_recorder(self, recorder: Recorded) -> None:
        """Refuse a recorder that does not record what t is made of.

        Raises:
            RecordError: an entry is missing.
        """
        if isinstance(self.condition, Condition):
            self.condition.check_recorder(recorder)

    def check_third(self, record: Record) -> None:
        """Refuse a third view that was drawn at random, as far as a batch of several can tell.

        What is the same for all images, and a crop of their centre, count as no augmentation.

        Raises:
            RecordError: some entry differs from image to image.
        """
        for name, entry in record.items():
            if is_centred(name, entry) or bool((entry == entry[:1]).all()):
                continue
            raise RecordError(
                f"EquiMod expected the images without augmentation as third view, found '{name}' "
                "drawn for each. Name the view whose pipeline only resizes, and perhaps crops the "
                "centre, by third=, which counts from 0; normalize it as the others."
            )

    def fits(
        self, features: Sequence[Tensor], records: Sequence[Record], third: Tensor | None
    ) -> None:
        """Refuse views without a record each, of other images than the plain ones, or one alone."""
        check_pairs("EquiMod", features, records)
        rows, least = len(features) * len(features[0]), 1 + self.training
        if rows < least:
            raise FeatureError(
                f"EquiMod expected at least {least} views in a batch, for its batch norms, found "
                f"{rows}. Drop the last batch (drop_last=True), or call .eval()."
            )
        if third is not None and any(one.shape != third.shape for one in features):
            raise FeatureError(
                "EquiMod expected all features with the shape of the plain images', "
                f"{tuple(third.shape)}, found {[tuple(one.shape) for one in features]}."
            )

    def terms(
        self, features: Sequence[Tensor], records: Sequence[Record], third: Tensor | None
    ) -> dict[str, Tensor]:
        """Predict every view's embedding from the plain image's, and find it among all."""
        assert third is not None
        condition = torch.cat([self.condition(record) for record in records])
        return {"equimod": self.compare(third, features, condition)}

    def compare(self, plain: Tensor, features: Sequence[Tensor], condition: Tensor) -> Tensor:
        """Compute the term from given parameters ``(views · B, P)``.

        Args:
            plain: features ``(B, D)`` of the images without augmentation.
            features: the views', ``(B, D)`` each.
            condition: the views' t, concatenated.
        """
        views = len(features)
        first, rest = self.embed(torch.cat([plain, *features])).split(
            [len(plain), views * len(plain)]
        )
        standard = self.standardise((condition.to(self.mean) - self.mean) / self.std)
        made = self.parameters_mlp(standard.to(first.dtype))
        predicted = self.predict(torch.cat([first.repeat(views, 1), made], dim=1))
        return nt_xent(rest, predicted, self.temperature)


def is_centred(name: str, entry: Tensor) -> bool:
    """Whether an entry is a crop of the images' centres, up to a pixel or two."""
    if name != "crop":
        return False
    offset = entry[:, :2] + entry[:, 2:] / 2 - 0.5
    return bool((offset.abs() < NEAR).all())
