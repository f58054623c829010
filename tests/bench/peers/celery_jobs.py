"""Celery: acknowledged late, no results. `python celery_jobs.py COUNT` asks for so many; the worker is Celery's own."""

import os
import sys

from celery import Celery
from one_insert import insert

app = Celery("celery_jobs", broker=os.environ["BROKER_URL"])
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, task_ignore_result=True)


@app.task
def one(name):
    insert(name)


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        one.delay(str(number))
