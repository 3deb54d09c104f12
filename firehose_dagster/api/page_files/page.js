"use strict";
// Reads the API and draws; it computes nothing but the look. Decimals come as text and become numbers only to be drawn.

const REFRESH_MS = 2000;
const HOURS_SHOWN = 24;
const HOUR_MS = 3600 * 1000;
const LATE_SECONDS = 120;
const COLOURS = { up: "#2fbf87", down: "#ef5b5b", vwap: "#58a6ff", price: "#c6a8ff", volume: "#f1c366", line: "#262e39", quiet: "#8b97a5" };

const element = (id) => document.getElementById(id);
const state = { symbol: null, hours: 4, minutes: [], completeness: new Map(), completenessReadAt: 0, busy: false };

class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `status ${status}`);
    this.status = status;
  }
}

async function ask(path, parameters = {}) {
  const token = sessionStorage.getItem("token");
  const response = await fetch(`${path}?${new URLSearchParams(parameters)}`, {
    headers: token ? { Authorization: `Bearer ${token}` } : {},
  });
  const body = await response.json();
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

function made(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

// "97123.40000000" -> "97,123.40": the text's own digits, at least two places, no rounding.
function shortDecimal(text) {
  if (text === null) return "–";
  const [whole, places = ""] = text.split(".");
  const kept = places.replace(/0+$/, "").padEnd(2, "0");
  return `${whole.replace(/\B(?=(\d{3})+$)/g, ",")}.${kept}`;
}

// A mean has more places than prices have: as many as the price shows are enough for the eye.
function roundedLike(text, price) {
  if (text === null) return "–";
  const places = shortDecimal(price).split(".")[1].length;
  return Number(text).toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
}

// For quantities, where magnitude matters and digits do not.
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat("en");

function ageText(seconds) {
  if (seconds === null) return "–";
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

const clock = (text) => text.slice(11, 16);
const epoch = (text) => Math.floor(Date.parse(text) / 1000);

// ---- chart -------------------------------------------------------------------------------------------------------

const charts = LightweightCharts;
const chart = charts.createChart(element("chart"), {
  autoSize: true,
  layout: { background: { color: "transparent" }, textColor: COLOURS.quiet, panes: { separatorColor: COLOURS.line } },
  grid: { vertLines: { color: "#1b222c" }, horzLines: { color: "#1b222c" } },
  timeScale: { timeVisible: true, secondsVisible: false, borderColor: COLOURS.line, rightOffset: 2 },
  rightPriceScale: { borderColor: COLOURS.line },
  crosshair: { mode: charts.CrosshairMode.Normal },
});
const candles = chart.addSeries(charts.CandlestickSeries, {
  upColor: COLOURS.up, downColor: COLOURS.down, borderVisible: false, wickUpColor: COLOURS.up, wickDownColor: COLOURS.down,
});
const vwap = chart.addSeries(charts.LineSeries, {
  color: COLOURS.vwap, lineWidth: 1, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false,
});
const volume = chart.addSeries(charts.HistogramSeries, { priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false }, 1);
chart.panes()[1].setHeight(90);
const markers = charts.createSeriesMarkers(candles, []);

function placesOf(minutes) {
  const lengths = minutes.slice(-120).flatMap((row) => [row.open, row.close].map((text) => text.replace(/0+$/, "").split(".")[1]?.length || 0));
  return Math.min(8, Math.max(2, ...lengths));
}

// A minute without trades has no row; without a gap in the axis a standstill would look like trading.
function withGaps(minutes) {
  const points = [];
  let expected = null;
  for (const row of minutes) {
    const time = epoch(row.minute);
    while (expected !== null && expected < time) {
      points.push({ time: expected });
      expected += 60;
    }
    points.push({ time, row });
    expected = time + 60;
  }
  return points;
}

function draw(minutes, isNewSymbol) {
  const points = withGaps(minutes);
  const places = placesOf(minutes);
  const priceFormat = { type: "price", precision: places, minMove: Number(`1e-${places}`) };
  candles.applyOptions({ priceFormat });
  vwap.applyOptions({ priceFormat });
  candles.setData(points.map(({ time, row }) => row
    ? { time, open: Number(row.open), high: Number(row.high), low: Number(row.low), close: Number(row.close) } : { time }));
  vwap.setData(points.map(({ time, row }) => (row ? { time, value: Number(row.vwap) } : { time })));
  volume.setData(points.map(({ time, row }) => row
    ? { time, value: Number(row.volume), color: row.is_complete ? (Number(row.close) >= Number(row.open) ? "#2fbf8780" : "#ef5b5b80") : "#e3a93c" }
    : { time }));
  markers.setMarkers(minutes.flatMap((row) => {
    const time = epoch(row.minute);
    const both = [];
    if (row.is_price_spike) both.push({ time, position: "aboveBar", shape: "arrowDown", color: COLOURS.price, text: "price" });
    if (row.is_volume_spike) both.push({ time, position: "belowBar", shape: "arrowUp", color: COLOURS.volume, text: "volume" });
    return both;
  }));
  if (isNewSymbol) showSpan();
  tell(minutes.at(-1));
}

function showSpan() {
  const last = state.minutes.at(-1);
  if (!last) return;
  const bars = withGaps(state.minutes).length;
  chart.timeScale().setVisibleLogicalRange({ from: Math.max(-1, bars - state.hours * 60 - 1), to: bars + 1 });
}

function tell(row) {
  const legend = element("chart-legend");
  legend.replaceChildren();
  if (!row) return;
  const parts = [[`${row.minute.slice(0, 10)} ${clock(row.minute)} UTC`, ""], ["O", row.open], ["H", row.high], ["L", row.low], ["C", row.close], ["VWAP", row.vwap, "vwap"]];
  for (const [name, text, className] of parts) {
    const part = made("span", className, `${name} `);
    if (text) part.append(made("b", className, name === "VWAP" ? roundedLike(text, row.close) : shortDecimal(text)));
    legend.append(part, "  ");
  }
  const traded = made("span", "", "Vol ");
  traded.append(made("b", "", compact.format(Number(row.volume))));
  legend.append(traded, "  ");
  if (!row.is_complete) legend.append(made("span", "late", "trades of this minute, or just before it, are missing"));
}

chart.subscribeCrosshairMove((position) => {
  const row = position.time && state.minutes.find((each) => epoch(each.minute) === position.time);
  tell(row || state.minutes.at(-1));
});

async function readMinutes(symbol, isNewSymbol) {
  // The newest 30 minutes may still change (late trades): they are read again, and with them what is new.
  const known = isNewSymbol ? [] : state.minutes;
  const parameters = { symbol };
  if (known.length > 30) parameters.start = known.at(-30).minute;
  const answer = await ask("/v1/minutes", parameters);
  if (symbol !== state.symbol) return;
  const kept = parameters.start ? known.filter((row) => row.minute < parameters.start) : [];
  const minutes = [...kept, ...answer.data].slice(-HOURS_SHOWN * 60);
  const isSame = !isNewSymbol && JSON.stringify(minutes.slice(-31)) === JSON.stringify(known.slice(-31)) && minutes.length === known.length;
  state.minutes = minutes;
  if (!isSame) draw(minutes, isNewSymbol);
}

// ---- symbols -----------------------------------------------------------------------------------------------------

async function readCompleteness(symbols, end) {
  if (Date.now() - state.completenessReadAt < 30000) return;
  state.completenessReadAt = Date.now();
  const start = new Date(Date.parse(end) - HOURS_SHOWN * HOUR_MS).toISOString();
  const hours = new Map();
  let cursor = null;
  do {
    const parameters = { start, limit: 1000, ...(cursor ? { cursor } : {}) };
    const answer = await ask("/v1/completeness", parameters);
    for (const row of answer.data) hours.set(`${row.symbol} ${Date.parse(row.hour)}`, row);
    cursor = answer.next_cursor;
  } while (cursor);
  state.completeness = hours;
}

function hourCells(entry, end) {
  const cells = made("span", "hours");
  const last = Math.floor((Date.parse(end) - 1) / HOUR_MS) * HOUR_MS;
  let missing = 0;
  for (let hour = last - (HOURS_SHOWN - 1) * HOUR_MS; hour <= last; hour += HOUR_MS) {
    const row = state.completeness.get(`${entry.symbol} ${hour}`);
    const look = !row ? "unknown" : row.missing > 0 ? "missing" : row.is_sealed ? "whole" : "open";
    const cell = made("span", `cell ${look}`);
    const name = new Date(hour).toISOString().slice(0, 16).replace("T", " ");
    cell.title = row ? `${name} UTC: ${whole.format(row.present)} of ${whole.format(row.expected)} held, ${whole.format(row.missing)} missing` : `${name} UTC: not judged`;
    missing += row ? row.missing : 0;
    cells.append(cell);
  }
  return { cells, missing };
}

function symbolRow(entry, end) {
  const row = made("tr");
  row.dataset.symbol = entry.symbol;
  row.setAttribute("aria-selected", String(entry.symbol === state.symbol));
  const name = made("td");
  name.append(made("button", "", entry.symbol));
  for (const kind of ["price", "volume"]) if (entry[`${kind}_spikes`]) name.append(made("span", `dot ${kind}`));
  const delta = entry.delta_pct === null ? "–" : `${entry.delta_pct.startsWith("-") ? "" : "+"}${Number(entry.delta_pct).toFixed(2)} %`;
  const direction = entry.delta_pct === null ? "quiet" : entry.delta_pct.startsWith("-") ? "down" : "up";
  const complete = made("td");
  const { cells, missing } = hourCells(entry, end);
  complete.append(cells);
  if (missing) name.append(made("span", "dot missing"));
  if (missing) complete.append(made("span", "gap", `−${whole.format(missing)}`));
  else if (entry.incomplete_minutes) {
    const gap = made("span", "gap", `${entry.incomplete_minutes} min`);
    gap.title = "minutes of the last hour of which trades are missing, or whose predecessor is not known";
    complete.append(gap);
  }
  const spikes = made("td", "wide tags");
  if (entry.price_spikes) spikes.append(made("span", "tag price", `price ${entry.price_spikes}`));
  if (entry.volume_spikes) spikes.append(made("span", "tag volume", `vol ${entry.volume_spikes}`));
  if (entry.spike_status === "none") spikes.append(made("span", "quiet", "–"));
  row.append(
    name,
    made("td", "number", shortDecimal(entry.price)),
    made("td", `number ${direction}`, delta),
    made("td", "number wide", roundedLike(entry.vwap, entry.price)),
    made("td", "number wide", entry.volume === null ? "–" : compact.format(Number(entry.volume))),
    made("td", entry.age_seconds > LATE_SECONDS ? "late" : "quiet", ageText(entry.age_seconds)),
    complete,
    spikes,
  );
  row.addEventListener("click", () => choose(entry.symbol));
  return row;
}

function showPulse(pulse) {
  const focused = document.activeElement?.closest?.("tr")?.dataset.symbol;
  const end = pulse.window ? pulse.window.end : pulse.read_at;
  element("pulse").replaceChildren(...pulse.data.map((entry) => symbolRow(entry, end)));
  if (focused) document.querySelector(`tr[data-symbol="${CSS.escape(focused)}"] button`)?.focus();
  element("newest-minute").textContent = pulse.window ? `${clock(new Date(Date.parse(end) - 60000).toISOString())} UTC, ${ageText(pulse.age_seconds)} old` : "none";
  element("spike-count").textContent = whole.format(pulse.data.reduce((sum, entry) => sum + entry.price_spikes + entry.volume_spikes, 0));
  element("snapshots").textContent = Object.entries(pulse.snapshot_ids).map(([table, id]) => `${table} @ ${id ?? "nothing yet"}`).join("   ");
  if (!pulse.data.length) return say("no data yet", "warn");
  if (!pulse.is_fresh) return say(`stale: nothing new for ${ageText(pulse.age_seconds)}`, "bad");
  const count = pulse.incomplete_symbols.length;
  return count ? say(`live, ${count} symbol${count > 1 ? "s" : ""} incomplete in the last hour`, "warn") : say("live, last hour complete", "good");
}

function say(text, look) {
  const badge = element("state");
  badge.textContent = text;
  badge.className = `badge ${look}`;
}

async function showAudit() {
  const answer = await ask("/v1/audit", { kind: "micro_batch", limit: 1000 });
  const newest = answer.data.find((row) => row.max_lag_ms !== null);
  element("lag").textContent = newest ? `${(newest.max_lag_ms / 1000).toFixed(1)} s` : "–";
  const since = answer.data.length ? Date.parse(answer.data[0].started_at) - HOUR_MS : 0;
  const hour = answer.data.filter((row) => Date.parse(row.started_at) > since);
  const sum = (name) => hour.reduce((total, row) => total + row[name], 0);
  element("rows").textContent = hour.length ? `${compact.format(sum("rows_in"))} in, ${compact.format(sum("dq_fail"))} rejected` : "–";
}

async function showSpikes() {
  const answer = await ask("/v1/spikes", { limit: 50 });
  element("spikes").replaceChildren(...answer.data.map((spike) => {
    const item = made("li");
    item.dataset.symbol = spike.symbol;
    item.addEventListener("click", () => choose(spike.symbol));
    item.append(
      made("span", "quiet", `${spike.minute.slice(5, 10)} ${clock(spike.minute)}`),
      made("b", "", spike.symbol),
      made("span", `tag ${spike.kind}`, spike.kind),
      made("span", "", `score ${shortDecimal(spike.score)}`),
      made("span", "", `price ${shortDecimal(spike.price)}`),
      made("span", "quiet", `volume ${compact.format(Number(spike.volume))}`),
    );
    if (!spike.is_complete) item.append(made("span", "late", "incomplete"));
    return item;
  }));
  if (!answer.data.length) element("spikes").append(made("li", "quiet", "none in the last 7 days"));
}

// ---- what is shown, and when it is read again -----------------------------------------------------------------------

async function choose(symbol) {
  state.symbol = symbol;
  history.replaceState(null, "", `#${encodeURIComponent(symbol)}`);
  element("chart-symbol").textContent = symbol;
  for (const row of document.querySelectorAll("#pulse tr")) row.setAttribute("aria-selected", String(row.dataset.symbol === symbol));
  await attempt(() => readMinutes(symbol, true));
}

async function refresh() {
  if (state.busy || document.hidden) return;
  state.busy = true;
  await attempt(async () => {
    const pulse = await ask("/v1/pulse");
    const names = pulse.data.map((entry) => entry.symbol);
    await readCompleteness(names, pulse.window ? pulse.window.end : pulse.read_at);
    showPulse(pulse);
    if (!names.includes(state.symbol) && names.length) {
      const wanted = decodeURIComponent(location.hash.slice(1));
      await choose(names.includes(wanted) ? wanted : names[0]);
    } else if (state.symbol) {
      await readMinutes(state.symbol, false);
    }
    await showSpikes();
    await showAudit();
    document.body.dataset.ready = "true";
  });
  state.busy = false;
}

async function attempt(work) {
  try {
    await work();
    element("token-form").hidden = true;
  } catch (error) {
    if (error instanceof Refused && error.status === 401) {
      element("token-form").hidden = false;
      say("token needed", "warn");
    } else {
      say(error instanceof Refused ? error.message : "the API does not answer", "bad");
    }
  }
}

element("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", element("token").value);
  state.completenessReadAt = 0;
  refresh();
});
for (const button of document.querySelectorAll("#spans button")) {
  button.setAttribute("aria-pressed", String(Number(button.dataset.hours) === state.hours));
  button.addEventListener("click", () => {
    state.hours = Number(button.dataset.hours);
    for (const each of document.querySelectorAll("#spans button")) each.setAttribute("aria-pressed", String(each === button));
    showSpan();
  });
}
refresh();
setInterval(refresh, REFRESH_MS);
