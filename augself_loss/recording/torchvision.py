"""Records what a torchvision pipeline did to an image, in DataLoader workers too.

Reads torchvision's v1 and v2 transforms, on PIL images and tensors.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step
from augself_loss.errors import ImageError, PipelineError
from augself_loss.parameters import Layout, Record, unpack
from augself_loss.recording.catalogue import Catalogue, layout_of, unite
from augself_loss.recording.journal import Journal
from augself_loss.recording.plan import Branch, Leaf, Node, check_plan, is_listed, leaves
from augself_loss.recording.torchvision_taps import Apply, Reported, logged, tap

CONTAINERS = {"Compose": "sequence", "RandomApply": "sequence", "RandomChoice": "one_of",
              "RandomOrder": "order"}  # fmt: skip
FIXED = frozenset(
    {
        "ConvertImageDtype", "Grayscale", "Identity", "LinearTransformation", "Normalize",
        "PILToTensor", "RGB", "Resize", "ToDtype", "ToImage", "ToPILImage", "ToPureTensor",
        "ToTensor",
    }
)  # fmt: skip
"""torchvision's transforms without randomness that keep a view's fractional frame."""


class TorchvisionRecorder:
    """Runs a torchvision pipeline on an image and returns the view together with its record.

    The view is bit for bit that of the pipeline alone under the same seed. The recorder works on
    a copy of the pipeline, pickles with it, and so passes to DataLoader workers.

    Args:
        transform: a v1 or v2 pipeline: ``Compose``, ``RandomApply``, ``RandomChoice``,
            ``RandomOrder``, nested as you like, or a single transform.
        encoders: encoders of augmentations of your own (subclasses of v2's ``Transform``), or
            replacements of built-in ones.
        register: for any other random callable: the callable or its class → ``(encoder, apply)``,
            where ``apply(callable, image)`` returns the view and the encoder's columns, ``None``
            if it was not applied. It must be a module-level function to pass to workers.
        ignore: callables or classes whose randomness shall not be recorded.
        wrappers: your own classes that only run another pipeline → name of the attribute that
            holds it, e.g. ``{MyTransform: "transform"}``.
        types: types to record even if this pipeline never applies them (as the identity), so that
            two different pipelines give records with the same entries.

    Attributes:
        layout: entries of the record, see :class:`~augself_loss.parameters.Field`.
        encoders: encoders of the recorded types, with this pipeline's ranges.

    Raises:
        PipelineError: a random transform that is not known, or an order that no record can tell.

    Example:
        >>> recorder = TorchvisionRecorder(v2.RandomHorizontalFlip(p=1.0))
        >>> view, record = recorder(torch.rand(3, 8, 8))
        >>> record
        {'flip': tensor([1.])}
    """

    def __init__(
        self,
        transform: Any,
        *,
        encoders: Iterable[Encoder] = (),
        register: Mapping[Any, tuple[Encoder, Apply]] | None = None,
        ignore: Iterable[Any] = (),
        wrappers: Mapping[type, str] | None = None,
        types: Iterable[str] = (),
    ) -> None:
        registered, encoders = dict(register or {}), tuple(encoders)
        own = [*encoders, *(encoder for encoder, _ in registered.values())]
        self._catalogue = Catalogue("torchvision", own)
        wiring = _Wiring(self._catalogue, encoders, registered, tuple(ignore), wrappers or {})
        self.transform, plan = wiring.wire(transform)
        check_plan(plan)
        found = unite(leaf.encoder for leaf in leaves(plan))
        self.layout: Layout = layout_of(found, self._catalogue, list(types))
        self.encoders: tuple[Encoder, ...] = tuple(found.values())
        self._image_checked = False

    def __call__(self, image: Any) -> tuple[Any, Record]:
        """Augment one image.

        Args:
            image: PIL image, or tensor ``(C, H, W)``: uint8, or float in [0, 1].

        Returns:
            The view and its record, entries ``(columns,)`` float32 without a batch axis, which
            ``default_collate`` makes ``(B, columns)``.

        Raises:
            ImageError: float images in 0–255.
        """
        self._check(image)
        with logged() as steps:
            view = self.transform(image)
        if not self.layout:
            return view, {}
        journal = Journal(self.layout, self._catalogue.encoders)
        for step, reported in steps:
            journal.add(step, self._catalogue.read(step) if reported is None else reported)
        flat = [float(value) for entry in journal.settle().values() for value in entry]
        return view, unpack(torch.tensor(flat, dtype=torch.float32), self.layout)

    def _check(self, image: Any) -> None:
        if self._image_checked or not isinstance(image, Tensor):
            return
        if image.ndim < 3 or 0 in image.shape:
            raise ImageError(
                f"TorchvisionRecorder expected an image (C, H, W), found {tuple(image.shape)}."
            )
        if image.is_floating_point() and float(image.max()) > 10:
            raise ImageError(
                "TorchvisionRecorder expected float images in [0, 1], found values up to "
                f"{float(image.max()):.4g}, which torchvision would clamp. Divide them by 255, or "
                "pass uint8."
            )
        self._image_checked = True


class _Wiring:
    """Copies a pipeline and makes its transforms note what they do."""

    def __init__(
        self,
        catalogue: Catalogue,
        own: Iterable[Encoder],
        register: Mapping[Any, tuple[Encoder, Apply]],
        ignore: tuple[Any, ...],
        wrappers: Mapping[type, str],
    ) -> None:
        self.catalogue, self.own = catalogue, tuple(own)
        self.register, self.ignore, self.wrappers = register, ignore, wrappers

    def wire(self, transform: Any) -> tuple[Any, Node]:
        """Return a copy that notes what it does, and the plan of what it holds."""
        cls, name = type(transform), getattr(transform, "__name__", type(transform).__name__)
        if is_listed(transform, self.ignore):
            return transform, Branch("sequence", ())
        for key, (encoder, apply) in self.register.items():
            if is_listed(transform, (key,)):
                return Reported(transform, encoder.name, apply), Leaf(name, encoder)
        if cls in self.wrappers:
            return self._wire_wrapper(transform, self.wrappers[cls])
        if cls is nn.Identity or (_is_torchvision(cls) and name in FIXED):
            return transform, Branch("sequence", ())
        if cls is nn.Sequential or (_is_torchvision(cls) and name in CONTAINERS):
            return self._wire_container(transform)
        if self._tappable(cls):
            return self._wire_leaf(transform)
        raise PipelineError(
            f"TorchvisionRecorder does not know '{name}' and cannot say what it did to a view. "
            f"Say how to run and read it (register={{{name}: (encoder, apply)}}), or leave it out "
            f"of the record on purpose (ignore=[{name}])."
        )

    def _wire_wrapper(self, wrapper: Any, attribute: str) -> tuple[Any, Node]:
        child, plan = self.wire(getattr(wrapper, attribute))
        wired = _copied(wrapper)
        setattr(wired, attribute, child)
        return wired, plan

    def _wire_container(self, container: Any) -> tuple[Any, Node]:
        children = container if isinstance(container, nn.Sequential) else container.transforms
        wired = [self.wire(child) for child in children]
        kind: Any = CONTAINERS.get(type(container).__name__, "sequence")
        plan = Branch(kind, [plan for _, plan in wired])
        return _rebuilt(container, [child for child, _ in wired]), plan

    def _wire_leaf(self, transform: Any) -> tuple[Any, Node]:
        wired = copy.deepcopy(transform)
        step = Step(type(transform).__name__, {}, vars(wired), (0, 0))
        encoder = self.catalogue.encoder(step)
        if encoder is None:
            return transform, Branch("sequence", ())
        tap(wired)
        return wired, Leaf(step.name, encoder)

    def _tappable(self, cls: type) -> bool:
        """Whether some encoder reads a transform of this class, and it can be made to note."""
        if _is_torchvision(cls):
            return self.catalogue.knows(cls.__name__)
        # A user's class may bear torchvision's name: only the user's own encoders read it.
        return issubclass(cls, v2.Transform) and any(
            cls.__name__ in encoder.torchvision for encoder in self.own
        )


def _is_torchvision(cls: type) -> bool:
    """Whether a class is torchvision's own; another library may use the same name."""
    return cls in (getattr(v1, cls.__name__, None), getattr(v2, cls.__name__, None))


def _copied(transform: Any) -> Any:
    """Copy a transform so that other children can be set without touching the original's."""
    copied = copy.copy(transform)
    if isinstance(transform, nn.Module):
        copied._modules = dict(transform._modules)
    return copied


def _rebuilt(container: Any, children: list[Any]) -> Any:
    """Copy a container with other children; a ModuleList stays one."""
    if isinstance(container, nn.Sequential):
        return nn.Sequential(*children)
    rebuilt = _copied(container)
    is_modules = isinstance(container.transforms, nn.ModuleList)
    rebuilt.transforms = nn.ModuleList(children) if is_modules else children
    return rebuilt
