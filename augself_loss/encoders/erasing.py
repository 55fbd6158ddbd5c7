"""Random erasing."""

from __future__ import annotations

from collections.abc import Mapping

from augself_loss.encoders.base import Columns, Step, Value
from augself_loss.encoders.crop import fractions
from augself_loss.encoders.regression import RegressionEncoder


class ErasingEncoder(RegressionEncoder):
    """Erased box (top, left, height, width) as fractions of the *view*, 0 where not applied."""

    name = "erasing"
    columns = ("top", "left", "height", "width")
    identity = (0.0, 0.0, 0.0, 0.0)
    photometric = False  # what it leaves of the image, it leaves as it is
    by_size = True
    not_before = ("crop", "turn", "warp")

    def __init__(self) -> None:
        super().__init__(*((0.0, 1.0) for _ in self.columns))

    def mirror(self, columns: Columns, horizontal: Value, vertical: Value) -> Columns:
        """A later flip mirrors the box; an empty box stays where it is."""
        top, left, height, width = columns
        there = (height > 0) * 1.0
        vertical, horizontal = vertical * there, horizontal * there
        return (
            top + vertical * (1 - height - 2 * top), left + horizontal * (1 - width - 2 * left),
            height, width,
        )  # fmt: skip

    @staticmethod
    def _read_kornia(step: Step) -> Mapping[str, Columns]:
        p = step.params
        box = (p["ys"], p["xs"], p["heights"], p["widths"])
        return {"erasing": fractions(box, step.size)}

    @staticmethod
    def _read_torchvision(step: Step) -> Mapping[str, Columns]:
        p = step.params
        # When no box fits, both versions report the whole image and erase nothing.
        if (p["h"], p["w"]) == step.size:
            return {"erasing": (0.0, 0.0, 0.0, 0.0)}
        return {"erasing": fractions((p["i"], p["j"], p["h"], p["w"]), step.size)}

    @staticmethod
    def _write(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
        height, width = step.size
        top, left, box_height, box_width = entries["erasing"]
        return {
            "ys": (top * height).round(),
            "xs": (left * width).round(),
            "heights": (box_height * height).round(),
            "widths": (box_width * width).round(),
            "values": top * 0 + float(step.config.get("value", 0.0)),
        }

    kornia = {"RandomErasing": _read_kornia}
    torchvision = {"RandomErasing": _read_torchvision}
    kornia_writers = {"RandomErasing": _write}
