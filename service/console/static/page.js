// What the page does beside htmx: when it looks, keys, and what stays as it was while pieces are replaced.
"use strict";

const visible = () => document.visibilityState === "visible";
const selecting = () => !document.getSelection().isCollapsed;
const typing = (target) => document.querySelector("dialog[open]") || target.closest("input, textarea, select");
const stream = document.getElementById("stream");
const made = document.getElementById("stream-made");
const asOf = document.getElementById("as-of");
let settled = false;
let heardAt = Date.now();

// A hidden page asks nothing, and one in which somebody selects text does not change below the pointer.
function lookEvery(seconds) {
  setInterval(() => {
    if (visible() && !selecting() && !document.querySelector("dialog[open]")) htmx.trigger(document.body, "look" + Math.floor(seconds));
  }, seconds * 1000);
}
lookEvery(2.5);
lookEvery(5);

// A page that is loaded anew as a whole, as long as something is to come.
const again = document.querySelector("[data-again]");
const lookAgain = again && setInterval(() => {
  if (!visible() || selecting() || document.querySelector("dialog[open]")) return;
  clearInterval(lookAgain);
  location.replace(again.dataset.again);
}, 3000);

function connect() {
  if (!made || settled || stream.firstElementChild) return;
  stream.append(made.content.cloneNode(true));
  htmx.process(stream);
  // What the page shows now, its next stream does not know, and tells all of it.
  const source = made.content.querySelector("[sse-connect]");
  source.setAttribute("sse-connect", source.getAttribute("sse-connect").replace(/&shown=[^&]*/, ""));
}
function disconnect() {
  if (stream && stream.firstElementChild) htmx.swap(stream, "", { swapStyle: "innerHTML" });
}
document.addEventListener("visibilitychange", () => (visible() ? connect() : disconnect()));
if (made && visible()) connect();
document.body.addEventListener("htmx:sseClose", (event) => {
  if (event.detail.type === "message") settled = true;
});

// When what is shown was last true, also where nothing comes any more.
function lastTrue() {
  const time = asOf.querySelector("time");
  if (time) asOf.dataset.last = time.textContent + " UTC";
  const last = asOf.querySelector("[data-last-true]");
  if (last) last.textContent = asOf.dataset.last || "no time that is known";
}
function heard() {
  heardAt = Date.now();
  asOf.classList.remove("stale");
  lastTrue();
}
lastTrue();
document.body.addEventListener("htmx:sseMessage", heard);
document.body.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) heard();
  else unreachable(whyOf(event.detail.xhr.status));
});
// A stream that ends does not say why: the browser asks for it again by itself, and in vain where one is signed out.
document.body.addEventListener("htmx:sseError", (event) => {
  const over = event.detail.source.readyState === EventSource.CLOSED;
  fetch(new URL("suggest", document.querySelector("a.brand").href), { cache: "no-store" }).then(
    (answer) => { if (over || !answer.ok) unreachable(whyOf(answer.status)); },
    () => unreachable(whyOf(0)),
  );
});
function whyOf(status) {
  if (status === 401) return "Your sign-in is over: load the page anew";
  return status === 503 ? "AWS cannot be reached" : "The server does not answer";
}
function unreachable(why) {
  asOf.classList.add("stale");
  const said = document.createElement("span");
  said.className = "trouble";
  said.textContent = why + ". What is shown was true at " + (asOf.dataset.last || "no time that is known");
  asOf.replaceChildren(said);
}

// A step is opened below its line, where without this it has a page of its own.
const stepOf = (target) => target.closest(".step > a");
function openStep(link) {
  const body = document.createElement("div");
  body.className = "step-body";
  link.after(body);
  link.setAttribute("aria-expanded", "true");
  fillStep(link, body);
}
function fillStep(link, body) {
  htmx.ajax("GET", link.href, { target: body, swap: "innerHTML" })
    .then(() => { if (!body.firstElementChild) location.assign(link.href); })
    .catch(() => location.assign(link.href));
}
function closeStep(link) {
  link.setAttribute("aria-expanded", "false");
  link.nextElementSibling.remove();
}
document.body.addEventListener("click", (event) => {
  const link = stepOf(event.target);
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
  event.preventDefault();
  (link.nextElementSibling ? closeStep : openStep)(link);
});

// What was opened stays open when it is replaced; where one is stays where it was.
document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
  const next = event.detail.fragment;
  for (const open of event.detail.target.querySelectorAll("details[open][id]")) {
    const again = next.querySelector("#" + CSS.escape(open.id));
    if (again) again.open = true;
  }
  for (const link of event.detail.target.querySelectorAll(".step > a[aria-expanded='true']")) {
    const again = next.querySelector("#" + CSS.escape(link.parentElement.id) + " > a");
    if (!again || again.nextElementSibling) continue;
    again.setAttribute("aria-expanded", "true");
    again.after(link.nextElementSibling.cloneNode(true));
    again.dataset.old = "";
  }
});
// What a step that is open has come to, is asked for anew once the step has changed.
document.body.addEventListener("htmx:oobAfterSwap", () => {
  for (const link of document.querySelectorAll(".step > a[data-old]")) {
    delete link.dataset.old;
    fillStep(link, link.nextElementSibling);
  }
});

// The log: follow its end, hold so many lines, show the one that is linked to.
const MOST_LINES = 5000;
const lines = document.getElementById("lines");
const follow = document.getElementById("follow");
// A link to a line that is not among those that are shown leads to the page that has it.
function toLinked() {
  const linked = /^#L([1-9][0-9]{0,8})$/.exec(location.hash);
  if (!linked || !lines || document.getElementById(location.hash.slice(1))) return;
  location.replace(lines.dataset.from + Math.max(1, Number(linked[1]) - 100) + location.hash);
}
addEventListener("hashchange", toLinked);
toLinked();
function toEnd() {
  if (lines && follow && follow.checked) lines.scrollTop = lines.scrollHeight;
}
toEnd();
if (lines && !follow && !location.hash.startsWith("#L") && !lines.querySelector(".more a")) lines.scrollTop = lines.scrollHeight;
document.body.addEventListener("htmx:afterSettle", (event) => {
  if (!lines || !lines.contains(event.detail.elt)) return;
  const held = lines.getElementsByClassName("line");
  while (held.length > MOST_LINES) held[0].remove();
  toEnd();
  if (!lines.querySelector("[data-more]") && follow) follow.closest("label").remove();
});
document.body.addEventListener("htmx:confirm", (event) => {
  if (event.target.matches("[data-more]") && follow && !follow.checked) event.preventDefault();
});

// What can be asked for: its form, which is a page of its own without this, opens above the page.
const ask = document.getElementById("ask");
document.body.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button) return;
  const link = event.target.closest("a[data-ask]");
  if (link) {
    event.preventDefault();
    htmx.ajax("GET", link.href, { target: ask, swap: "innerHTML" })
      .then(() => { if (ask.firstElementChild) ask.showModal(); else location.assign(link.href); })
      // As where the way leads to the identity provider, whose page no script may follow.
      .catch(() => location.assign(link.href));
  } else if (ask.open && event.target.closest("[data-close]")) {
    event.preventDefault();
    ask.close();
  }
});
ask.addEventListener("close", () => ask.replaceChildren());
const askFor = (key) => document.querySelector(`a[data-ask][data-key="${key}"]`)?.click();

// Of many stages the one that matters is in sight.
const graph = document.getElementById("graph");
const matters = graph && graph.querySelector(".node.s-RUNNING, .node.s-WAITING, .node.s-FAILED");
if (matters) {
  const place = matters.getBoundingClientRect(), shown = graph.getBoundingClientRect();
  if (place.right > shown.right) graph.scrollLeft = place.left - shown.left - shown.width / 2;
}
const bars = document.querySelector(".tall");
if (bars && made) bars.scrollTop = bars.scrollHeight;

// Keys.
const help = document.getElementById("help");
document.getElementById("help-button").addEventListener("click", () => help.showModal());
function step(by) {
  const jobs = [...document.querySelectorAll("a.job")];
  const at = jobs.indexOf(document.activeElement);
  const next = jobs[at < 0 ? (by > 0 ? 0 : jobs.length - 1) : at + by];
  if (next) next.focus();
}
const keys = {
  j: () => step(1),
  k: () => step(-1),
  "/": () => (document.getElementById("q") || document.getElementById("find"))?.focus(),
  u: () => { if (!document.getElementById("q")) document.querySelector("a.brand").click(); },
  f: () => { if (follow) { follow.checked = !follow.checked; toEnd(); } },
  c: () => askFor("c"),
  r: () => askFor("r"),
  R: () => askFor("R"),
  "?": () => help.showModal(),
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches("input")) event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || !keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
document.documentElement.dataset.ready = "";
