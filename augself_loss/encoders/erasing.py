"""Random erasing."""

from __future__ import annotations

from collections.abc import Mapping

from augself_loss.encoders.base import Columns, Step, Value
from augself_loss.encoders.boxes import fractions
from augself_loss.encoders.regression import RegressionEncoder
from augself_loss.errors import PipelineError


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

    @classmethod
    def check_step(cls, step: Step) -> None:
        """Refuse albumentations' dropout of several holes.

        Raises:
            PipelineError: it may erase more than one box.
        """
        holes = step.config.get("num_holes_range", (1, 1))
        if tuple(holes) != (1, 1):
            raise PipelineError(
                f"'{step.name}' expected num_holes_range=(1, 1), found {tuple(holes)}: a record "
                "holds one box. Erase one hole, or leave it out of the record with "
                f"ignore=[{step.name}]."
            )

    @staticmethod
    def _read_holes(step: Step) -> Mapping[str, Columns]:
        (height, width), holes = step.size, step.params["holes"]
        if len(holes) == 0:  # no box fitted
            return {"erasing": ErasingEncoder.identity}
        left, top, right, bottom = holes[0].tolist()
        if left == right or top == bottom:
            return {"erasing": ErasingEncoder.identity}
        return {
            "erasing": (
                top / height, left / width, (bottom - top) / height, (right - left) / width
            )
        }  # fmt: skip

    @staticmethod
    def _write_holes(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
        if isinstance(step.config["fill"], str):
            raise PipelineError(
                f"'{step.name}' expected a fixed fill, found fill='{step.config['fill']}': the "
                "record does not hold what it drew, so it cannot be replayed. Pass a number as "
                "fill."
            )
        height, width = step.size
        top, left, box_height, box_width = entries["erasing"]
        y, x = round(top * height), round(left * width)
        return {"holes": [[x, y, x + round(box_width * width), y + round(box_height * height)]]}

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
    albumentations = {"Erasing": _read_holes, "CoarseDropout": _read_holes}
    albumentations_writers = {"Erasing": _write_holes, "CoarseDropout": _write_holes}
    kornia_writers = {"RandomErasing": _write}
