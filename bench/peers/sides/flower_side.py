"""Federated averaging on Flower's simulation engine (its Ray backend): a ServerApp, a ClientApp, one actor a worker."""

import os
import time

os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import torch
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

import work

task, workers, seed = work.arguments()
client_app = ClientApp()
server_app = ServerApp()


@client_app.train()
def train(message, context):
    device = context.node_config["partition-id"]
    images, labels, _, _ = work.load(task.name)
    network = work.model(task.name)
    network.load_state_dict(message.content["arrays"].to_torch_state_dict())
    work.train(network, images[device], labels[device], task)
    return Message(RecordDict({"arrays": ArrayRecord(network.state_dict()),
                               "metrics": MetricRecord({"num-examples": len(labels[device])})}), reply_to=message)


@client_app.query()
def warm_up(message, context):
    work.load(task.name)
    work.model(task.name)
    return Message(RecordDict({"actor": ConfigRecord({"pid": os.getpid()})}), reply_to=message)


@server_app.main()
def main(grid, context):
    _, _, test_images, test_labels = work.load(task.name)
    torch.manual_seed(seed)
    network = work.model(task.name)
    accuracy = None

    def evaluate(round_number, arrays):
        nonlocal accuracy
        if round_number == 0 or not task.evaluates_after(round_number):
            return None
        torch.set_num_threads(workers)      # the actors have nothing to do meanwhile
        network.load_state_dict(arrays.to_torch_state_dict())
        accuracy = work.count_right(network, test_images, test_labels) / len(test_labels)
        return MetricRecord({"accuracy": accuracy})

    while len(nodes := list(grid.get_node_ids())) < task.devices:
        time.sleep(0.1)
    actors = set()
    while len(actors) < workers:        # every one has started, loaded PyTorch and mapped the data
        queries = [Message(RecordDict(), dst_node_id=node, message_type="query") for node in nodes[:4 * workers]]
        actors |= {reply.content["actor"]["pid"] for reply in grid.send_and_receive(queries)}

    strategy = FedAvg(fraction_train=task.cohort / task.devices, fraction_evaluate=0.0)
    begin_s = time.perf_counter()
    strategy.start(grid=grid, initial_arrays=ArrayRecord(network.state_dict()), num_rounds=task.rounds,
                   evaluate_fn=evaluate)
    work.report(task, workers, time.perf_counter() - begin_s, accuracy)


if __name__ == "__main__":
    run_simulation(server_app, client_app, num_supernodes=task.devices, backend_config={
        "init_args": {"num_cpus": workers, "num_gpus": 0},
        "client_resources": {"num_cpus": 1, "num_gpus": 0.0}})
