// SPDX-License-Identifier: Apache-2.0
// Keeps a page of the dashboard alive: figures and sparklines from server-sent events, parts of the page fetched anew when
// something changed, and the log. Text from apps only ever becomes text nodes. Without it the pages still work.
"use strict";

const POINTS = 150; // Five minutes of one value each two seconds.
const SHORTEST = 30; // A chart is at least a minute wide, and widens as values come.
const MAX_LINES = 2000;

// MARK: Values for people

const percent = value => value == null ? "–" : `${value.toFixed(value < 10 ? 1 : 0)} %`;

function bytes(value) {
  if (value == null) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1023.95 && unit < units.length - 1) { value /= 1024; unit += 1; }
  return `${unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[unit]}`;
}

function ago(iso) {
  const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  if (seconds < 10) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

function tellTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]:not(.exact)")) {
    element.textContent = ago(element.dateTime);
    element.title = new Date(element.dateTime).toLocaleString();
  }
}

// MARK: Figures and sparklines

const series = new Map(); // "app metric" → values, oldest first

function push(app, metric, value) {
  const key = `${app} ${metric}`;
  if (!series.has(key)) series.set(key, []);
  const values = series.get(key);
  values.push(value ?? 0);
  if (values.length > POINTS) values.shift();
}

const FLOORS = { cpu: 10, memory: 1, pressure: 5, requests: 2 }; // So that noise does not look like a mountain.

function draw(svg, values, floor) {
  const top = Math.max(floor, ...values) * 1.1;
  const step = 100 / (Math.max(SHORTEST, values.length) - 1);
  const start = 100 - (values.length - 1) * step;
  const points = values.map((value, i) => `${(start + i * step).toFixed(2)},${(23.5 - value / top * 22).toFixed(2)}`);
  for (const [name, text] of [["polygon", `${start.toFixed(2)},24 ${points.join(" ")} 100,24`], ["polyline", points.join(" ")]]) {
    let shape = svg.querySelector(name);
    if (!shape) svg.append(shape = document.createElementNS("http://www.w3.org/2000/svg", name));
    shape.setAttribute("points", text);
  }
}

const sum = (list, value) => list.reduce((total, one) => value(one) == null ? total : (total ?? 0) + value(one), null);
const most = (list, value) => list.reduce((found, one) => value(one) == null ? found : Math.max(found ?? 0, value(one)), null);
const waiting = (instance, resource) => instance.pressure?.[resource]?.some?.avg10;

/** What the instances of one app use together. */
function use(list) {
  return {
    cpu: sum(list, i => i.cpuPercent), memory: sum(list, i => i.memoryBytes), requests: sum(list, i => i.requestsPerSecond),
    pressure: most(list, i => Math.max(...["cpu", "memory", "io"].map(r => waiting(i, r) ?? 0))),
    limit: sum(list, i => i.memoryLimitBytes), cores: sum(list, i => i.cpuLimit), p99: most(list, i => i.p99Ms),
    throttled: most(list, i => i.throttledPercent), pids: sum(list, i => i.pids),
    waits: ["cpu", "memory", "io"].map(r => `${r} ${percent(most(list, i => waiting(i, r)))}`).join(" · "),
  };
}

const latest = new Map(); // node → snapshot
let seeded = false;

function take(snapshot) {
  latest.set(snapshot.node.name, snapshot);
  const apps = new Map();
  for (const { instances } of latest.values()) {
    for (const instance of instances) apps.set(instance.app, [...(apps.get(instance.app) ?? []), instance]);
  }
  if (!seeded) seed(apps);
  for (const app of new Set([...apps.keys(), ...[...document.querySelectorAll("[data-app]")].map(e => e.dataset.app)])) {
    const used = use(apps.get(app) ?? []);
    for (const metric of Object.keys(FLOORS)) {
      // What is not counted has no chart; what was counted falls to 0 when nothing runs.
      if (used[metric] != null || series.has(`${app} ${metric}`)) push(app, metric, used[metric]);
    }
  }
  show(apps);
  vitals();
}

/** Values of the minutes before this page was opened, as far as somebody watched then. */
function seed(apps) {
  seeded = true;
  for (const [app, list] of apps) {
    const [first] = list;
    if (list.length !== 1 || !first.history) continue;
    for (let i = Math.max(0, first.history.times.length - 2 * POINTS); i < first.history.times.length; i += 2) {
      push(app, "cpu", first.history.cpuPercent[i]);
      if (first.history.memoryBytes[i] != null) push(app, "memory", first.history.memoryBytes[i]);
      push(app, "requests", first.history.requestsPerSecond[i]);
    }
  }
}

function show(apps) {
  for (const place of document.querySelectorAll("[data-app]")) {
    const app = place.dataset.app;
    const list = apps.get(app) ?? [];
    const used = use(list);
    const figures = {
      cpu: percent(used.cpu), memory: bytes(used.memory), pressure: percent(used.pressure),
      requests: used.requests == null ? "–" : used.requests.toFixed(used.requests < 10 ? 1 : 0),
    };
    const notes = {
      cpu: used.cores ? `limit ${used.cores} cores, held back ${percent(used.throttled)}` : "no limit",
      memory: used.memory == null && list.length ? "this node does not count memory" : used.limit ? `limit ${bytes(used.limit)}` : "no limit",
      pressure: used.waits,
      requests: used.p99 == null ? "a second" : `a second, 99 % within ${used.p99 < 10 ? used.p99.toFixed(1) : used.p99.toFixed(0)} ms`,
    };
    for (const element of place.querySelectorAll("[data-figure]")) element.textContent = figures[element.dataset.figure];
    for (const element of place.querySelectorAll("[data-note]")) element.textContent = list.length ? notes[element.dataset.note] : "not running";
    for (const svg of place.querySelectorAll("[data-chart]")) {
      const metric = svg.dataset.chart;
      const values = series.get(`${app} ${metric}`) ?? [];
      if (values.length > 1) draw(svg, values, metric === "memory" ? (used.limit ?? 1) / 4 : FLOORS[metric]);
    }
  }
}

function vitals() {
  const place = document.getElementById("vitals");
  if (!place) return;
  place.hidden = false;
  place.textContent = [...latest.values()].map(({ node }) => [
    node.name, `CPU ${percent(node.cpuPercent)} of ${node.cores * 100} %`,
    `memory ${bytes(node.memoryUsedBytes)} of ${bytes(node.memoryBytes)}`,
    ...(["cpu", "memory", "io"].some(r => node.pressure[r]) ? [`waiting for CPU ${percent(node.pressure.cpu?.some.avg10)}, memory ${percent(node.pressure.memory?.some.avg10)}, disks ${percent(node.pressure.io?.some.avg10)}`] : []),
  ].join(" · ")).join("   ");
}

// MARK: Parts of the page

let refreshing = false, again = false;

/** Fetches the page anew and takes over the parts that the server says have changed. Nothing of it is run. */
function refresh() {
  if (refreshing) { again = true; return; }
  refreshing = true;
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.responseType = "document";
  request.onloadend = () => {
    if (request.status === 401 || request.responseURL.endsWith("/ui/login")) return location.assign("/ui/login");
    if (request.status === 404) return location.assign("/ui/");
    if (request.status === 200 && request.response) replaceParts(request.response);
    // A burst of changes is one change.
    setTimeout(() => { refreshing = false; if (again) { again = false; refresh(); } }, 400);
  };
  request.send();
}

function replaceParts(fresh) {
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const present = document.getElementById(part.id);
    if (!present) continue;
    const focused = present.contains(document.activeElement) ? document.activeElement : null;
    // Somebody is typing a number of instances.
    if (focused && focused.matches("input:not([type=hidden])")) continue;
    for (const details of part.querySelectorAll("details[id]")) {
      details.open = present.querySelector(`#${CSS.escape(details.id)}`)?.open ?? details.open;
    }
    present.replaceWith(document.adoptNode(part));
    if (focused?.id) document.getElementById(focused.id)?.focus();
  }
  tellTimes();
  const apps = new Map();
  for (const { instances } of latest.values()) {
    for (const instance of instances) apps.set(instance.app, [...(apps.get(instance.app) ?? []), instance]);
  }
  if (latest.size) show(apps);
}

// MARK: Streams

/** A stream that is open while the page is in sight, and comes back when it breaks; `tell` gets whether it is there. */
function stream(url, events, tell) {
  let source = null, timer = null;
  const close = () => { clearTimeout(timer); source?.close(); source = null; };
  const open = () => {
    close();
    source = new EventSource(url());
    source.onopen = () => {
      tell(true);
      events.open?.();
    };
    source.onerror = () => {
      close();
      // The page itself tells whether the session has ended.
      timer = setTimeout(() => { tell(false); refresh(); open(); }, 2000);
    };
    for (const [name, handler] of Object.entries(events)) {
      if (name !== "open") source.addEventListener(name, event => handler(JSON.parse(event.data)));
    }
  };
  document.addEventListener("visibilitychange", () => document.hidden ? close() : open());
  addEventListener("pagehide", close);
  if (!document.hidden) open();
}

function liveLog(section) {
  const box = section.querySelector(".lines"), list = box.querySelector("ol"), counts = section.querySelector(".counts");
  const search = document.getElementById("log-search"), kind = document.getElementById("log-stream");
  const follow = document.getElementById("log-follow"), hint = box.querySelector(".hint"), nothing = hint.textContent;
  let connected = true, fresh = false, waitingLines = [], scheduled = false;

  const unread = "The log cannot be read now; trying again.";

  function matches(item) {
    return (!kind.value || item.classList.contains(kind.value))
      && (!search.value || item.line.text.toLowerCase().includes(search.value.toLowerCase()));
  }

  function highlight(item) {
    const place = item.querySelector(".text"), text = item.line.text, wanted = search.value.toLowerCase();
    place.textContent = "";
    let from = 0;
    for (let at; wanted && (at = text.toLowerCase().indexOf(wanted, from)) >= 0; from = at + wanted.length) {
      const mark = document.createElement("mark");
      mark.textContent = text.slice(at, at + wanted.length);
      place.append(text.slice(from, at), mark);
    }
    place.append(text.slice(from));
  }

  function item(line) {
    const element = document.createElement("li");
    element.className = line.stream;
    element.line = line;
    const time = document.createElement("time");
    time.className = "exact";
    time.dateTime = line.time;
    time.textContent = new Date(line.time).toLocaleTimeString([], { hour12: false });
    const from = document.createElement("span");
    from.className = "from";
    from.textContent = line.instance;
    if (line.stream === "system") element.title = "Said by the platform";
    const text = document.createElement("span");
    text.className = "text";
    element.append(time, from, text);
    highlight(element);
    element.hidden = !matches(element);
    return element;
  }

  function tell() {
    const shown = [...list.children].filter(e => !e.hidden).length;
    counts.textContent = [
      search.value || kind.value ? `${shown} of ${list.children.length} lines` : "",
      connected || !list.children.length ? "" : unread,
    ].filter(Boolean).join(" · ");
  }

  // Lines are put in once a frame: a flood must not stop the page.
  function flush() {
    scheduled = false;
    list.append(...waitingLines.map(item));
    waitingLines = [];
    while (list.children.length > MAX_LINES) list.firstChild.remove();
    tell();
    if (follow.checked) box.scrollTop = box.scrollHeight;
  }

  function filter() {
    for (const element of list.children) { highlight(element); element.hidden = !matches(element); }
    tell();
    if (follow.checked) box.scrollTop = box.scrollHeight;
  }

  search.addEventListener("input", filter);
  kind.addEventListener("change", filter);
  follow.addEventListener("change", () => { if (follow.checked) box.scrollTop = box.scrollHeight; });
  box.addEventListener("wheel", event => { if (event.deltaY < 0) follow.checked = false; }, { passive: true });
  box.addEventListener("keydown", event => { if (["ArrowUp", "PageUp", "Home"].includes(event.key)) follow.checked = false; });

  stream(() => section.dataset.log, {
    open: () => { fresh = true; },
    message: line => {
      // The stream begins with the last lines again.
      if (fresh) { list.textContent = ""; waitingLines = []; fresh = false; }
      waitingLines.push(line);
      if (waitingLines.length > MAX_LINES) waitingLines.shift();
      if (!scheduled) { scheduled = true; requestAnimationFrame(flush); }
    },
  }, there => {
    connected = there;
    hint.textContent = there ? nothing : unread;
    tell();
  });
}

// MARK: Start

tellTimes();
setInterval(() => { if (!document.hidden) tellTimes(); }, 10000);
if (document.body.dataset.live) {
  // What changed between the making of this page, or a break, and the stream's beginning, no stream tells.
  stream(() => document.body.dataset.live, { open: refresh, stats: take, change: refresh },
    there => { document.getElementById("connection").hidden = there; });
}
const logSection = document.getElementById("log");
if (logSection) liveLog(logSection);
