"""Why an adapter is not served. None of these reaches a client: it gets the base model, or a 404 from the gate."""

from typing import ClassVar


class AdapterFault(Exception):
    """Base of all. `reason` is one of a few words, for logs and metrics; `corrupt` ones are put into quarantine."""

    reason: ClassVar[str] = "failed"
    corrupt: ClassVar[bool] = False


class AdapterMissing(AdapterFault):
    """The registry, or the object store, does not have it, or it was revoked."""

    reason = "missing"


class StoreUnavailable(AdapterFault):
    """The registry or the object store does not answer; a later try may succeed."""

    reason = "unavailable"


class ManifestForged(AdapterFault):
    """The manifest is not signed by us."""

    reason = "unsigned"
    corrupt = True


class ManifestMismatch(AdapterFault):
    """The manifest speaks of another adapter, owner or base model than the one that was authorised."""

    reason = "mismatch"
    corrupt = True


class WeightsCorrupt(AdapterFault):
    """The weights are not those that were signed, or not safetensors of LoRA matrices that fit the manifest."""

    reason = "corrupt"
    corrupt = True


class BaseDiffers(AdapterFault):
    """The adapter was made for another base model than the one that is loaded."""

    reason = "other-base"


class ProbeFailed(AdapterFault):
    """The model with the adapter does not answer the probe as it must."""

    reason = "probe"


class NoRoom(AdapterFault):
    """The memory for adapters is taken by others that are in use or pinned."""

    reason = "no-room"


class FolderRefused(Exception):
    """A folder is not an adapter that can be served; the message is the sentence that says why."""


class NameTaken(Exception):
    """The name was given before, or the namespace is another person's; names are never given twice."""
