"""The local vector server: the part of Qdrant's REST API that `rag.store` uses, over the qdrant-edge engine.

`app` answers HTTP in one process; `worker` owns the files in a child process, because every engine call holds the GIL.
"""
