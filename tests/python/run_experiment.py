"""Run an experiment over a dataset of numbers: {"dataset": name, "name": text} -> {"experiment_id"}."""

import contextlib
import json
import sys

from phoenix.client import Client

arguments = json.load(sys.stdin)
client = Client()
dataset = client.datasets.get_dataset(dataset=arguments["dataset"], timeout=60)


def task(input):
    return input["number"] * 10


def is_even(input, output):
    return float(input["number"] % 2 == 0)


# It reports to standard output, where the answer goes.
with contextlib.redirect_stdout(sys.stderr):
    experiment = client.experiments.run_experiment(
        dataset=dataset,
        task=task,
        evaluators=[is_even],
        experiment_name=arguments["name"],
    )
json.dump({"experiment_id": experiment["experiment_id"]}, sys.stdout)
