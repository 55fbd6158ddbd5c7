"""Records what a Kornia pipeline did to a batch. The only reader of Kornia's private ``_params``.

Measured on Kornia 0.7.4, 0.8.3 and 0.9.0. Up to 0.8 an operation keeps the parameters of the
samples it was applied to only; since 0.9 it keeps a row for every sample, also where the sampled
values were not used. Both are read here, by the gate ``batch_prob`` and the number of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from kornia.augmentation import AugmentationSequential, ImageSequential, PatchSequential
from kornia.augmentation.auto.base import PolicyAugmentBase
from kornia.augmentation.container import VideoSequential
from torch import Tensor, nn

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step
from augself_loss.errors import ImageError, PipelineError
from augself_loss.parameters import Layout, Record, unpack
from augself_loss.recording.catalogue import Catalogue, layout_of, unite
from augself_loss.recording.journal import Journal
from augself_loss.recording.kornia_params import all_rows, config_of, device_of, on, size_of
from augself_loss.recording.plan import Branch, Leaf, Node, check_plan, is_listed, leaves
from augself_loss.recording.replay import replay

CONTAINERS = (AugmentationSequential, ImageSequential, nn.Sequential)
UNREADABLE = (PatchSequential, VideoSequential, PolicyAugmentBase)
FIXED = frozenset(
    {"Normalize", "Denormalize", "Resize", "LongestMaxSize", "SmallestMaxSize", "Identity"}
)
"""Class names of modules without randomness that keep a view's fractional frame."""
GEOMETRY = frozenset(
    {"crop", "flip", "vertical_flip", "rotation", "angle", "affine", "perspective", "erasing"}
)


class KorniaRecorder:
    """Runs a Kornia pipeline on a batch and returns the views together with their record.

    The views are bit for bit those of the pipeline alone under the same seed, and recording adds
    no device-to-host sync after the first call. One recorder serves one thread.

    Args:
        pipeline: ``AugmentationSequential``, ``ImageSequential``, ``nn.Sequential``, nested as
            you like, or a single augmentation.
        encoders: encoders of augmentations of your own, or replacements of built-in ones.
        ignore: modules or classes whose randomness shall not be recorded.
        types: types to record even if this pipeline never applies them (as the identity), so that
            two different pipelines give records with the same entries.
        check_images: look at the first batch's values; 0–255 floats are refused.

    Attributes:
        layout: entries of the record, see :class:`~augself_loss.parameters.Field`.
        encoders: encoders of the recorded types, with this pipeline's ranges.

    Raises:
        PipelineError: a random transform that is not known, or an order that no record can tell.

    Example:
        >>> import kornia.augmentation as K
        >>> recorder = KorniaRecorder(K.RandomHorizontalFlip(p=1.0))
        >>> views, record = recorder(torch.rand(2, 3, 8, 8))
        >>> record
        {'flip': tensor([[1.],
                [1.]])}
    """

    def __init__(
        self,
        pipeline: nn.Module,
        *,
        encoders: Iterable[Encoder] = (),
        ignore: Iterable[nn.Module | type] = (),
        types: Iterable[str] = (),
        check_images: bool = True,
    ) -> None:
        self.pipeline = pipeline
        self._catalogue = Catalogue("kornia", encoders)
        self._ignore = tuple(ignore)
        self._config: dict[nn.Module, Mapping[str, Any]] = {}
        plan = self._plan(pipeline)
        check_plan(plan)
        found = unite(leaf.encoder for leaf in leaves(plan))
        self.layout: Layout = layout_of(found, self._catalogue, list(types))
        self.encoders: tuple[Encoder, ...] = tuple(found.values())
        self._photometric = not GEOMETRY.issuperset(found)
        self._images_checked = not check_images

    def __call__(self, images: Tensor) -> tuple[Tensor, Record]:
        """Augment a batch.

        Args:
            images: float images ``(B, C, H, W)`` in [0, 1].

        Returns:
            Views ``(B, C, h, w)`` and their record, on the images' device.

        Raises:
            ImageError: images of another dtype, shape or range.
        """
        self._check(images)
        views: Tensor = self.pipeline(images)
        if not self.layout:
            return views, {}
        journal = Journal(self.layout, self._catalogue.encoders)
        applied = list(self._applied(self.pipeline))
        device = device_of(params for _, params in applied)
        for module, drawn in applied:
            params = {k: on(device, value) for k, value in drawn.items()}
            gate = params["batch_prob"] > 0.5
            step = Step(type(module).__name__, params, self._config[module], size_of(drawn))
            entries = self._catalogue.read(step)
            rows = {name: all_rows(columns, gate) for name, columns in entries.items()}
            journal.add(step, rows, gate)
        packed = _packed(journal, len(images)).to(images.device, non_blocking=True)
        return views, unpack(packed, self.layout)

    def replay(self, images: Tensor, record: Record) -> Tensor:
        """Apply a record again, bit for bit, to these or other images.

        Args:
            images: float images ``(B, C, H, W)``, as many and as large as those recorded.
            record: what this recorder returned, or a part of one exchanged for another's.

        Returns:
            Views ``(B, C, h, w)``.

        Raises:
            PipelineError: the pipeline draws which children to apply, or holds a type whose
                record does not say all (affine, perspective).
            RecordError: the record lacks an entry of this pipeline.
        """
        self._check(images)
        return replay(self.pipeline, images, record, self.layout, self._catalogue, self._config)

    def _plan(self, module: nn.Module) -> Node:
        """Walk the pipeline, refusing what is not known."""
        name = type(module).__name__
        if self._ignored(module) or (_is_host(module) and name in FIXED):
            return Branch("sequence", ())
        if isinstance(module, CONTAINERS) and not isinstance(module, UNREADABLE):
            children = [self._plan(child) for child in module]
            return Branch(_kind(module), children * 2 if _repeats(module) else children)
        # A user's class may bear Kornia's name: only the user's own encoders read it.
        if not self._catalogue.knows(name, own=not _is_host(module)):
            raise PipelineError(
                f"KorniaRecorder does not know '{name}' and cannot say what it did to a view. Pass "
                "an encoder that reads it (encoders=[MyEncoder()]), or leave its randomness out of "
                f"the record on purpose (ignore=[{name}])."
            )
        if module in self._config:
            raise PipelineError(
                f"The same '{name}' object stands in the pipeline twice; it keeps the parameters "
                "of its last call only. Put a second object there: copy.deepcopy(...)."
            )
        self._config[module] = config_of(module)
        step = Step(name, {}, self._config[module], (0, 0))
        encoder = self._catalogue.encoder(step)
        if encoder is None:
            del self._config[module]
            return Branch("sequence", ())
        return Leaf(name, encoder)

    def _ignored(self, module: nn.Module) -> bool:
        return is_listed(module, self._ignore)

    def _applied(
        self, module: nn.Module, params: Any = None
    ) -> Iterator[tuple[nn.Module, Mapping[str, Any]]]:
        """List the recorded modules that ran in the last call, with their parameters, in order.

        A container's own list is read where it has one: a child that ``random_apply`` did not
        choose still holds the parameters of an earlier call.
        """
        if self._ignored(module):
            return
        if module in self._config:
            own: Any = module._params if params is None else params
            yield module, own
        elif isinstance(module, ImageSequential):
            children = dict(module.named_children())
            for item in module._params if params is None else params:
                yield from self._applied(children[item.name], item.data)
        elif isinstance(module, nn.Sequential):
            for child in module.children():
                yield from self._applied(child)

    def _check(self, images: Tensor) -> None:
        if not isinstance(images, Tensor) or images.ndim != 4 or 0 in images.shape:
            found = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise ImageError(f"KorniaRecorder expected images (B, C, H, W), found {found}.")
        if not images.is_floating_point():
            raise ImageError(
                f"KorniaRecorder expected floating-point images in [0, 1], found {images.dtype}. "
                "Convert them: images.float() / 255."
            )
        if self._images_checked or images.is_meta:
            return
        low, high = torch.stack(torch.aminmax(images.detach().float())).tolist()
        # Normalized images may pass a pipeline that only moves pixels; Kornia clamps all others.
        limits = (0.0, 1.0) if self._photometric else (-10.0, 10.0)
        if not (low >= limits[0] - 1e-3 and high <= limits[1] + 1e-3):  # NaN is neither
            raise ImageError(
                f"KorniaRecorder expected images in [0, 1], found values from {low:.4g} to "
                f"{high:.4g}, which Kornia would clamp. Divide 0–255 images by 255 and normalize "
                "after the augmentation."
            )
        self._images_checked = True


def _is_host(module: nn.Module) -> bool:
    """Whether a module is of Kornia or PyTorch itself."""
    return type(module).__module__.split(".")[0] in {"kornia", "torch"}


def _kind(module: nn.Module) -> Any:
    """Say how a container runs its children."""
    chosen = getattr(module, "random_apply", False)
    if not chosen:
        return "sequence"
    return "one_of" if chosen == (1, 2) else "order"


def _repeats(module: nn.Module) -> bool:
    """Whether ``random_apply`` may choose a child twice: it draws more than there are weights."""
    chosen: Any = getattr(module, "random_apply", False)
    if not chosen:
        return False
    weights: Any = module.random_apply_weights
    return bool(chosen[1] - 1 > min(float(weights.sum()), int(weights.count_nonzero())))


def _packed(journal: Journal, batch_size: int) -> Tensor:
    """Stack a journal's columns into ``(B, P)``, on the device that Kornia drew them on."""
    columns = [value for entry in journal.settle().values() for value in entry]
    device = next((v.device for v in columns if isinstance(v, Tensor)), None)
    full = [
        v.to(device).expand(batch_size)
        if isinstance(v, Tensor)
        else torch.full((batch_size,), float(v), device=device)
        for v in columns
    ]
    return torch.stack(full, dim=-1).float()
