"""Describe the command line's changes in words: the part of the treatment that the file does not show."""

import json

from bench.spec.experiment import groups
from bench.spec.images import is_of_another_shape
from bench.spec.tables import Spec, merged_network, merged_training
from infogan.data.base import one_line


def treatment_set(spec: Spec, name: str, profile: str) -> list[str]:
    """The command line's changes to an experiment, each as ``training.beta1 = 0.9 (mine.toml: 0.5)``."""
    experiment = spec.given.file.experiments.get(name) if spec.given.file else None
    budget = experiment.profiles.get(profile) if experiment else None
    if spec.given.file is None or experiment is None or budget is None:
        return []
    of_arms = groups(experiment, experiment.arms)
    images, words = spec.given.images, []
    if images is not None and name in images.experiments:
        asked, was = images.instead_of(experiment.wanted_data), experiment.wanted_data
        how = f"{asked.size}x{asked.size} {asked.colour}{', resized' if asked.resize else ''}"
        how += f", networks of {asked.architecture}" if is_of_another_shape(asked, was) else ""
        named = was if isinstance(was, str) else was.folder.name
        words.append(f"data = {one_line(images.place.name)}, {how} ({spec.given.name}: {named})")
    for setting in spec.given.settings:
        if setting.table == "profile":
            found = [vars(budget)[setting.field]]
        elif setting.table == "network":
            found = [merged_network(spec.given.file, experiment, v).get(setting.field) for v in dict(of_arms)]
        else:
            found = [merged_training(spec.given.file, experiment, *group).get(setting.field) for group in of_arms]
        stated = dict.fromkeys("unstated" if value is None else json.dumps(value) for value in found)
        words.append(f"{setting.name} = {json.dumps(setting.value)} ({spec.given.name}: {', '.join(stated)})")
    return words
