// Keeps the charts of the pages, and the numbers of today, up to date. A page whose count has
// changed has its history read again: one page at a time, ten times a second at most, and a single one
// four times.
import { drawn, element, exact, grouped } from "./draw.js";

const width = 600, height = 40; // of a chart
const monthly = document.getElementById("pages").dataset.step === "day";
const days = 30, dayMs = 24 * 60 * 60 * 1000;
const stale = new Set(); // pages
let reading = false;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// now is a function for the server's time, and rowOf one for the row of a page.
export function refresh(pages, rowOf, now) {
  for (const page of pages) if (todayOf(rowOf(page))) stale.add(page);
  if (!reading) readAll(rowOf, now);
}

// A row without has no history, or its page can't be read now.
const todayOf = (row) => (row?.querySelector(".count").textContent === "–" ? null : row?.querySelector(".today"));

async function readAll(rowOf, now) {
  reading = true;
  while (stale.size && !document.hidden) {
    const [page] = stale;
    stale.delete(page);
    const began = Date.now();
    try {
      await readOne(page, rowOf, now);
    } catch (e) { // it holds up no other, and one that can't be asked for is not asked for again
      if (e.status !== 400 && e.status !== 404) setTimeout(refresh, 2000 + 3000 * Math.random(), [page], rowOf, now);
    }
    const others = stale.size > (stale.has(page) ? 1 : 0);
    await pause((others ? 90 : 250) - (Date.now() - began));
  }
  reading = false;
}

async function readOne(page, rowOf, now) {
  const first = new Date(now() - (days - 1) * dayMs).toISOString().slice(0, 10);
  const query = monthly ? `step=day&from=${first}` : "step=hour";
  const answer = await fetch(`visits/${encodeURIComponent(page)}/history?${query}`, { signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw answer;
  const history = JSON.parse(await answer.text(), exact);
  const row = rowOf(page);
  // A browser asks for another page than "..", and a page may have left the list meanwhile.
  if (history.page_id === page && row) draw(row, history);
}

function draw(row, history) {
  const today = history.buckets.at(-1).start.slice(0, 10);
  const counts = history.buckets.filter((b) => b.start.slice(0, 10) === today).map((b) => BigInt(b.visits));
  row.querySelector(".today").textContent = grouped(counts.reduce((a, b) => a + b, 0n));
  const chart = row.nextElementSibling;
  if (chart?.classList.contains("chart")) drawChart(chart, history);
}

function drawChart(chart, { buckets, sum, from, history_since: since }) {
  const counts = buckets.map((b) => BigInt(b.visits));
  const most = counts.reduce((a, b) => (b > a ? b : a), 0n);
  const label = (b) => (monthly ? b.start.slice(0, 10) : b.start.slice(11, 16));
  const step = width / buckets.length, last = buckets.length - 1;
  chart.querySelector("g").replaceChildren(...buckets.map((b, i) => {
    const h = Math.max(1.5, (height * b.visits) / Math.max(1, Number(most)));
    const name = counts[i] === 0n ? "none" : i === last ? "open" : "";
    const title = drawn("title", {}, `${label(b)} UTC: ${grouped(b.visits)}`);
    return drawn("rect", { x: step * i + 1, y: height - h, width: step - 2, height: h, class: name }, title);
  }));
  chart.querySelector("tbody").replaceChildren(...buckets.map((b) => element("tr", {},
    element("th", { scope: "row" }, element("time", { dateTime: b.start }, label(b))),
    element("td", { className: "number" }, grouped(b.visits)))));
  // Earlier visits than since are not known.
  const span = since > from ? `since ${since.slice(0, 16).replace("T", " ")} UTC` : `in the last ${monthly ? `${days} days` : "24 hours"}`;
  const at = buckets[counts.indexOf(most)];
  chart.querySelector("desc").textContent = most === 0n ? `no visit ${span}` : `${grouped(sum)} ${span}, at most ${grouped(most)}, from ${label(at)} UTC`;
}
