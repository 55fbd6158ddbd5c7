"""MMPretrain's own SimCLR file with AugSelf, on a folder of pictures."""
# ruff: noqa: C408 - MM's files are written with dict(), and so are overridden key by key

_base_ = "mmpretrain::simclr/simclr_resnet50_8xb32-coslr-200e_in1k.py"
custom_imports = dict(imports=["augself_loss.adapters.mmpretrain"], allow_failed_imports=False)

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RecordedMultiView", num_views=2, transforms=[_base_.view_pipeline]),
    dict(type="PackInputs", algorithm_keys=("aug_params",)),
]
model = dict(
    type="AugSelf",
    algorithm="SimCLR",
    augself=dict(weights=dict(crop=1.0, color=1.0), pipeline=train_pipeline),
)
train_dataloader = dict(
    drop_last=True,
    # MMEngine 0.10 hands what comes from a package's file a "_scope_", which no collate takes.
    collate_fn=dict(_delete_=True, type="default_collate"),
    dataset=dict(
        _delete_=True,
        type="CustomDataset",
        data_prefix="pictures",
        with_label=False,
        pipeline=train_pipeline,
    ),
)
