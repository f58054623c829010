"""What goes wrong with jobs: towards people, and inside one."""

from backend.errors import Conflict, InputError, LyceumError, NotFound


class JobNotFound(NotFound):
    """There is no such job, or it is another person's."""

    type = "job-not-found"
    title = "Job not found"

    def __init__(self) -> None:
        super().__init__("There is no such job.")


class JobOver(Conflict):
    """The job has ended; `detail` names the state it is in."""

    type = "job-over"
    title = "Job is over"

    def __init__(self, state: str) -> None:
        super().__init__(f"The job is {state}.")
        self.state = state


class JobNotCancellable(Conflict):
    """The job keeps what people see true to what was decided; it runs to its end."""

    type = "job-not-cancellable"
    title = "Job cannot be cancelled"

    def __init__(self) -> None:
        super().__init__("Jobs of this kind run to their end.")


class JobStateForbids(Conflict):
    """The act is not possible in the state the job is in, which `detail` names."""

    type = "job-state-forbids"
    title = "Not in this state"

    def __init__(self, state: str, needed: str) -> None:
        super().__init__(f"The job is {state}; {needed}")
        self.state = state


class JobReplaced(Conflict):
    """Another job, which has not ended, does the same work."""

    type = "job-replaced"
    title = "Job replaced"

    def __init__(self) -> None:
        super().__init__("Another job that has not ended does this work.")


class JobObsolete(Conflict):
    """Doing the job again would be of no use: what it is about has changed, or what it belongs to has ended."""

    type = "job-obsolete"
    title = "Job obsolete"


class WorkerNotFound(NotFound):
    """There is no such worker."""

    type = "worker-not-found"
    title = "Worker not found"

    def __init__(self) -> None:
        super().__init__("There is no such worker.")


class WorkerStopped(Conflict):
    """The worker has stopped already."""

    type = "worker-stopped"
    title = "Worker stopped"

    def __init__(self) -> None:
        super().__init__("The worker is stopped.")


class QueueNotFound(NotFound):
    """There is no such queue."""

    type = "queue-not-found"
    title = "Queue not found"

    def __init__(self) -> None:
        super().__init__("There is no such queue.")


class ScheduleNotFound(NotFound):
    """There is no such schedule for this person."""

    type = "schedule-not-found"
    title = "Schedule not found"

    def __init__(self) -> None:
        super().__init__("There is no such schedule.")


class ScheduleNameTaken(Conflict):
    """Another schedule has this name."""

    type = "schedule-name-taken"
    title = "Schedule's name taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"A schedule is called {name}.")


class ScheduleRefused(LyceumError):
    """The schedule could never do what it says: its times never come, or no such job can be made; `errors` points at it."""

    type = "schedule-refused"
    status = 422
    title = "Schedule refused"

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail, errors=[InputError(pointer=pointer, detail=detail)])


class JobStopped(Exception):
    """Somebody asked to cancel the job that runs: leave off between two steps."""


class PermanentFailure(Exception):
    """Trying again would end the same way; the job is dead at once. `detail` is shown to its owner."""

    def __init__(self, type: str, detail: str) -> None:  # noqa: A002 - the word of the API
        super().__init__(detail)
        self.type = type
        self.detail = detail
