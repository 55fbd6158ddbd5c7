"""Rotation by quarter turns."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

from augself_loss.encoders.base import Columns, Draft, Encoder, Kind, Motion, Step, Value
from augself_loss.encoders.maps import Canvas, as_matrix
from augself_loss.errors import PipelineError
from augself_loss.parameters import Field

SYMMETRIES = {
    "e": (0.0, 0.0), "r90": (0.0, 1.0), "r180": (0.0, 2.0), "r270": (0.0, 3.0),
    "h": (1.0, 0.0), "t": (1.0, 1.0), "v": (1.0, 2.0), "hvt": (1.0, 3.0),
}  # fmt: skip
"""albumentations' names of a square's symmetries → horizontal flip, quarter turns after it."""


class RotationEncoder(Encoder):
    """Quarter turns k, counter-clockwise: 0, 1, 2, 3.

    Target: class ``(k_a − k_b) mod 4`` of four, cross-entropy.

    Reference:
        Lee et al., NeurIPS 2021, section 4 (rotation added to the augmentations).

    Example:
        >>> RotationEncoder().difference(
        ...     {"rotation": torch.tensor([[0.0]])}, {"rotation": torch.tensor([[1.0]])}
        ... )
        tensor([3])
    """

    name = "rotation"
    columns = ("quarter_turns",)
    identity = (0.0,)
    kind: Kind = "classes"
    moves: Motion | None = "turn"
    by_size = True
    settles = True
    # A turn by 0 still resamples the view, and one by −3 rounds otherwise than one by 1: a bitwise
    # replay has to know both.
    extras = {"rotation_applied": Field(("applied", "full_turns"), (0.0, 0.0))}

    def __init__(self) -> None:
        self.ranges = ((0.0, 3.0),)

    @property
    def width(self) -> int:
        """Four classes."""
        return 4

    def absolute(self, record: Mapping[str, Tensor]) -> Tensor:
        """Describe one view: its class k, ``(B,)`` int64."""
        return record["rotation"].squeeze(-1).round().long()

    def difference(self, record_a: Mapping[str, Tensor], record_b: Mapping[str, Tensor]) -> Tensor:
        """Make ω_diff: class ``(k_a − k_b) mod 4``, ``(B,)`` int64."""
        turns = record_a["rotation"] - record_b["rotation"]
        return turns.squeeze(-1).round().long() % 4

    def loss(
        self,
        prediction: Tensor,
        target: Tensor,
        visible: Tensor | None = None,  # noqa: ARG002 - every rotation can be seen
    ) -> Tensor:
        """Cross-entropy over the four classes."""
        return functional.cross_entropy(prediction, target)

    def readout(self, prediction: Tensor) -> Tensor:
        """Probabilities of the four classes."""
        return prediction.softmax(dim=-1)

    def act(self, draft: Draft, step: Step, entry: str, columns: Columns, gate: Value) -> None:
        """Turn the view; of how it was turned, the last step says."""
        if entry == self.name:
            draft.turn(columns[0] * gate, step)
        else:
            draft.rewrite(entry, columns, gate)

    def settled(self, draft: Draft) -> Columns:
        """Quarter turns in the end."""
        return (draft.turns,)

    def mirror(self, columns: Columns, horizontal: Value, vertical: Value) -> Columns:
        """A later flip in one direction turns the other way round."""
        return ((columns[0] * (1 - 2 * horizontal) * (1 - 2 * vertical)) % 4,)

    def turned_by(self, columns: Columns) -> Value:
        """A quarter is 90°."""
        return columns[0] * 90.0

    def undo(self, record: Mapping[str, Tensor], canvas: Canvas) -> Tensor:  # noqa: ARG002
        """Turn back, by whole numbers: a side is a side again."""
        turns = record[self.name].squeeze(-1)
        cos, sin = ((turns == k) * 1.0 - (turns == (k + 2) % 4) * 1.0 for k in (0, 1))
        cos, sin = cos.to(turns), sin.to(turns)
        return as_matrix(cos, -sin, 0.0, sin, cos, 0.0)

    @classmethod
    def takes(cls, step: Step) -> bool:
        """Take a RandomRotation only where its one angle is a multiple of 90°."""
        return step.name != "RandomRotation" or turns_by_quarters(step)

    @classmethod
    def check_step(cls, step: Step) -> None:
        """Refuse a turn about another point than the image's centre."""
        check_centre(step)

    @staticmethod
    def _read_times(step: Step) -> Mapping[str, Columns]:
        # Kornia draws a continuous number of turns and rounds it when it rotates.
        times = step.params["times"].round()
        return {"rotation": (times % 4,), "rotation_applied": (1.0, (times / 4).floor())}

    @staticmethod
    def _read_fixed(step: Step) -> Mapping[str, Columns]:
        turns = float(round(step.config["degrees"][0] / 90) % 4)
        return {"rotation": (turns,), "rotation_applied": (1.0, 0.0)}

    @staticmethod
    def _write_times(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:  # noqa: ARG004
        return {"times": entries["rotation"][0] + 4 * entries["rotation_applied"][1]}

    @staticmethod
    def _write_fixed(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
        return {"degrees": entries["rotation"][0] * 0 + step.config["degrees"][0]}

    @staticmethod
    def _read_factor(step: Step) -> Mapping[str, Columns]:
        return {"rotation": (float(step.params["factor"]),), "rotation_applied": (1.0, 0.0)}

    @staticmethod
    def _read_symmetry(step: Step) -> Mapping[str, Columns]:
        flip, turns = SYMMETRIES[step.params.get("group_element", "t")]
        return {
            "flip": (flip,), "rotation": (turns,), "rotation_applied": (1.0, 0.0),
        }  # fmt: skip

    kornia = {"RandomRotation90": _read_times, "RandomRotation": _read_fixed}
    torchvision = {"RandomRotation": _read_fixed}
    albumentations = {
        "RandomRotate90": _read_factor,
        "Transpose": _read_symmetry,
        "D4": _read_symmetry,
        "SquareSymmetry": _read_symmetry,
    }
    also = dict.fromkeys(("Transpose", "D4", "SquareSymmetry"), ("flip",))
    albumentations_writers = {
        "RandomRotate90": lambda entries, _step: {"factor": int(entries["rotation"][0])}
    }
    kornia_writers = {
        "RandomRotation90": _write_times,
        "RandomRotation": _write_fixed,
    }


def check_centre(step: Step) -> None:
    """Refuse a map about a point of the user's, which also moves the image; records lack the move.

    Raises:
        PipelineError: ``center`` is set.
    """
    if step.config.get("center") is not None:
        raise PipelineError(
            f"Expected '{step.name}' to rotate about the image's centre, found "
            f"center={step.config['center']}: that also shifts the image, which its record cannot "
            f"hold. Leave center out, or leave it out of the record with ignore=[{step.name}]."
        )


def turns_by_quarters(step: Step) -> bool:
    """Whether a RandomRotation has one fixed angle, a multiple of 90°."""
    low, high = step.config["degrees"]
    return bool(low == high and low % 90 == 0)
