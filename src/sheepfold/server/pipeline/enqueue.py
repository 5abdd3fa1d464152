"""Hands work to the background, after the commit of the transaction that made it necessary."""

from enum import StrEnum

from django.db import transaction


class Job(StrEnum):
    """The tasks of `pipeline.tasks`, by name."""

    ANALYSE = "analyse"
    SEAL = "seal"
    ENCODE_VIDEO = "encode_video"
    VERIFY = "verify"


def enqueue_on_commit(job: Job, number: int) -> None:
    """If the process dies between commit and queue, or the queue takes nothing (its disk is full, its connection cut),
    the timer `requeue_lost` finds the row and enqueues it. What was committed is answered as such."""
    transaction.on_commit(lambda: _enqueue(job, number), robust=True)


def _enqueue(job: Job, number: int) -> None:
    from sheepfold.server.pipeline import (
        tasks,
    )  # tasks call the steps, which enqueue: imported when all are loaded

    getattr(tasks, job.value)(number)
