"""What can go wrong with a local installation; every message is a sentence for the person at the terminal."""


class LocalError(Exception):
    """The local installation cannot do what was asked."""


class AlreadyRunning(LocalError):
    """Another supervisor owns the data folder."""


class NotRunning(LocalError):
    """No supervisor owns the data folder."""


class DataFolderUnusable(LocalError):
    """The data folder cannot be read or written, is somebody else's, or was written by a newer program."""


class PortTaken(LocalError):
    """The public port belongs to another program."""


class ProgramFailed(LocalError):
    """A program ended before it was ready."""
