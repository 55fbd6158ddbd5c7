"""Runs one batch through a model, and lists the submodules whose outputs can be tapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from augself_loss.errors import FeatureError
from augself_loss.hosting.random_state import current, restore
from augself_loss.hosting.tap_outputs import entries, only_tensor
from augself_loss.hosting.tap_paths import Vertex, is_of_images, passed, prefix_tokens, vertex
from augself_loss.hosting.tap_table import FoundTaps, Returned, read_shape, wholes
from augself_loss.parameters import is_dense_float


def find_taps(
    model: nn.Module,
    images: Tensor,
    *,
    call: Callable[[Tensor], Any] | None = None,
    every: bool = False,
) -> FoundTaps:
    """List the submodules whose output is all that a network knows at that depth, for one batch.

    Their names are for ``taps=``, the widths for ``feature_dim=``; ``pool=`` turns each output into
    one vector. It leaves out parts of a block, which a shortcut or another branch goes around, and
    submodules that run more than once, whose calls no tap can tell apart.

    The model runs in evaluation mode and is restored: modes, buffers (statistics of batch norms),
    gradients and all random states.

    Args:
        model: the host's module; or a backbone alone, whose own name then precedes a tap's.
        images: one view ``(B, C, H, W)`` as the model takes it; two images are enough.
        call: runs the network on a batch, if ``model(images)`` does not, e.g.
            ``model.student_backbone.encode``.
        every: list everything that returns features, parts of blocks too.

    Returns:
        One row per submodule, in the order in which they return; it prints as a table.

    Raises:
        FeatureError: images that are no float tensor, a model that cannot run on them or returns
            no tensor, parameters without a shape, scripted modules, no such submodule.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        >>> found = find_taps(nn.ModuleDict({"backbone": net}), torch.rand(2, 3, 16, 16), call=net)
        >>> [(tap.name, tap.width, tap.pool) for tap in found]
        [('backbone.0', 8, 'mean'), ('backbone.1', 8, 'mean'), ('backbone', 8, None)]
    """
    while isinstance(model, (nn.parallel.DistributedDataParallel, nn.DataParallel)):
        model = model.module
    _check(model, images)
    with _untouched(model), torch.inference_mode(mode=False), torch.enable_grad():
        leaf = images.detach().clone().requires_grad_()
        given = leaf.clone()  # which the network may write into
        source = given.grad_fn
        calls = Calls(leaf)
        with calls.of(model):
            result = _run(model if call is None else call, given)
        through = _passed(result, source)
        # Where all ran without a gradient nothing tells parts from wholes.
        kept = calls.once() if every or not through else wholes(calls.once(), through)
    rows = [row for one in kept if (row := read_shape(one, images.shape)) is not None]
    if not rows:
        raise FeatureError(
            f"find_taps expected submodules of {type(model).__name__} that return features (B, …) "
            "and run once, found none. For a backbone alone, call "
            "find_taps(nn.ModuleDict({'backbone': model}), images, call=model)."
        )
    return FoundTaps(rows)


class Calls:
    """Keeps what every submodule returned in one run of a model: its features, where it has some.

    Args:
        leaf: the images that are run.
    """

    def __init__(self, leaf: Tensor) -> None:
        self.leaf = leaf
        self.all: list[Returned] = []
        self._prefixes: dict[int, int | None] = {}

    @contextmanager
    def of(self, model: nn.Module) -> Iterator[None]:
        """Keep the calls in this block."""
        with ExitStack() as stack:
            # What was compiled without hooks would not run them.
            stance = getattr(torch.compiler, "set_stance", None)  # since PyTorch 2.6
            if stance is not None:
                stack.enter_context(stance("force_eager"))
            for name, module in model.named_modules():
                if name:
                    stack.callback(module.register_forward_hook(self._hook(name)).remove)
            yield

    def once(self) -> list[Returned]:
        """List the calls of submodules that ran once."""
        runs = Counter(call.name for call in self.all)
        return [call for call in self.all if runs[call.name] == 1]

    def _hook(self, name: str) -> Callable[..., None]:
        def keep(_module: nn.Module, _args: Any, output: Any) -> None:
            features = only_tensor(output)
            if isinstance(features, Tensor) and is_dense_float(features) and features.ndim > 1:
                shape = tuple(features.shape)
                self.all.append(Returned(name, shape, vertex(features), self._prefix(features)))

        return keep

    def _prefix(self, features: Tensor) -> int | None:
        """Count the tokens before the patches, by the first tensor of as many tokens."""
        if features.ndim != 3 or len(features) != len(self.leaf) or not features.requires_grad:
            return None
        count = features.shape[1]
        if count not in self._prefixes and is_of_images(features, self.leaf):
            self._prefixes[count] = prefix_tokens(features, self.leaf)
        return self._prefixes.get(count)


def _passed(result: Any, source: Any) -> set[Vertex]:
    """List what all of some tensor in a result went through.

    Raises:
        FeatureError: there is no tensor.
    """
    tensors = list(_tensors(result))
    if not tensors:
        raise FeatureError(
            f"find_taps expected the model to return tensors, found {type(result).__name__}. Pass "
            "what runs the network on a batch: find_taps(model, images, call=model.backbone)."
        )
    found: set[Vertex] = set()
    for tensor in tensors:
        if tensor.grad_fn is not None:
            found |= passed(tensor, source)
    return found


def _tensors(result: Any) -> Iterator[Tensor]:
    if isinstance(result, Tensor):
        yield result
    for value in entries(result).values():
        yield from _tensors(value)


def _run(call: Callable[[Tensor], Any], images: Tensor) -> Any:
    try:
        return call(images)
    except Exception as error:
        raise FeatureError(
            f"find_taps expected the model to run on images {tuple(images.shape)}, found "
            f"{type(error).__name__}: {error}. Pass images as the model takes them, on its "
            "device; or what runs the network on a batch: find_taps(model, images, "
            "call=model.backbone)."
        ) from error


def _check(model: nn.Module, images: Any) -> None:
    if not isinstance(images, Tensor) or not images.is_floating_point() or images.ndim < 2:
        found = (
            f"{images.dtype} {tuple(images.shape)}"
            if isinstance(images, Tensor)
            else type(images).__name__
        )
        raise FeatureError(
            f"find_taps expected one tensor of floating-point images (B, C, H, W), found {found}. "
            "Take one view of a batch: batch[0][0]."
        )
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            raise FeatureError(
                "find_taps expected modules without torch.jit.script, found "
                f"'{name or 'the model'}' scripted, which takes no hooks. Call find_taps, and "
                "tap, before torch.jit.script."
            )
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(tensor):
            raise FeatureError(
                f"find_taps expected initialized parameters, found '{name}' without a shape. Run "
                "one batch first: model(images)."
            )


@contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Run the block in evaluation mode, then put modes, buffers and random states back."""
    modes = [(module, module.training) for module in model.modules()]
    held = [(m, name, b) for m in model.modules() for name, b in m._buffers.items()]
    copies = [None if buffer is None else buffer.detach().clone() for *_, buffer in held]
    state = current()
    try:
        for module, _ in modes:
            module.training = False  # eval() may be overridden
        yield
    finally:
        restore(state)
        for module, training in modes:
            module.training = training
        for (module, name, buffer), copy in zip(held, copies, strict=True):
            module._buffers[name] = buffer
            if buffer is not None and copy is not None and not torch.equal(buffer, copy):
                with torch.no_grad():
                    buffer.copy_(copy)
