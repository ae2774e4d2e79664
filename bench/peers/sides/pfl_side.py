"""Federated averaging on pfl-research's simulator; `compare` starts one process a worker through torchrun."""

import dataclasses
import itertools
import os
import time

import numpy as np
import torch
from torch import nn

from pfl.aggregate.simulate import SimulatedBackend
from pfl.aggregate.weighting import WeightByDatapoints
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.central_evaluation import CentralEvaluationCallback
from pfl.data.dataset import Dataset
from pfl.data.federated_dataset import FederatedDataset
from pfl.hyperparam.base import NNEvalHyperParams, NNTrainHyperParams
from pfl.internal.ops import pytorch_ops
from pfl.metrics import Metrics, StringMetricName, Weighted
from pfl.model.pytorch import PyTorchModel

import work


class Network(nn.Module):
    """A task's model with the two methods that pfl asks for."""

    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def loss(self, x, y):
        self.layers.train()
        return nn.functional.cross_entropy(self.layers(x), y)

    @torch.no_grad()
    def metrics(self, x, y):
        return {"accuracy": Weighted(work.count_right(self.layers, x, y), len(y))}


class Shuffled(Dataset):
    """A user's examples in an order drawn anew for every epoch, which pfl leaves as they are."""

    def iter(self, batch_size):
        images, labels = self.raw_data
        order = torch.randperm(len(self))
        yield from zip(images[order].split(batch_size), labels[order].split(batch_size))


class Averaging(FederatedAveraging):
    """Without the evaluation of each user before and after training, which no other side does."""

    def get_next_central_contexts(self, *args, **kwargs):
        contexts, model, metrics = super().get_next_central_contexts(*args, **kwargs)
        if contexts is not None:        # None is the end
            contexts = tuple(dataclasses.replace(context, do_evaluation=False) for context in contexts)
        return contexts, model, metrics


class Evaluation(CentralEvaluationCallback):
    """pfl's evaluation on the other sides' calendar: it would look before round 1 and after rounds 11, 21, ..."""

    def __init__(self, task, dataset):
        super().__init__(dataset, model_eval_params=NNEvalHyperParams(local_batch_size=work.EVALUATION_BATCH))
        self._task = task
        self.accuracy = None

    def on_train_begin(self, *, model):
        return Metrics()

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        if not self._task.evaluates_after(central_iteration + 1):
            return False, Metrics()
        stop, metrics = self._eval(model)
        self.accuracy = metrics[StringMetricName("Central val | accuracy")].overall_value
        return stop, metrics


def main():
    task, workers, seed = work.arguments()
    rank = int(os.environ.get("RANK", 0))
    images, labels, test_images, test_labels = work.load(task.name)
    torch.manual_seed(seed)
    np.random.seed(seed)            # pfl seeds its users from this, in every process alike
    network = Network(work.model(task.name))
    model = PyTorchModel(network, local_optimizer_create=torch.optim.SGD,
                         central_optimizer=torch.optim.SGD(network.parameters(), lr=1.0))

    cohorts = np.random.default_rng(seed)       # the same draws in every process
    drawn = (user for _ in itertools.count() for user in work.draw_cohort(task, cohorts))
    users = FederatedDataset(lambda user: Shuffled((images[user], labels[user]), user_id=user), lambda: next(drawn))
    evaluation = Evaluation(task, Dataset((test_images, test_labels)))
    # After its first evaluation pfl knows that it may share them out; the warm-up shows it so.
    model.evaluate(Dataset((test_images[:10], test_labels[:10])))
    torch.manual_seed(seed * workers + rank)

    pytorch_ops.distributed.all_reduce([torch.zeros(1)])       # wait for each other
    begin_s = time.perf_counter()
    Averaging().run(
        algorithm_params=NNAlgorithmParams(central_num_iterations=task.rounds, evaluation_frequency=1,
                                           train_cohort_size=task.cohort, val_cohort_size=None),
        backend=SimulatedBackend(training_data=users, val_data=None, postprocessors=[WeightByDatapoints()]),
        model=model,
        model_train_params=NNTrainHyperParams(local_num_epochs=task.local_epochs, local_learning_rate=task.learning_rate,
                                              local_batch_size=task.batch),
        callbacks=[evaluation],
        send_metrics_to_platform=False)
    if rank == 0:
        work.report(task, workers, time.perf_counter() - begin_s, evaluation.accuracy)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()       # pfl leaves it
        os._exit(0)     # one exit in eight or so would abort in PyTorch's threads, after everything is done


if __name__ == "__main__":
    main()
