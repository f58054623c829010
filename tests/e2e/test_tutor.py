"""Asking when something is in the way: no WebSocket, a connection that breaks, a stop, questions that get no answer."""

import asyncio

from playwright.async_api import Page, WebSocketRoute, expect

from tests.e2e.api import Campus, Person
from tests.e2e.conftest import Visit
from tests.e2e.visitor import Visitor

QUESTION = "How do I list the files in a directory?"


async def at_the_tutor(visit: Visit, campus: Campus) -> Visitor:
    visitor = await visit()
    await visitor.sign_in(Person(campus.stack.student, campus.stack.password))
    await visitor.open("/chat")
    return visitor


async def frames_of(page: Page) -> list[str]:
    """Collect what the page sends over its sockets."""
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    return sent


async def test_questions_go_over_the_socket(campus: Campus, visit: Visit) -> None:
    visitor = await at_the_tutor(visit, campus)
    sent = await frames_of(visitor.page)
    turn = await visitor.ask(QUESTION)
    await expect(turn.locator(".sources li").first).to_be_visible()
    assert [frame for frame in sent if '"ask"' in frame]
    assert not [frame for frame in sent if "How do I" in frame and '"ask"' not in frame]


async def test_without_a_socket_the_answer_comes_by_events(campus: Campus, visit: Visit) -> None:
    visitor = await at_the_tutor(visit, campus)
    await visitor.page.route_web_socket("**/chat/ws", lambda socket: socket.close(code=1013))
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(f"{request.method} {request.headers.get('accept')}"))
    turn = await visitor.ask(QUESTION)
    await expect(turn.locator(".sources li").first).to_be_visible()
    assert "POST text/event-stream" in asked


async def test_an_answer_goes_on_where_the_connection_broke(campus: Campus, visit: Visit) -> None:
    visitor = await visit()
    await visitor.sign_in(Person(campus.stack.student, campus.stack.password))
    cut: list[WebSocketRoute] = []
    closing: list[asyncio.Task[None]] = []
    sent: list[str] = []

    def between(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def to_page(message: str | bytes) -> None:
            if '"delta"' in str(message) and not cut:
                cut.append(socket)  # the first words are lost with the connection
                closing.append(asyncio.get_running_loop().create_task(socket.close(code=1012)))
            else:
                socket.send(message)

        def to_server(message: str | bytes) -> None:
            sent.append(str(message))
            server.send(message)

        server.on_message(to_page)
        socket.on_message(to_server)

    await visitor.page.route_web_socket("**/chat/ws", between)
    await visitor.open("/chat")
    turn = await visitor.ask(QUESTION)
    assert cut, "the connection was to break"
    assert [frame for frame in sent if '"resume"' in frame]
    await expect(turn.locator(".sources li").first).to_be_visible()
    await expect(turn.locator(".trouble")).to_be_hidden()
    said = await turn.locator(".text").inner_text()
    await visitor.page.reload()
    await expect(visitor.page.locator(".turn .text").last).to_have_text(said)


async def test_what_is_not_in_the_material_is_said_so(campus: Campus, visit: Visit) -> None:
    visitor = await at_the_tutor(visit, campus)
    turn = await visitor.ask("Who won the football world cup of 1954?")
    await expect(turn.get_by_text("Not in the material")).to_be_visible()
    await expect(turn.locator(".cite")).to_have_count(0)


async def test_a_screen_reader_hears_sentences(campus: Campus, visit: Visit) -> None:
    visitor = await at_the_tutor(visit, campus)
    turn = await visitor.ask(QUESTION)
    heard = await visitor.page.locator("#announcer p").all_inner_texts()
    first = (await turn.locator(".text").inner_text()).split(".")[0].strip()
    assert any(first in sentence for sentence in heard), heard
    assert "Quoted from the sources" in heard
    assert await visitor.page.locator("#announcer").get_attribute("aria-live") == "polite"


async def test_markup_in_a_question_stays_text(campus: Campus, visit: Visit) -> None:
    visitor = await at_the_tutor(visit, campus)
    question = "<img src=x onerror=alert(1)> <b>what</b> is a pipe?"
    turn = await visitor.ask(question)
    await expect(turn.locator(".question img, .question b")).to_have_count(0)
    await visitor.page.reload()
    await expect(visitor.page.locator(".turn .question").last).to_have_text(question)
    await expect(visitor.page.locator(".conversation img, .conversation b")).to_have_count(0)


async def test_an_answer_can_be_stopped_while_it_is_given(campus: Campus, visit: Visit) -> None:
    visitor = await visit()
    await visitor.sign_in(Person(campus.stack.student, campus.stack.password))
    held: list[str | bytes] = []
    released = asyncio.Event()

    def slowly(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        socket.on_message(server.send)

        def to_page(message: str | bytes) -> None:
            if released.is_set() or '"delta"' not in str(message) + "".join(map(str, held)):
                socket.send(message)
            else:
                held.append(message)

        server.on_message(to_page)
        sockets.append(socket)

    sockets: list[WebSocketRoute] = []
    await visitor.page.route_web_socket("**/chat/ws", slowly)
    await visitor.open("/chat")
    await expect(visitor.page.locator("#ask")).to_be_enabled()
    await visitor.page.locator("#question").fill(QUESTION)
    await visitor.page.keyboard.press("Enter")
    stop = visitor.page.get_by_role("button", name="Stop the answer")
    await expect(visitor.page.locator(".turn .stage")).to_be_visible()
    async with visitor.page.expect_response("**/stop") as asked:
        await stop.click()
    assert (await asked.value).status == 202
    released.set()
    for message in held:
        sockets[0].send(message)
    await visitor.ended(visitor.page.locator(".turn").last)
    await expect(stop).to_be_hidden()
