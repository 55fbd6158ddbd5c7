"""SimCLR of solo-learn 1.0.2 (PyPI), with its own transforms, data loader and Lightning.

The lines marked "+ AugSelf" were added to the plain script: the recorder runs solo-learn's own
transform and notes what it did, and the loss predicts from the backbone's features what differs
between the views. Without them it still runs. In solo-learn's `main_pretrain.py` they go below
`transform = ...`. In 1.0.6 (source) the transforms come from `solo.data` and a method takes one
config; the added lines are the same.

    pip install --no-deps solo-learn==1.0.2 pytorch-lightning==1.6.5.post0
    pip install --no-deps lightning-bolts==0.7.0 timm==0.4.12 pyDeprecate==0.3.2
    pip install torchmetrics tensorboard scipy tqdm PyYAML 'setuptools<81'
    python examples/solo_learn_simclr.py
"""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from _shared import hosting, images
from _shared.means import Means
from pytorch_lightning.loggers import CSVLogger
from solo.methods import METHODS
from solo.utils.pretrain_dataloader import (
    dataset_with_index,
    prepare_dataloader,
    prepare_n_crop_transform,
    prepare_transform,
)

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.solo_learn import SoloRecorder, add_augself  # + AugSelf

METHOD: dict[str, Any] = {"proj_output_dim": 128, "proj_hidden_dim": 512, "temperature": 0.2}
BACKBONE: dict[str, Any] = {"encoder": "resnet18", "backbone_args": {"cifar": False}}
OPTIMIZER: dict[str, Any] = {
    "optimizer": "adamw", "lr": 1e-3, "classifier_lr": 1e-3, "weight_decay": 1e-4, "lars": False,
    "exclude_bias_n_norm": False, "accumulate_grad_batches": 1, "extra_optimizer_args": {},
    "scheduler": "warmup_cosine", "min_lr": 0.0, "warmup_start_lr": 1e-3, "warmup_epochs": 0,
}  # fmt: skip
DATA: dict[str, Any] = {"num_classes": 1, "num_large_crops": 2, "num_small_crops": 0}
"""The pictures have no labels for solo-learn's online classifier: all are of one class."""


class Report(pl.Callback):
    """Keeps all that was logged, to print its means over the first epoch and over the last."""

    def __init__(self) -> None:
        self.means = Means()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Begin an epoch."""
        self.means.begin_epoch()

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Keep what the step logged."""
        logged = trainer.callback_metrics
        self.means.add({n: v for n, v in logged.items() if n.startswith(("train_nce", "augself"))})


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=3)
    jitter = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
    blur = {"gaussian_prob": 0.0}
    view = prepare_transform("cifar10", **jitter, **blur, crop_size=hosting.VIEW, min_scale=0.2)
    transform = prepare_n_crop_transform([view], num_crops_per_aug=[2])
    size = {"max_epochs": args.epochs, "batch_size": args.batch}
    model = METHODS["simclr"](**METHOD, **BACKBONE, **OPTIMIZER, **DATA, **size)
    transform = SoloRecorder(transform)  # + AugSelf
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    augself = AugSelfLoss(model.features_dim, weights, encoders=transform.encoders)  # + AugSelf
    add_augself(model, augself, transform)  # + AugSelf
    dataset = dataset_with_index(images.Pictures)(hosting.pictures(args), transform=transform)
    batches = prepare_dataloader(dataset, batch_size=args.batch, num_workers=args.workers)

    report, logger = Report(), CSVLogger("runs", name=args.name)
    trainer = pl.Trainer(
        max_epochs=args.epochs,
        logger=logger,
        callbacks=[report],
        log_every_n_steps=1 if args.smoke else 5,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(model, batches)
    report.means.show()
    print(f"Everything is in {logger.log_dir}")


if __name__ == "__main__":
    main()
