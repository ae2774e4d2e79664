"""Federated averaging as a bare PyTorch loop: what anybody would write without a framework, one process a core.

Every process trains its share of the cohort, adds the weights up in shared memory and waits for the others.
"""

import time

import numpy as np
import torch
import torch.multiprocessing as multiprocessing
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import work


def run(rank, task, workers, seed, first_weights, sums, right, barrier):
    torch.manual_seed(seed * workers + rank)
    images, labels, test_images, test_labels = work.load(task.name)
    mine = slice(rank * len(test_labels) // workers, (rank + 1) * len(test_labels) // workers)
    network = work.model(task.name)
    cohorts = np.random.default_rng(seed)       # the same draws in every process
    weights = first_weights.clone()

    barrier.wait()
    begin_s = time.perf_counter()
    for round_number in range(1, task.rounds + 1):
        cohort = work.draw_cohort(task, cohorts)
        # Two sets of sums in turn: a fast process may start on the next round while a slow one still reads this one.
        total = sums[round_number % 2]
        total[rank].zero_()
        for device in cohort[rank::workers]:
            trained = weights.clone()
            vector_to_parameters(trained, network.parameters())     # they become views into it
            work.train(network, images[device], labels[device], task)
            total[rank].add_(trained, alpha=len(labels[device]))
        barrier.wait()
        weights = total.sum(0) / sum(len(labels[device]) for device in cohort)
        if task.evaluates_after(round_number):
            vector_to_parameters(weights, network.parameters())
            right[rank] = work.count_right(network, test_images[mine], test_labels[mine])
            barrier.wait()
    if rank == 0:
        wall_time_s = time.perf_counter() - begin_s
        work.report(task, workers, wall_time_s, right.sum().item() / len(test_labels))


def main():
    task, workers, seed = work.arguments()
    work.load(task.name)
    torch.manual_seed(seed)
    first_weights = parameters_to_vector(work.model(task.name).parameters()).detach()
    sums = torch.zeros(2, workers, len(first_weights)).share_memory_()
    right = torch.zeros(workers, dtype=torch.int64).share_memory_()
    context = multiprocessing.get_context("fork")
    shared = (task, workers, seed, first_weights, sums, right, context.Barrier(workers))
    processes = [context.Process(target=run, args=(rank, *shared)) for rank in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("torch_loop: a process failed")


if __name__ == "__main__":
    main()
