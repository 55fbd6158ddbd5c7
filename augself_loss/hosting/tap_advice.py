"""What taps say where a view's features are not there, or not proven to be its own."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from augself_loss.hosting.tap_calls import Call

SILENT = (
    "'{name}' was not called: methods such as forward_features() or encode() do not run a module's "
    "hooks. Tap what they call inside, '….norm', with pool='cls' or Patches(prefix=1), "
    "find_taps(model, images, call=model.encode) lists it; tap a module before it is compiled and "
    "called. "
)
MOVED = (
    "Another module was put in the place of '{name}' after the views were taken (SMoG does so "
    "every 300 steps), so nothing was seen of it. Put it there before augself.views(batch), or put "
    "your forward alone, after that, into 'with augself:'; in a LightningModule put it there in "
    "on_train_batch_start."
)
OTHERWISE = (
    "If another submodule sees these views, name it (taps=['backbone', 'backbone_momentum']), or "
    "choose other views (views=[0, 1]). If the host changes them before the tap (augments, mixes, "
    "masks), tap a module around it that is given the views themselves; or hand the features over "
    "yourself, augself(features, records); or, if the rows keep the views' order, say so: "
    "in_order=True."
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
        f"The taps expected features of the views {list(wanted)} of {len(views)} views of {size} "
        f"samples, found {counts(names, calls)}: none for {list(missing)} that is proven. "
    )
    if not views:
        return text + "Ask after a watch(module, views) in which the host's step ran."
    silent = [name for name in names if not any(call.tap == name for call in calls)]
    if moved:
        return text + MOVED.format(name=moved[0])
    return text + (SILENT.format(name=silent[0]) if silent else "") + OTHERWISE
