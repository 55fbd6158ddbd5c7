"""Takes the hooks of taps off a network, for export."""

from __future__ import annotations

from torch import nn

from augself_loss.hosting.tap_hooks import Enter, Leave


def untap(model: nn.Module) -> int:
    """Take all hooks of taps off a network and its submodules; features are taken no more.

    The hooks are silent outside training steps, so a trained network works as it is, and its
    ``state_dict`` holds nothing of them. But ``torch.jit.script`` and ``torch.export`` refuse them,
    and a pickle of the whole module needs this package to load.

    Args:
        model: the trained network, or a copy of it.

    Returns:
        How many hooks were taken off.

    Example:
        >>> from augself_loss.taps import FeatureTaps
        >>> model = nn.Sequential(nn.Linear(4, 2))
        >>> taps = FeatureTaps(model, "0")
        >>> untap(model) > 0
        True
        >>> untap(model)
        0
    """
    count = 0
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for number in [n for n, hook in hooks.items() if isinstance(hook, (Enter, Leave))]:
                del hooks[number]
                module._forward_pre_hooks_with_kwargs.pop(number, None)
                count += 1
    return count
