// Keeps the page at / up to date by GET /events while its tab can be seen. Without
// the stream, the page stays as the server rendered it.

const status = document.getElementById("status");
const rows = new Map([...document.querySelectorAll("#pages tr[data-page]")].map((tr) => [tr.dataset.page, tr]));
const windows = new Map(); // id -> window
const shown = 60; // windows, and bars of the chart
const width = 600, height = 120; // of the chart

const element = (name, properties = {}, ...children) => {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
};
const drawn = (name, attributes, ...children) => {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
};
const grouped = (digits) => String(digits).replace(/\B(?=(\d{3})+$)/g, "\u202f");
// Counts have 63 bits and JavaScript's numbers 53, so counts keep their source text.
const exact = (key, value, context) => ((key === "visits" || key === "count") && context?.source) || value;
const clock = (time) => time.slice(11, 19);

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
  }
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

document.addEventListener("visibilitychange", follow);
follow();
setInterval(showOpen, 250);
