"""What taps say where a view's features are not there, or not proven to be its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from augself_loss.hosting.tap_calls import Call

SILENT = (
    "'{name}' was not called in this step. Methods such as forward_features() or encode() do not "
    "run a module's hooks: tap a submodule that they call, e.g. '….norm' with pool='cls' or "
    "Patches(prefix=1) (find_taps(model, images, call=model.encode) lists it). Tap modules before "
    "torch.compile. "
)
MOVED = (
    "'{name}' was replaced by another module after the views were taken (SMoG does so every 300 "
    "steps). Replace it before augself.views(batch) (in a LightningModule: in "
    "on_train_batch_start), or run your forward pass in 'with augself:' after that."
)
FEW = "Run the tapped network on every view that is compared. "
ANOTHER = (
    "If another submodule sees these views, tap it too (taps=['backbone', 'backbone_momentum'])"
)
PAIRED = ", or pair other views (views=[0, 1])"
CHANGED = (
    "It saw other images. Mixed ones (MixUp, CutMix) have no record: run the network on the views "
    "as well. {another}. "
    "If the views are changed before the tap, tap a module around it; if they are only normalized "
    "or cast there, in their order, pass in_order=True."
)
MANY = (
    "The taps expected the {views} views of one step, found {rows} images, far more than these "
    "have. Call term() in each step before other images pass the network, such as those of "
    "validation, or wrap your own forward pass in 'with augself:'."
)


def counts(names: Sequence[str], calls: Sequence[Call]) -> str:
    """List what every tap returned."""
    shapes = {name: [tuple(c.output.shape) for c in calls if c.tap == name] for name in names}
    return ", ".join(f"{name}: {s if s else 'no call'}" for name, s in shapes.items())


def unproven(
    names: Sequence[str],
    calls: Sequence[Call],
    views: Sequence[Tensor],
    wanted: Sequence[int],
    missing: Sequence[int],
    moved: Sequence[str],
) -> str:
    """Say which views lack proven features, and what would serve.

    Args:
        names: the taps.
        calls: theirs in this step.
        views: the step's.
        wanted: indices of the views that were asked for.
        missing: those of them without features.
        moved: taps in whose place another module stands since the step began.
    """
    size = len(views[0]) if views else 0
    text = (
        f"The taps expected features of views {list(wanted)} (of {len(views)} views with {size} "
        f"samples), found {counts(names, calls)}: none for {list(missing)}. "
    )
    if not views:
        return text + "Call it after a watch(module, views) in which the training step ran."
    silent = [name for name in names if not any(call.tap == name for call in calls)]
    if moved:
        return text + MOVED.format(name=moved[0])
    text += SILENT.format(name=silent[0]) if silent else ""
    another = ANOTHER + (PAIRED if len(views) > 2 else "")
    if sum(len(call.output) for call in calls) < size * len(wanted):
        return f"{text}{FEW if calls else ''}{another}."
    return text + CHANGED.format(another=another)
