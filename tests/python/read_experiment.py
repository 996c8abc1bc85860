"""Read an experiment with its runs: {"experiment": id} -> experiment."""

import json
import sys

from phoenix.client import Client

arguments = json.load(sys.stdin)
experiment = Client().experiments.get_experiment(experiment_id=arguments["experiment"])
json.dump(experiment, sys.stdout, default=str)
