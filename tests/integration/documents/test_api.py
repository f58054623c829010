"""Documents over HTTP, with worker and clock at work."""

import hashlib
import re
import time
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.integration.documents.conftest import READY_SECONDS, Site
from tests.integration.documents.test_ingestion import MARKDOWN
from tests.processes import until

DATA = Path(__file__).parents[2] / "data" / "documents"


def test_upload_to_ready_and_everything_a_reader_gets(site: Site) -> None:
    answer = site.upload(MARKDOWN, "week 1.md", title="First week")
    assert answer.status_code == 202, answer.text
    accepted = answer.json()
    assert set(accepted) >= {"id", "job_id", "state"}
    assert accepted["state"] == "queued"

    document = site.ended(accepted["id"])
    assert (document["state"], document["title"], document["serving_version"]) == ("ready", "First week", 1)

    student = site["student"]
    (listed,) = student.get("/documents", params={"course_id": str(site.course_id)}).json()["items"]
    assert listed["id"] == accepted["id"]
    text = student.get(f"/documents/{accepted['id']}/text").json()
    assert text["version"] == 1
    chunks = student.get(f"/documents/{accepted['id']}/chunks", params={"limit": 1}).json()
    seen = list(chunks["items"])
    while chunks["next_cursor"]:
        params = {"limit": 1, "cursor": chunks["next_cursor"]}
        chunks = student.get(f"/documents/{accepted['id']}/chunks", params=params).json()
        seen += chunks["items"]
    assert len(seen) == document["passages"]
    assert all(text["text"][chunk["char_start"] : chunk["char_end"]] == chunk["text"] for chunk in seen)

    file = student.get(f"/documents/{accepted['id']}/file")
    assert file.content == MARKDOWN
    assert file.headers["content-disposition"].startswith('attachment; filename="week 1.md"')
    assert file.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in file.headers["content-security-policy"]
    assert int(file.headers["content-length"]) == len(MARKDOWN)


def test_the_same_bytes_in_the_same_course_are_the_same_document(site: Site) -> None:
    first = site.upload(b"# Same\n\nThese words stand twice.", "a.md")
    again = site.upload(b"# Same\n\nThese words stand twice.", "b.md")
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]


def test_jobs_tell_how_far_they_are(site: Site) -> None:
    accepted = site.upload(b"# Job\n\nSomething to be read by a job.", "job.md").json()
    site.ended(accepted["id"])
    job = site["lecturer"].get(f"/jobs/{accepted['job_id']}").json()
    assert (job["kind"], job["state"], job["attempts"], job["error"]) == ("documents.ingest", "succeeded", 1, None)
    events = site["lecturer"].get(f"/jobs/{accepted['job_id']}/events").json()
    assert events["done"]
    assert [event["seq"] for event in events["items"]] == list(range(1, len(events["items"]) + 1))
    stages = [event["data"]["stage"] for event in events["items"] if event["type"] == "progress"]
    assert list(dict.fromkeys(stages)) == ["parsing", "chunking", "embedding", "indexing"]
    with site["lecturer"].stream(
        "GET", f"/jobs/{accepted['job_id']}/events", headers={"Accept": "text/event-stream", "Last-Event-ID": "1"}
    ) as stream:
        frames = "".join(stream.iter_text()).strip().split("\n\n")
    assert frames[0] == "retry: 1000"
    assert [frame.split("\n")[0] for frame in frames[1:]] == [f"id: {event['seq']}" for event in events["items"][1:]]
    cancelled = site["lecturer"].post(f"/jobs/{accepted['job_id']}/cancel")
    assert cancelled.status_code == 409
    assert "succeeded" in cancelled.json()["detail"]
    for stranger in ("student", "foreigner"):
        assert site[stranger].get(f"/jobs/{accepted['job_id']}").status_code == 404
    assert site["administrator"].get(f"/jobs/{accepted['job_id']}").status_code == 200
    mine = site["lecturer"].get("/jobs", params={"subject_id": accepted["id"]}).json()["items"]
    assert [job["id"] for job in mine] == [accepted["job_id"]]
    assert site["student"].get("/jobs").json()["items"] == []


@pytest.mark.long
def test_counts_are_seen_while_a_document_is_read(site: Site) -> None:
    """By the document, by its row on the course's page, and by the job's events."""
    many = "".join(
        f"# Part {n}\n\n" + f"Sentence {n} of the long book speaks of number {n}. " * 25 + "\n\n" for n in range(120)
    )
    accepted = site.upload(many.encode(), "book.md").raise_for_status().json()
    course = f"/courses/{site.course_id}"
    seen: dict[tuple[str, int, int], str] = {}

    def over() -> bool:
        document = site["lecturer"].get(f"/documents/{accepted['id']}").raise_for_status().json()
        progress = document["progress"]
        if 0 < progress["done"] < progress["total"]:
            seen[document["state"], progress["done"], progress["total"]] = site.page("lecturer", course)
        return document["state"] in ("ready", "failed")

    until(over, READY_SECONDS, lambda: str(list(seen)))

    passages = site["lecturer"].get(f"/documents/{accepted['id']}").json()["passages"]
    halfway = [(done, total) for state, done, total in seen if state == "embedding"]
    assert halfway == sorted(halfway)
    assert {total for _, total in halfway} == {passages}
    bars = re.compile(rf'<progress max="{passages}" value="(\d+)"')
    shown = {int(bar[1]) for page in seen.values() for bar in bars.finditer(page)}
    assert any(0 < done < passages for done in shown)
    assert any(f"{done} of {passages}" in page for done in shown for page in seen.values())
    assert f"of {passages}" not in site.page("lecturer", course), "it has ended"
    events = site["lecturer"].get(f"/jobs/{accepted['job_id']}/events").json()["items"]
    counts = [
        (each["data"]["done"], each["data"]["total"]) for each in events if each["data"].get("stage") == "embedding"
    ]
    assert (counts[0], counts[-1]) == ((0, passages), (passages, passages))
    assert counts == sorted(counts)
    assert any(0 < done < total for done, total in counts)


def test_who_may_do_what(site: Site) -> None:
    document = site.ready(b"# Rights\n\nOnly the right people read this.", "rights.md")
    here = f"/documents/{document['id']}"
    reads = [here, f"{here}/text", f"{here}/chunks", f"{here}/file"]
    for person, expected in (("student", 200), ("idle", 404), ("foreigner", 404)):
        assert [site[person].get(address).status_code for address in reads] == [expected] * 4, person
    assert site.upload(b"x", "x.txt", "student").status_code == 403
    assert site.upload(b"x", "x.txt", "foreigner").status_code == 404
    assert site["student"].delete(here).status_code == 403
    assert site["foreigner"].delete(here).status_code == 404
    assert site["lecturer"].get(f"/documents/{uuid4()}").status_code == 404


def test_a_deleted_document_is_gone_from_the_next_request_on(site: Site) -> None:
    document = site.ready(b"# Gone\n\nThis will be deleted soon.", "gone.md")
    here = f"/documents/{document['id']}"
    assert site["lecturer"].delete(here).status_code == 204
    for address in (here, f"{here}/text", f"{here}/chunks", f"{here}/file"):
        assert site["student"].get(address).status_code == 404
    assert site["lecturer"].delete(here).status_code == 404
    again = site.upload(b"# Gone\n\nThis will be deleted soon.", "gone.md")
    assert again.status_code == 202
    assert again.json()["id"] != document["id"]


def test_a_deletion_is_taken_back(site: Site) -> None:
    document = site.ready(b"# Back\n\nThis will be missed.", "back.md")
    here, course = f"/documents/{document['id']}", {"course_id": str(site.course_id)}
    assert site["lecturer"].delete(here).status_code == 204
    listed = site["lecturer"].get("/documents", params=course | {"deleted": True}).json()["items"]
    assert "purge_after" in next(one for one in listed if one["id"] == document["id"])
    assert site["student"].get("/documents", params=course | {"deleted": True}).status_code == 403
    refused = {"student": 403, "idle": 403, "foreigner": 404}
    assert {person: site[person].post(f"{here}/restore").status_code for person in refused} == refused
    assert site["lecturer"].post(f"/documents/{uuid4()}/restore").status_code == 404

    until(lambda: site["lecturer"].post(f"{here}/restore").status_code == 200, READY_SECONDS)  # 409 while it is pruned

    assert site.ended(document["id"])["state"] == "ready"
    assert "missed" in site["student"].get(f"{here}/text").json()["text"]
    assert "purge_after" not in site["lecturer"].post(f"{here}/restore").raise_for_status().json()


def test_a_new_version_takes_over_when_it_is_ready(site: Site) -> None:
    document = site.ready(b"# Old\n\nThe old wording.", "versions.md")
    here = f"/documents/{document['id']}"
    other = site.ready(b"# Other\n\nAnother document of the course.", "other.md")

    same = site["lecturer"].post(f"{here}/versions", files={"file": ("v.md", b"# Old\n\nThe old wording.")})
    assert (same.status_code, same.json()["version"]) == (200, 1)
    elsewhere = site["lecturer"].post(
        f"{here}/versions", files={"file": ("v.md", b"# Other\n\nAnother document of the course.")}
    )
    assert elsewhere.status_code == 409
    assert other["id"] in elsewhere.json()["detail"]

    added = site["lecturer"].post(f"{here}/versions", files={"file": ("v.md", b"# New\n\nThe new wording.")})
    assert (added.status_code, added.json()["version"]) == (202, 2)
    assert "old wording" in site["student"].get(f"{here}/text").json()["text"]
    site.ended(document["id"])
    assert site["student"].get(f"{here}/text").json() == {"version": 2, "text": "New\n\nThe new wording."}
    assert site["student"].get(f"{here}/text", params={"version": 1}).status_code == 404
    assert site["lecturer"].get(f"{here}/text", params={"version": 1}).status_code == 200


def test_hostile_forms(site: Site) -> None:
    lecturer, course = site["lecturer"], {"course_id": str(site.course_id)}
    form = {"file": ("a.md", b"x")}
    cases: list[tuple[httpx.Response, int, str]] = [
        (lecturer.post("/documents", data=course), 415, "unsupported-media-type"),
        (lecturer.post("/documents", json=course), 415, "unsupported-media-type"),
        (lecturer.post("/documents", files=form), 400, "invalid-input"),
        (lecturer.post("/documents", data={"course_id": "seven"}, files=form), 400, "invalid-input"),
        (lecturer.post("/documents", data=course | {"colour": "red"}, files=form), 400, "invalid-input"),
        (lecturer.post("/documents", data=course, files={"datei": ("a.md", b"x")}), 400, "invalid-input"),
        (lecturer.post("/documents", data={"course_id": str(uuid4())}, files=form), 404, "course-not-found"),
        (lecturer.post("/documents", data=course | {"title": "t" * 301}, files=form), 400, "invalid-input"),
        (lecturer.post("/documents", data=course | {"title": "a\x00b"}, files=form), 400, "invalid-input"),
    ]
    for answer, status, slug in cases:
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, slug), answer.text
    cut = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\nhalf'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert lecturer.post("/documents", content=cut, headers=headers).status_code == 400
    large = site.upload(b"a" * (5 * 1024 * 1024), "large.txt")
    assert (large.status_code, large.json()["type"].rpartition("/")[2]) == (413, "file-too-large")


def test_a_large_file_keeps_its_bytes(site: Site) -> None:
    data = b"".join(b"Line %d of a long text about nothing in particular.\n" % number for number in range(30_000))[
        : 4 << 20
    ]
    accepted = site.upload(data, "long.txt").json()
    stored = b"".join(site["lecturer"].get(f"/documents/{accepted['id']}/file").iter_bytes())
    assert hashlib.sha256(stored).digest() == hashlib.sha256(data).digest()
    site["lecturer"].delete(f"/documents/{accepted['id']}")


def test_names_that_strangers_choose(site: Site) -> None:
    names = {
        "../../etc/passwd.md": "passwd.md",
        "C:\\papers\\week.md": "week.md",
        "in\u202evoice\u202cfdp.md": "invoicefdp.md",
        "ن" * 300 + ".md": "ن" * 197 + ".md",
        "المحاضرة الأولى.md": "المحاضرة الأولى.md",
    }
    for number, (name, expected) in enumerate(names.items()):
        accepted = site.upload(b"# Name\n\nNumber %d." % number, name).json()
        document = site["lecturer"].get(f"/documents/{accepted['id']}").json()
        assert document["versions"][0]["file_name"] == expected
        disposition = site["lecturer"].get(f"/documents/{accepted['id']}/file").headers["content-disposition"]
        assert disposition.isascii()
        assert "\u202e" not in document["title"]


def test_pages_of_a_pdf_and_where_a_passage_stands(site: Site) -> None:
    document = site.ready((DATA / "cheatsheet-deep-learning-ar.pdf").read_bytes(), "ملخص.pdf")
    assert document["pages"] > 1
    assert document["languages"] == ["ar"]
    assert document["passages_without_dense"] == document["passages"]
    here, student = f"/documents/{document['id']}", site["student"]
    chunk = student.get(f"{here}/chunks", params={"limit": 5}).json()["items"][2]
    span = {"char_start": chunk["char_start"], "char_end": chunk["char_end"]}

    boxes = student.get(f"{here}/pages/{chunk['page']}/boxes", params=span).json()["boxes"]
    assert boxes
    assert all(0 <= box["left"] < box["right"] <= 1 and 0 <= box["top"] < box["bottom"] <= 1 for box in boxes)
    image = student.get(f"{here}/pages/{chunk['page']}/image", params={"width": 500})
    assert (image.status_code, image.headers["content-type"]) == (200, "image/png")
    assert image.content.startswith(b"\x89PNG")
    assert int.from_bytes(image.content[16:20], "big") == 800
    assert "no-cache" in image.headers["cache-control"]
    same = {"if-none-match": image.headers["etag"]}
    again = student.get(f"{here}/pages/{chunk['page']}/image", params={"width": 700}, headers=same)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", image.headers["etag"])
    other = student.get(f"{here}/pages/{chunk['page']}/image", params={"width": 900}, headers=same)
    assert (other.status_code, other.headers["etag"] != image.headers["etag"]) == (200, True)
    assert site["idle"].get(f"{here}/pages/{chunk['page']}/image", headers=same).status_code == 404
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        assert student.get(f"{here}/pages/{chunk['page']}/image", params={"width": 700}).content == image.content
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.2  # kept; the machine may have been busy once
    objects = Path(site.settings.object_store_url.removeprefix("file://"))
    (kept,) = [one for one in objects.rglob("*") if one.is_file() and one.read_bytes() == image.content]
    kept.write_bytes(other.content)
    assert student.get(f"{here}/pages/{chunk['page']}/image", params={"width": 700}).content == other.content
    kept.write_bytes(image.content)

    assert student.get(f"{here}/pages/{document['pages'] + 1}/image").status_code == 404
    assert student.get(f"{here}/pages/0/image").status_code in (400, 404)
    assert student.get(f"{here}/pages/1/boxes", params={"char_start": 9, "char_end": 3}).status_code == 400
    assert site["idle"].get(f"{here}/pages/1/image").status_code == 404


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("r6-user-password.pdf", "encrypted"),
        ("truncated.pdf", "unreadable"),
        ("empty.txt", "empty"),
        ("scan-ar-deep-learning-p1.pdf", "no-text"),
        ("not-a-pdf.pdf", "type-mismatch"),
    ],
)
def test_files_that_cannot_be_read_say_why(site: Site, name: str, expected: str) -> None:
    accepted = site.upload((DATA / name).read_bytes(), name)
    assert accepted.status_code == 202
    document = site.ended(accepted.json()["id"])
    assert (document["state"], document["failure"]["type"]) == ("failed", expected)
    assert document["failure"]["detail"].endswith(".")
    job = site["lecturer"].get(f"/jobs/{accepted.json()['job_id']}").json()
    assert (job["state"], job["attempts"], job["error"]["type"]) == ("dead", 1, expected)
    assert site["student"].get(f"/documents/{accepted.json()['id']}").status_code == 404
