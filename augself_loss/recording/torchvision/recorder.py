"""Records what a torchvision pipeline did to an image, in DataLoader workers too.

Reads torchvision's v1 and v2 transforms, on PIL images and tensors.
"""

from __future__ import annotations

from typing import Any

from PIL.Image import Image
from torch import Tensor
from torchvision import tv_tensors

from augself_loss.errors import ImageError
from augself_loss.recording.recorder import CallableRecorder
from augself_loss.recording.torchvision.images import check_one
from augself_loss.recording.torchvision.samples import image_in, is_sample, parts_of
from augself_loss.recording.torchvision.wiring import Wiring


class TorchvisionRecorder(CallableRecorder):
    """Runs a torchvision pipeline on an image and returns the view with its record.

    Under the same seed, the view is bit for bit the pipeline's own. A v2 pipeline also takes a
    sample: ``recorder(image, mask)``, a tuple, list or dict, with masks and boxes as ``tv_tensors``
    and anything else. All of it is augmented together and comes back as the pipeline returns it;
    the record is the image's. A sample has one image.

    The recorder works on twins of the pipeline's transforms, which share their attributes: a
    probability, strength or range that you change in place holds from the next call on. Other
    steps, or a range wider than the encoders were built for, are then refused. It pickles with the
    pipeline, and so passes to DataLoader workers; these see the pipeline as it was when they
    started. :class:`~augself_loss.recording.recorder.CallableRecorder` has the options in full.

    Args:
        transform: a v1 or v2 pipeline: ``Compose``, ``RandomApply``, ``RandomChoice``,
            ``RandomOrder``, nested as you like, or a single transform. Classes of your own whose
            ``__call__`` only draws numbers and hands them to PIL's ``ImageFilter.GaussianBlur`` or
            ``ImageOps.solarize`` are recognised by their code.
        encoders: encoders for your own v2 ``Transform`` classes, or replacements for built-in ones.
        register: for any other random callable: it or its class → ``(encoder, apply)``.
        ignore: callables or classes whose randomness is not recorded.
        wrappers: your own classes that only run another pipeline → the attribute that holds it.
        types: types to record even if this pipeline never applies them (as the identity).
        still: callables that, as built, are never applied.

    Attributes:
        layout: entries of the record, see :class:`~augself_loss.parameters.Field`.
        encoders: encoders of the recorded types, with this pipeline's ranges.

    Raises:
        PipelineError: an unknown random transform, one without randomness (Normalize, Resize) that
            a container applies at random, or an order that no record can express.

    Example:
        >>> from torchvision.transforms import v2
        >>> recorder = TorchvisionRecorder(v2.RandomHorizontalFlip(p=1.0))
        >>> view, record = recorder(torch.rand(3, 8, 8))
        >>> record
        {'flip': tensor([1.])}
        >>> from torchvision.tv_tensors import Image, Mask
        >>> (image, mask), record = recorder(Image(torch.rand(3, 8, 8)), Mask(torch.eye(8)))
        >>> mask[0].argmax()
        tensor(7)
    """

    wiring = Wiring
    _image_checked = False

    def check(self, image: Any) -> None:
        """Refuse a batch, several images, and float images in 0–255.

        Args:
            image: PIL image, or tensor ``(C, H, W)``: uint8, or float in [0, 1]; or a sample.

        Raises:
            ImageError: it is one of these.
        """
        if isinstance(image, Image):
            return
        check_one(image, "TorchvisionRecorder")
        if isinstance(image, dict):  # a pipeline without torchvision's may read it otherwise
            if self._image_checked:
                return
            marked = (one for one in parts_of(image) if isinstance(one, tv_tensors.Image))
            image = next(marked, None)
            check_one(image, "TorchvisionRecorder")
        elif is_sample(image):
            image = image_in(parts_of(image), "TorchvisionRecorder")
            check_one(image, "TorchvisionRecorder")
        if self._image_checked or not isinstance(image, Tensor):
            return
        if image.is_floating_point() and float(image.max()) > 10:
            raise ImageError(
                "TorchvisionRecorder expected floating-point images in [0, 1], found values up to "
                f"{float(image.max()):.4g}, which torchvision would clamp. Divide them by 255, or "
                "pass uint8."
            )
        self._image_checked = True
