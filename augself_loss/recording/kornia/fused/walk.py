"""Runs a Kornia pipeline: Kornia draws, and what has a fused form is applied in that form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from kornia.augmentation import AugmentationSequential, ImageSequential
from kornia.augmentation.container.ops import InputSequentialOps
from kornia.augmentation.container.params import ParamItem
from kornia.constants import DataKey
from torch import Tensor, nn

from augself_loss.errors import PipelineError
from augself_loss.recording.kornia.fused.apply import Passenger, applied
from augself_loss.recording.kornia.fused.choose import form_of
from augself_loss.recording.kornia.fused.operation import Drawn, Form
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS, run
from augself_loss.recording.kornia.wiring import Wiring

FUSED = "fused"
KORNIA = "Kornia's own"
NO_FORM = "Kornia before 0.9 is not fused" if ONLY_APPLIED_ROWS else "this class has no fused form"
LIKELY = Form(torch.Size((1, 3, 4096, 4096)), torch.device("cpu"))
"""What images are taken for before any came."""


class FusedPipeline:
    """Runs a pipeline's modules, those that have one in their fused form.

    Args:
        wiring: what was found in the pipeline.
        by_graph: whether to work in compiled graphs.
    """

    def __init__(self, wiring: Wiring, *, by_graph: bool) -> None:
        self.containers = set(wiring.containers)
        self.by_graph = by_graph
        self.agreed = False

    def __call__(
        self,
        pipeline: nn.Module,
        images: Tensor,
        params: Any = None,
        passenger: Passenger | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            pipeline: a pipeline, or a part of one.
            images: ``(B, C, H, W)``.
            params: what to apply, in Kornia's form; drawn if not given.
            passenger: what travels to the images' device with the last parameters; it is called
                once all is drawn.

        Returns:
            Views, and the passenger on their device.

        Raises:
            PipelineError: on the first batch a form disagrees with Kornia.
        """
        if ONLY_APPLIED_ROWS:
            views = run(pipeline, images, params)
            return views, (passenger or _nobody)(views).to(images.device, non_blocking=True)
        batch = _Run(self, images)
        batch.walk(pipeline, params)
        views, carried = batch.flush(passenger or _nobody)
        self.agreed = self.agreed or not images.is_meta
        return views, carried

    def told(self, pipeline: nn.Module) -> dict[str, str]:
        """Say of every module, by its name in the pipeline, how it is applied."""
        return {
            _place(name, module): self._told(module)
            for name, module in pipeline.named_modules()
            if not self.reads(module) and not self._inside(name, pipeline)
        }

    def _inside(self, name: str, pipeline: nn.Module) -> bool:
        """Whether a module is part of another that is no container."""
        outer = name.rpartition(".")[0]
        return bool(name) and not self.reads(pipeline.get_submodule(outer))

    def _told(self, module: nn.Module) -> str:
        form = form_of(module)
        why = form.refuses(module, LIKELY) if form else NO_FORM
        return f"{KORNIA}: {why}" if why else FUSED

    def reads(self, module: nn.Module) -> bool:
        """Whether a container's children are run one by one."""
        if module not in self.containers:
            return False
        if not isinstance(module, AugmentationSequential):
            return True
        options: Any = module.extra_args or {}
        return module.data_keys == [DataKey.INPUT] and not options.get(DataKey.INPUT)


class _Run:
    """One batch on its way: its images, and what was drawn and not applied yet."""

    def __init__(self, fused: FusedPipeline, images: Tensor) -> None:
        self.fused, self.images, self.form = fused, images, Form.of(images)
        self.pending: list[Drawn] = []
        learns = images.requires_grad and torch.is_grad_enabled()
        self.fits = images.dtype == torch.float32 and not learns

    def walk(self, module: Any, params: Any, within: Any = None) -> None:
        """Draw what is not drawn, and run what has no fused form.

        Args:
            module: a module of the pipeline.
            params: its parameters, if its container drew them.
            within: the container.
        """
        if not self.fused.reads(module):
            self._leaf(module, params, within)
        elif not isinstance(module, ImageSequential):
            for child in module.children():
                self.walk(child, None)
        else:
            drawn = module.forward_parameters(self.form.shape) if params is None else params
            module.clear_state()
            module._params = drawn
            for item in drawn:
                self.walk(module.get_submodule(item.name), item.data, module)

    def _leaf(self, module: Any, params: Any, within: Any) -> None:
        form = form_of(module) if self.fits else None
        if form is None or form.refuses(module, self.form):
            self._run_kornia(module, params, within)
            return
        drawn = module.forward_parameters(self.form.shape) if params is None else params
        if not _is_readable(drawn):
            self._run_kornia(module, drawn, within)
            return
        module._params = drawn
        module._transform_matrix = module._lazy_matrix_args = None
        self.pending.append(Drawn(module, drawn))
        self.form = self.form.sized(form.size(self.pending[-1:], self.form.size))

    def _run_kornia(self, module: Any, params: Any, within: Any) -> None:
        self.flush(_nobody)
        if isinstance(within, ImageSequential):
            options = (getattr(within, "extra_args", None) or {}).get(DataKey.INPUT)
            item = ParamItem("", params)
            self.images = InputSequentialOps.transform(self.images, module, item, options)
        else:
            self.images = run(module, self.images, params)
        self.form = Form.of(self.images)

    def flush(self, passenger: Passenger) -> tuple[Tensor, Tensor]:
        """Apply all that was drawn; say what images there are, and bring a passenger to them."""
        if not self.pending:
            return self.images, passenger(self.images).to(self.images.device, non_blocking=True)
        drawn, self.pending = self.pending, []
        check = not (self.fused.agreed or self.images.is_meta)
        self.images, carried = applied(
            self.images, drawn, passenger, by_graph=self.fused.by_graph, check=check
        )
        return self.images, carried


def _is_readable(drawn: Mapping[str, Any]) -> bool:
    """Whether fused forms read what was drawn: of float32, apart from gates, and not to learn."""
    return not any(
        value.requires_grad
        or (value.is_floating_point() and value.dtype != torch.float32 and name != "batch_prob")
        for name, value in drawn.items()
        if isinstance(value, Tensor)
    )


def _place(name: str, module: nn.Module) -> str:
    """Name a module by its place in a pipeline and its class, which Kornia's names hold."""
    kind = type(module).__name__
    return name if kind in name else f"{name}.{kind}".lstrip(".")


def _nobody(_: Tensor) -> Tensor:
    return torch.empty(0)


def fused_pipeline(wiring: Wiring, apply: str, by_graph: bool) -> FusedPipeline | None:
    """Choose how views are made.

    Args:
        wiring: what was found in the pipeline.
        apply: ``kornia`` or ``fused``.
        by_graph: whether fused operations are compiled.

    Raises:
        PipelineError: another ``apply``, or a pipeline of Kornia's own to be compiled.
    """
    if apply not in {"kornia", "fused"}:
        raise PipelineError(f"apply expected 'kornia' or 'fused', found {apply!r}.")
    if by_graph and apply != "fused":
        raise PipelineError(
            f"compile=True expected apply='fused', found apply={apply!r}. Pass apply='fused', or "
            "compile Kornia's own modules: for module in pipeline.children(): module.compile()."
        )
    return FusedPipeline(wiring, by_graph=by_graph) if apply == "fused" else None
