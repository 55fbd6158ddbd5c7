"""Everything that is measured of one network, section by section."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, TypeAlias

from torch import Tensor, nn

from augself_loss import Encoder
from augself_loss.diagnostics import Probe, Transformed
from augself_loss.recording.kornia import KorniaRecorder
from transfer.data.sets import Setting, Task
from transfer.evaluation.checks import check_setting
from transfer.evaluation.equivariance import changed_views, equivariance
from transfer.evaluation.features import AS_THEY_ARE, Inputs, extract
from transfer.evaluation.few_shot import few_shot
from transfer.evaluation.in_domain import nearest_neighbours, ridge
from transfer.evaluation.linear import linear
from transfer.evaluation.localization import localization
from transfer.evaluation.readability import Pairs, readability, view_pairs
from transfer.evaluation.retrieval import retrieval
from transfer.evaluation.settings import EvaluationSettings

Jobs: TypeAlias = dict[str, Callable[[], Any]]
"""What a section measures: name → what measures it."""
Report: TypeAlias = Callable[[str, float], None]
"""Called before every job with its name and the part of all jobs that is done."""


def evaluate(
    backbone: nn.Module,
    setting: Setting,
    recorder: KorniaRecorder,
    *,
    settings: EvaluationSettings,
    inputs: Inputs = AS_THEY_ARE,
    replays: KorniaRecorder | None = None,
    only: Collection[str] | None = None,
    done: Mapping[str, Any] | None = None,
    save: Callable[[dict[str, Any]], None] | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Measure what a network's frozen features are worth.

    Args:
        backbone: maps float ``(B, 3, S, S)`` to ``(B, D)``. It is left as it was.
        setting: the pictures.
        recorder: makes views of a batch of held-out pictures and their record; the types that it
            records are read from the features.
        settings: how to measure; the same for runs that are compared.
        inputs: how pictures are handed to the network.
        replays: makes and replays the views of the section ``equivariance``, if not ``recorder``:
            one that is faster will do, since no older numbers are compared with.
        only: sections to measure; all by default.
        done: metrics that are known already: their sections are not measured again.
        save: called with all metrics after every section, so that an interrupted evaluation can
            go on from there.
        report: called before every job, and with 1.0 at the end.

    Returns:
        ``done`` and the sections ``linear``, ``few_shot``, ``localization``, ``readability``,
        ``readability_mlp``, ``equivariance``, ``in_domain`` and ``retrieval``: numbers, texts,
        lists and dicts, as JSON holds them.

    Raises:
        ValueError: a task that cannot be evaluated, before the network is run.
    """
    check_setting(setting, settings)
    metrics = dict(done or {})
    recorders = recorder, replays or recorder
    network = _Network(backbone, setting, recorders, settings, inputs)
    sections = {
        name: jobs
        for name, jobs in network.sections().items()
        if name not in metrics and (only is None or name in only)
    }
    total, finished = sum(map(len, sections.values())), 0
    for section, jobs in sections.items():
        results = {}
        for name, job in jobs.items():
            if report is not None:
                report(f"{section}: {name}", finished / total)
            results[name] = job()
            finished += 1
        metrics[section] = results
        if save is not None:
            save(metrics)
    if report is not None:
        report("evaluated", 1.0)
    return metrics


class _Network:
    """A network with all that it is tested on; features are computed when first asked for."""

    def __init__(
        self,
        backbone: nn.Module,
        setting: Setting,
        recorders: tuple[KorniaRecorder, KorniaRecorder],
        settings: EvaluationSettings,
        inputs: Inputs,
    ) -> None:
        self.backbone, self.setting, self.settings, self.inputs = (
            backbone,
            setting,
            settings,
            inputs,
        )
        self.recorder, self.replays = recorders
        self._features: dict[int, Tensor] = {}
        self._pairs: Pairs | None = None
        self._changed: tuple[dict[str, Transformed], ...] = ()

    def sections(self) -> dict[str, Jobs]:
        tasks, held_out = self.setting.tasks, self.setting.held_out
        whole = {name: task for name, task in tasks.items() if task.linear}
        numbers = [e for e in self.recorder.encoders if e.kind == "regression"]
        return {
            "linear": {name: partial(self.linear, task) for name, task in whole.items()},
            "few_shot": {n: partial(self.few_shot, t) for n, t in tasks.items() if t.few_shot},
            "localization": {
                name: partial(self.localization, task, task.boxes)
                for name, task in tasks.items()
                if task.boxes is not None
            },
            "readability": {
                encoder.name: partial(self.readability, encoder)
                for encoder in self.recorder.encoders
            },
            "readability_mlp": {e.name: partial(self.readability, e, "mlp") for e in numbers},
            "equivariance": {e.name: partial(self.equivariance, e.name) for e in numbers},
            "in_domain": {
                "linear": partial(self.ridge, held_out),
                "knn": partial(self.nearest_neighbours, held_out),
            },
            "retrieval": {n: partial(self.retrieval, t) for n, t in whole.items() if t.views == 1},
        }

    def features(self, task: Task) -> Tensor:
        key = id(task.pictures)  # two tasks may ask two things of the same pictures
        if key not in self._features:
            self._features[key] = extract(self.backbone, task.pictures, self.inputs)
        return self._features[key].view(len(task.labels), -1)

    def linear(self, task: Task) -> dict[str, Any]:
        found = linear(
            self.features(task),
            task.labels,
            task.folds,
            metric=task.metric,
            groups=task.groups,
            settings=self.settings,
        )
        return {**found, "lives_on": task.lives_on}

    def few_shot(self, task: Task) -> dict[str, dict[str, Any]]:
        return few_shot(self.features(task), task.labels, settings=self.settings)

    def localization(self, task: Task, boxes: Tensor) -> dict[str, Any]:
        return localization(self.features(task), boxes, task.folds, groups=task.groups)

    def readability(self, encoder: Encoder, probe: Probe = "ridge") -> dict[str, Any]:
        if self._pairs is None:
            self._pairs = view_pairs(
                self.backbone,
                self.setting.held_out,
                self.recorder,
                settings=self.settings,
                inputs=self.inputs,
            )
        return readability(self._pairs, encoder, probe)

    def equivariance(self, kind: str) -> dict[str, Any]:
        if not self._changed:
            self._changed = changed_views(
                self.backbone,
                self.setting.held_out,
                self.replays,
                settings=self.settings,
                inputs=self.inputs,
            )
        fit, test = self._changed
        return equivariance(fit[kind], test[kind])

    def ridge(self, task: Task) -> dict[str, Any]:
        return ridge(
            self.features(task),
            task.labels,
            task.folds,
            metric=task.metric,
            solver=self.settings.solver,
        )

    def nearest_neighbours(self, task: Task) -> float:
        return nearest_neighbours(
            self.features(task), task.labels, task.folds, metric=task.metric, settings=self.settings
        )

    def retrieval(self, task: Task) -> dict[str, Any]:
        return retrieval(self.features(task), task.labels, task.folds, settings=self.settings)
