"""What the OpenAPI document says of the uploads' forms: their handlers read the body piece by piece, so nobody else can tell."""

from dataclasses import dataclass

from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    Reference,
    RequestBody,
    Schema,
)

FILE = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, description="the file, with its name")
COURSE = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.UUID)
TITLE = Schema(
    type=OpenAPIType.STRING, min_length=1, max_length=300, description="what readers see; the file's name unless given"
)


def _form(required: list[str], properties: dict[str, Reference | Schema]) -> RequestBody:
    schema = Schema(type=OpenAPIType.OBJECT, required=required, properties=properties)
    return RequestBody(required=True, content={"multipart/form-data": OpenAPIMediaType(schema=schema)})


@dataclass
class UploadOperation(Operation):
    """A new document."""

    def __post_init__(self) -> None:
        self.request_body = _form(["file", "course_id"], {"file": FILE, "course_id": COURSE, "title": TITLE})


@dataclass
class VersionOperation(Operation):
    """A new version of a document."""

    def __post_init__(self) -> None:
        self.request_body = _form(["file"], {"file": FILE})
