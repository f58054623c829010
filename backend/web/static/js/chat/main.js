// The tutor's page: asking, reading along, conversations.

import { api } from "../api.js";
import { announce, say } from "../dialogs.js";
import { closeEvidence } from "../evidence.js";
import { t } from "../messages.js";
import { Conversations } from "./conversations.js";
import { showQuota } from "./quota.js";
import { Tutor } from "./stream.js";
import { Turn } from "./turn.js";

const element = (id) => document.getElementById(id);
const [thread, turns, welcome, earlier] = ["thread", "turns", "welcome", "earlier"].map(element);
const [composer, question, askButton, stopButton, course] = ["composer", "question", "ask", "stop", "course"].map(element);

const QUOTA_MS = 1500; // until the gateway has written down what the answer took

const tutor = new Tutor();
let session = null; // the conversation that is open
let cursor = null; // of its earlier turns
let open = null; // the answer that is being given: {turn, messageId}
let shown = 0; // counts openings, so that a slow answer does not land in another conversation

const conversations = new Conversations(openConversation, (id) => id === session && newConversation());

function setOpen(answer) {
  open = answer;
  askButton.hidden = open !== null;
  stopButton.hidden = open === null;
}

const nearEnd = () => thread.scrollHeight - thread.scrollTop - thread.clientHeight < 120;
const toEnd = () => (thread.scrollTop = thread.scrollHeight);

function place(turn) {
  turn.part(".ask-again").addEventListener("click", () => {
    question.value = turn.question;
    resize();
    question.focus();
  });
  return turn.element;
}

function address() {
  const query = new URLSearchParams();
  if (session) query.set("session", session);
  else if (course.value) query.set("course", course.value);
  const path = query.size ? `/chat?${query}` : "/chat";
  if (path !== location.pathname + location.search) history.pushState(null, "", path);
}

function newConversation() {
  shown += 1;
  setOpen(null);
  session = cursor = null;
  turns.replaceChildren();
  earlier.hidden = true;
  welcome.hidden = false;
  closeEvidence();
  conversations.choose(null);
  address();
  question.focus();
}

async function openConversation(id) {
  const mine = (shown += 1);
  setOpen(null);
  closeEvidence();
  conversations.choose(id);
  try {
    const conversation = await api("GET", `/api/v1/chat/sessions/${id}`);
    if (mine !== shown) return;
    session = id;
    course.value = conversation.course_id ?? "";
    if (course.selectedIndex < 0) course.value = ""; // a course that may not be read any more
    turns.replaceChildren(...conversation.turns.map((stored) => restored(stored, mine)));
    showEarlier(conversation.next_cursor);
    welcome.hidden = true;
    address();
    toEnd();
    question.focus();
  } catch (error) {
    if (error.status === undefined) throw error;
    say(error.message);
    newConversation();
  }
}

function restored(stored, mine) {
  const turn = new Turn(stored.question);
  if (stored.state === "open") follow(turn, stored.message_id, mine);
  else turn.restore(stored);
  return place(turn);
}

function showEarlier(next) {
  cursor = next;
  earlier.hidden = !next;
}

/** Read along until the answer has ended; `run` is given what to do with each event. */
async function readAlong(turn, run, mine) {
  const isMine = () => mine === shown;
  try {
    await run((event) => {
      const stay = nearEnd();
      turn.take(event);
      if (event.type === "done" && isMine()) session = event.answer.session_id;
      if (stay && isMine()) requestAnimationFrame(toEnd);
    });
  } catch (error) {
    if (error.status === undefined) throw error;
    turn.trouble(error.message);
    announce(error.message);
  } finally {
    if (isMine()) setOpen(null);
    setTimeout(showQuota, QUOTA_MS);
  }
}

function follow(turn, messageId, mine) {
  setOpen({ turn, messageId });
  readAlong(turn, (take) => tutor.follow(messageId, take), mine);
}

async function ask(text) {
  const mine = shown;
  const turn = new Turn(text);
  welcome.hidden = true;
  turns.append(place(turn));
  turn.stage(t("client.stage_sending"));
  toEnd();
  setOpen({ turn, messageId: null });
  const body = { message: text, ...(session ? { session_id: session } : {}), ...(course.value ? { course_id: course.value } : {}) };
  const isNew = session === null;
  const started = (messageId) => {
    if (mine !== shown) return;
    const { stopWanted } = open ?? {};
    setOpen({ turn, messageId });
    if (stopWanted) stop();
  };
  await readAlong(turn, (take) => tutor.ask(body, started, take), mine);
  if (mine !== shown) return;
  if (isNew && session) address();
  await conversations.refresh(session);
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = question.value.trim();
  if (!text || open) return;
  question.value = "";
  resize();
  ask(text);
});

async function stop() {
  if (!open) return;
  if (!open.messageId) {
    open.stopWanted = true; // as soon as the answer has a number
    return;
  }
  stopButton.disabled = true;
  try {
    await tutor.stop(open.messageId);
  } catch (error) {
    if (error.status === undefined) throw error;
    say(error.message);
  } finally {
    stopButton.disabled = false;
    question.focus();
  }
}

stopButton.addEventListener("click", stop);

question.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer.requestSubmit();
});

function resize() {
  question.style.blockSize = "auto";
  question.style.blockSize = `${question.scrollHeight + question.offsetHeight - question.clientHeight}px`;
}
question.addEventListener("input", resize);

// A conversation is about one course or about all: another choice begins another conversation.
course.addEventListener("change", () => {
  if (turns.childElementCount) newConversation();
  else address();
});

element("new-conversation").addEventListener("click", newConversation);

earlier.addEventListener("click", async () => {
  const page = await api("GET", `/api/v1/chat/sessions/${session}?${new URLSearchParams({ cursor })}`);
  const height = thread.scrollHeight;
  turns.prepend(...page.turns.map((stored) => restored(stored, shown)));
  thread.scrollTop += thread.scrollHeight - height;
  showEarlier(page.next_cursor);
});

function openAddress() {
  const wanted = new URLSearchParams(location.search).get("session");
  if (wanted && wanted !== session) openConversation(wanted);
  else if (!wanted && session) newConversation();
}
addEventListener("popstate", openAddress);

askButton.disabled = false; // until now the form could do nothing
welcome.hidden = new URLSearchParams(location.search).has("session");
conversations.refresh(new URLSearchParams(location.search).get("session")).catch((error) => say(error.message));
openAddress();
question.focus();
