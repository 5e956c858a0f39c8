// Keeps the page at / up to date by GET /events while its tab can be seen. Without
// the stream, the page stays as the server rendered it.

import { refresh } from "./chart.js";
import { drawn, element, exact, grouped } from "./draw.js";

const status = document.getElementById("status");
const rowsOf = (page) => new Map([...page.querySelectorAll("#pages tr[data-page]")].map((tr) => [tr.dataset.page, tr]));
let rows = rowsOf(document);
const windows = new Map(); // id -> window
const shown = 60; // windows, and bars of the chart
const width = 600, height = 120; // of the chart

const clock = (time) => time.slice(11, 19);

const now = () => Date.now() + ahead;
const charts = (pages) => refresh(pages, (page) => rows.get(page), now);

function showVisits({ results }) {
  for (const r of results) {
    const tr = rows.get(r.page_id);
    if (!tr) continue;
    const count = tr.querySelector(".count");
    const text = r.error ? "–" : grouped(r.visits);
    tr.querySelector(".via").textContent = r.error ? r.detail : r.served_via;
    if (count.textContent === text) continue;
    count.textContent = text;
    count.classList.remove("changed");
    void count.offsetWidth; // restarts the animation
    count.classList.add("changed");
    charts([r.page_id]);
  }
}

// Where no page is named, the table is the list of the most visited ones. A new list is taken from
// the page as the server renders it.
const list = document.getElementById("pages");
let newest = list.dataset.top;

async function showTop() {
  if (newest === undefined || document.hidden) return;
  const answer = await fetch("pages/top?limit=10", { signal: AbortSignal.timeout(10000) });
  if (!answer.ok) return;
  const { as_of: asOf } = await answer.json();
  if (asOf === newest) return;
  const page = await fetch(location.href, { signal: AbortSignal.timeout(10000) });
  if (!page.ok) return;
  const fresh = new DOMParser().parseFromString(await page.text(), "text/html");
  if (!fresh.getElementById("pages").dataset.top) return; // the instance that rendered it does not know the list yet
  const found = rowsOf(fresh);
  // No row moves away under the reader's hands.
  if (list.querySelector("details[open], tbody :focus")) return;
  newest = asOf;
  list.querySelector("caption").replaceWith(fresh.querySelector("#pages caption"));
  if ([...found.keys()].join("\n") === [...rows.keys()].join("\n")) return;
  list.querySelector("tbody").replaceWith(fresh.querySelector("#pages tbody"));
  document.getElementById("watched").replaceWith(fresh.getElementById("watched"));
  rows = rowsOf(document);
  follow(); // the new pages
}

function showWindows(list) {
  for (const w of list) windows.set(w.id, w);
  const newest = [...windows.values()].sort((a, b) => (a.window_start < b.window_start ? 1 : -1)).slice(0, shown);
  windows.clear();
  for (const w of newest) windows.set(w.id, w);
  document.getElementById("windows-lost").hidden = true;
  document.getElementById("windows").replaceChildren(...newest.map(windowRow));
  drawChart(newest);
  showOpen();
}

function windowRow(w) {
  const { endpoints, delivered, failed } = w.callbacks ?? {}; // missing where they are private
  const deliveries = endpoints ? `${delivered} of ${endpoints}${failed ? `, ${failed} failed` : ""}` : "";
  const start = element("time", { dateTime: w.window_start }, clock(w.window_start));
  const tr = element("tr", {},
    element("th", { scope: "row" }, start),
    element("td", { className: "number" }, grouped(w.count)),
    element("td", {}, element("span", { className: `state ${w.state}` }, w.state)),
    element("td", {}, w.published_to ?? ""),
    element("td", { className: "number" }, deliveries));
  tr.dataset.window = w.id;
  return tr;
}

// A length of windows in words, such as 1 minute.
function span(seconds) {
  let n = seconds, unit = "second";
  for (const larger of ["minute", "hour"]) {
    if (n % 60) break;
    n /= 60;
    unit = larger;
  }
  return `${n} ${unit}${n === 1 ? "" : "s"}`;
}

function drawChart(newest) {
  const highest = newest.reduce((a, b) => (Number(b.count) > Number(a.count) ? b : a), { count: 0 });
  const most = Math.max(1, Number(highest.count));
  const scale = document.getElementById("scale");
  scale.hidden = !newest.length;
  if (newest.length) {
    const seconds = (Date.parse(newest[0].window_end) - Date.parse(newest[0].window_start)) / 1000;
    scale.textContent = `Ids per window of ${span(seconds)}; the highest bar is ${grouped(highest.count)}`;
  }
  const step = width / shown;
  document.getElementById("chart").replaceChildren(...newest.map((w, i) => {
    const h = Math.max(1, (height * w.count) / most);
    const title = drawn("title", {}, `${clock(w.window_start)} UTC: ${w.count}`);
    return drawn("rect", { x: width - step * (i + 1) + 1, y: height - h, width: step - 2, height: h, class: w.state }, title);
  }));
}

// How far the server's clock is ahead of the browser's, in ms.
let ahead = 0;
function showOpen() {
  const open = [...windows.values()].find((w) => w.state === "open");
  document.getElementById("open").hidden = !open;
  if (!open) return;
  const start = Date.parse(open.window_start), end = Date.parse(open.window_end);
  document.getElementById("open-count").textContent = grouped(open.count);
  document.getElementById("open-passed").value = Math.min(1, Math.max(0, (Date.now() + ahead - start) / (end - start)));
}

function showNodes({ nodes }) {
  const [one] = nodes;
  document.getElementById("ring").hidden = nodes.length === 1;
  document.getElementById("one-node").hidden = nodes.length !== 1;
  if (one) document.getElementById("one-node").textContent = `All counts are in one place: ${one.id}, which ${one.answers ? "answers" : "does not answer"}.`;
  document.getElementById("nodes").replaceChildren(...nodes.map((n) => element("tr", {},
    element("th", { scope: "row" }, n.host ? `${n.id} on ${n.host}` : n.id),
    element("td", { className: "number" }, `${(100 * n.share).toFixed(1)} %`),
    element("td", {}, element("span", { className: `state ${n.answers ? "up" : "down"}` }, n.answers ? "answers" : "no answer")))));
}

function say(state, text) {
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  status.textContent = text;
}

// A browser opens six connections to an origin, for all tabs together. So a tab
// has a stream only while it can be seen; a new stream begins with the present state.
let events = null; // the stream, or null while the tab is hidden
let retry = 0; // timer

function follow() {
  clearTimeout(retry);
  events?.close();
  events = null;
  if (document.hidden) {
    say("still", "paused while the tab is hidden");
    return;
  }
  const query = new URLSearchParams([...rows.keys()].map((page) => ["page_id", page]));
  const stream = events = new EventSource(`events?${query}`);
  const on = (name, show) => stream.addEventListener(name, (e) => show(JSON.parse(e.data, exact)));
  on("visits", showVisits);
  on("windows", (data) => showWindows(data.windows));
  on("windows_error", () => { document.getElementById("windows-lost").hidden = false; });
  on("nodes", showNodes);
  on("hello", ({ time }) => { ahead = Date.parse(time) - Date.now(); });
  stream.onopen = () => say("live", "live");
  stream.onerror = () => {
    say("lost", "connection lost, trying again");
    // Browsers reconnect by themselves, but not after an error status.
    if (stream.readyState === EventSource.CLOSED) retry = setTimeout(follow, 1000 + 4000 * Math.random());
  };
}

// The time of a chart has moved on when an hour has begun.
let hour = 0;
function turn() {
  const begun = Math.floor(now() / 3600000);
  if (hour && begun !== hour) charts(rows.keys());
  hour = begun;
}

document.addEventListener("visibilitychange", () => {
  follow();
  if (!document.hidden) charts(rows.keys());
});
follow();
setInterval(showOpen, 250);
setInterval(turn, 1000);
setInterval(() => showTop().catch(() => {}), 5000); // it is tried again
