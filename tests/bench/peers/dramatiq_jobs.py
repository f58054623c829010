"""Dramatiq as it comes. `python dramatiq_jobs.py COUNT` asks for so many; the worker is Dramatiq's own."""

import os
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from one_insert import insert

dramatiq.set_broker(RedisBroker(url=os.environ["BROKER_URL"]))


@dramatiq.actor
def one(name):
    insert(name)


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        one.send(str(number))
