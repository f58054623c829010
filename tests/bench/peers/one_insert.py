"""What each job does in both peers: one INSERT, committed, over a connection that its thread keeps."""

import os
import threading

import psycopg

_of_thread = threading.local()


def insert(name: str) -> None:
    connection = getattr(_of_thread, "connection", None)
    if connection is None:
        connection = _of_thread.connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    connection.execute("INSERT INTO done (name) VALUES (%s)", (name,))
