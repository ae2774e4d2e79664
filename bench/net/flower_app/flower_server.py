"""The ServerApp: Flower's own FedAvg over an array of so many floats, as fast as it goes. A line for each round that is merged goes to a file."""
import time

import numpy
from flwr.app import ArrayRecord, MetricRecord
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()
client = ClientApp()


@app.main()
def main(grid, context):
    given = context.run_config
    while len(list(grid.get_node_ids())) < given["cohort"]:
        time.sleep(0.2)

    def merged(round_number, _arrays):
        with open(given["log"], "a", encoding="ascii") as file:
            file.write("%d %.3f\n" % (round_number, time.monotonic()))
        return MetricRecord({})

    strategy = FedAvg(fraction_train=1.0, fraction_evaluate=0.0, min_train_nodes=given["cohort"], min_available_nodes=given["cohort"])
    strategy.start(grid=grid, initial_arrays=ArrayRecord([numpy.zeros(given["floats"], numpy.float32)]), num_rounds=given["rounds"], evaluate_fn=merged)
