"use strict";
// Every page reads and works without this file. It adds three things: live pages, dialogs in place of pages that ask, and
// keys.

const main = document.getElementById("main");
const ask = document.getElementById("ask");
const keys = document.getElementById("keys");

// Where the menu is one line, its current page is in sight.
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// Live pages: the server sends the part between the marks of this very page whenever it differs.
let source = null;
let seen = 0;

function connect() {
  if (source || document.hidden || !document.body.hasAttribute("data-live")) return;
  source = new EventSource(location.href);
  source.addEventListener("part", (event) => show(event.data));
  source.addEventListener("open", () => document.body.classList.remove("stale"));
  source.addEventListener("error", () => {
    document.body.classList.add("stale");
    // An answer such as 401 closes it for good: look again later.
    if (source && source.readyState === EventSource.CLOSED) {
      disconnect();
      setTimeout(connect, 15000);
    }
  });
}

function disconnect() {
  if (source) source.close();
  source = null;
}

function show(html) {
  const live = document.getElementById("live");
  // A person who reads, selects or types must not lose the place.
  const busy = live.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  const open = [...live.querySelectorAll("details[open]")].map((each) => each.id);
  if (busy || String(getSelection()) !== "" || ask.open) return;
  const focused = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const next = new DOMParser().parseFromString(html, "text/html");
  live.replaceChildren(...next.body.childNodes);
  for (const each of live.querySelectorAll("details")) if (each.id && open.includes(each.id)) each.open = true;
  if (focused) live.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
  mark(seen, false);
}

document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);

// Dialogs: a link to a page that asks opens that page's question here.
document.addEventListener("click", async (event) => {
  const link = event.target.closest?.("a[data-ask]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  try {
    const answer = await fetch(link.href, { headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const question = page.querySelector("main section");
    if (!answer.ok || answer.redirected || !question) throw new Error("no question");
    ask.replaceChildren(document.importNode(question, true));
    ask.querySelector("a.cancel")?.addEventListener("click", (click) => {
      click.preventDefault();
      ask.close();
    });
    ask.showModal();
  } catch {
    location.href = link.href;
  }
});

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.target.method === "post" && button) setTimeout(() => (button.disabled = true), 0);
});

// Keys.
function rows() {
  return [...main.querySelectorAll("a.row")];
}

function mark(position, scroll) {
  const all = rows();
  for (const each of main.querySelectorAll("tr.at")) each.classList.remove("at");
  if (!all.length || position < 1) return;
  seen = Math.min(position, all.length);
  const row = all[seen - 1];
  row.closest("tr")?.classList.add("at");
  if (scroll) {
    row.focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }
}

function isTyping(element) {
  return element.matches("input:not([type=checkbox]), select, textarea") || element.isContentEditable;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (ask.open || keys.open) return;
  if (event.key === "j") mark(seen + 1, true);
  else if (event.key === "k") mark(Math.max(1, seen - 1), true);
  else if (event.key === "?") keys.showModal();
  else if (event.key === "/") {
    const field = main.querySelector("[data-search]");
    if (field) field.focus();
    else location.href = document.querySelector("nav a[data-events]").href;
  } else return;
  event.preventDefault();
});

// The browser may restore a page with its buttons disabled.
addEventListener("pageshow", () => {
  for (const each of document.querySelectorAll("button:disabled:not([data-off])")) each.disabled = false;
});
