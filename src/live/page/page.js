// The page: asks once a second, and shows what it was told last for as long as nobody answers.

const EVERY = 1000, SELDOM = 5000, PATIENCE = 4000;
const $ = (id) => document.getElementById(id);
const column = (name) => (columns) => columns[name];
const all = (value) => (columns) => value == null ? null : columns.t_s.map(() => value);
const sum = (...names) => (columns) => columns.t_s.map((_, at) => names.reduce((sum, name) => sum + columns[name][at], 0));
const exists = (values) => values.some((value) => value > 0) ? values : null;

// Times during which something was so, joined where they touch.
function times(columns, is) {
  const found = [];
  columns.t_s.forEach((from, at) => {
    if (!is(at)) return;
    const to = from + columns.length_s[at], last = found[found.length - 1];
    if (last && from - last[1] < 0.01) last[1] = to; else found.push([from, to]);
  });
  return found;
}
// What is shaded in every plot, in this order.
const BANDS = [
  { name: "the source had to wait", color: "shade", of: (columns) => times(columns, (at) =>
    columns.wait_backlog[at] + columns.wait_writer[at] + columns.wait_commit[at] > 0.1) },
  { name: "the breaker was open", color: "open", of: (columns) => times(columns, (at) => columns.breaker[at] > 0) },
];

for (const band of BANDS) {
  const mark = html("i");
  mark.style.cssText = `background:var(--${band.color})`;
  band.legend = html("span", { hidden: "" }, mark, band.name);
  $("shades").append(band.legend);
}
function shades(columns) {
  return BANDS.map(({ of, color, legend }) => {
    const times = of(columns);
    legend.hidden = !times.length;
    return { times, color };
  });
}

const plots = [
  new Plot({ title: "Records a second", show: si, parts: [
    { name: "done by workers", color: "blue", kind: "area", of: column("local_eps") },
    { name: "by the function", color: "red", kind: "area", of: (columns, about) => about.function ? columns.remote_eps : null },
    { name: "returned: sent, then done locally", color: "green", kind: "area", of: (columns) => exists(columns.home_eps) },
    { name: "bad", color: "pink", kind: "area", of: (columns) => exists(columns.bad_eps) },
    { name: "offered", color: "fg", kind: "line", of: (columns) => exists(columns.due_eps) || columns.offered_eps },
    { name: "threshold", color: "orange", kind: "dashed", of: (columns, about) => all(about.threshold_eps)(columns) },
  ] }),
  new Plot({ title: "Latency, from schedule to result", show: millis, log: true, parts: [
    { name: "p50", color: "blue", kind: "line", of: column("p50_ms") },
    { name: "p99", color: "red", kind: "line", of: column("p99_ms") },
    { name: "deadline", color: "orange", kind: "dashed", of: (columns, about) => all(about.deadline_ms)(columns) },
  ] }),
  new Plot({ title: "Backlog: records held", show: si, least: 10, parts: [
    { name: "queued on workers", color: "blue", kind: "area",  of: column("queued") },
    { name: "in flight", color: "red", kind: "area", of: (columns, about) => about.function ? columns.in_flight : null },
  ] }),
  new Plot({ title: "Where the workers' time goes", show: (value) => trimmed(value), parts: [
    { name: "in the task", color: "blue", kind: "area", of: (columns, about) => columns.busy_task.map((task) => Math.min(task, about.workers)) },
    { name: "for all else", color: "offered", kind: "area", of: (columns, about) =>
      columns.busy_cpu.map((cpu, at) => Math.max(0, Math.min(cpu, about.workers) - columns.busy_task[at])) },
    { name: "sources waiting", color: "orange", kind: "line", of: sum("wait_backlog", "wait_writer", "wait_commit") },
    { name: "the writer", color: "pink", kind: "line", of: (columns) => exists(columns.busy_writer) },
    { name: "all workers", color: "fg", kind: "dashed", of: (columns, about) => all(about.workers)(columns) },
  ] }),
  new Plot({ title: "Requests", show: si, least: 4, parts: [
    { name: "in flight", color: "red", kind: "area", of: column("requests_in_flight") },
    { name: "may be in flight", color: "fg", kind: "dashed", of: (columns) => {
      const used = Math.max(...columns.requests_in_flight, 4);
      return columns.requests_limit.map((limit) => limit <= 4 * used ? limit : null);
    } },
    { name: "throttled a second", color: "orange", kind: "line", of: column("throttled_per_s") },
    { name: "returned a second", color: "green", kind: "line", of: column("failed_per_s") },
  ] }),
  new Plot({ title: "Money spent", show: dollars, parts: [
    { name: "spent", color: "green", kind: "area", of: column("cost_usd") },
    { name: "budget", color: "orange", kind: "dashed", of: (columns, about) => {
      const budget = about.budget && about.budget.total_usd;
      return budget && Math.max(...columns.cost_usd) * 4 > budget ? all(budget)(columns) : null;
    } },
  ] }),
];
for (const plot of plots) $("plots").append(plot.section);

// The time of day, `seconds` after the run began.
function wall(seconds) {
  return new Date(told.now.began_ms + seconds * 1000).toLocaleTimeString();
}

function cursor(at) {
  for (const plot of plots) plot.mark(at);
  const { columns, now } = told || {};
  const shown = columns && now.began_ms != null && columns.t_s.length;
  const point = at == null ? (shown || 0) - 1 : Math.min(at, shown - 1);
  say("when", shown ? `${at == null ? "last: " : ""}${clock(columns.t_s[point])}, at ${wall(columns.t_s[point])}` : "");
}

// A tile: what it says, its value, and a line below it.
// A third part says whether it is coloured.
const WINDOW = "the last 2 s";
const percent = (share) => (share === 1 ? "100" : share === 0 ? "0" : (Math.floor(share * 1000) / 10).toFixed(1)) + " %";
const TILES = [
  ["on time", ({ now, about, state }) => {
    const deadline = `within ${millis(about.deadline_ms)}`, all = percent(now.on_time_in_all);
    if (state !== "running") return [all, `of all results ${deadline}`, now.is_late];
    const recent = now.on_time_fraction == null ? "–" : percent(now.on_time_fraction);
    return [recent, `in ${WINDOW}; ${all} of all ${deadline}`, now.is_late];
  }],
  ["done a second", ({ now }) => [si(now.done_eps), now.offered_eps == null ? "" : `${si(now.offered_eps)} offered`]],
  ["p99 latency", ({ now, about }) => [now.p99_ms == null ? "–" : millis(now.p99_ms), now.p50_ms == null ? "" : `of ${WINDOW}; half within ${millis(now.p50_ms)}`,
    about.has_due_times && now.p99_ms > about.deadline_ms]],
  ["backlog", ({ now }) => [si(now.backlog), `${si(now.peak_backlog)} at the most`]],
  ["by the function", ({ now, about }) => about.function
    ? [now.events_in ? trimmed(now.records_remote * 100 / now.events_in) + " %" : "–", `of ${si(now.events_in)} records`]
    : ["nothing", `${si(now.events_in)} records on workers`]],
  ["in flight", ({ now, about }) => about.function
    ? [si(now.requests_in_flight), "requests; " + (now.breaker === "closed" ? `${si(now.throttled)} throttled` : `breaker ${now.breaker.replace("_", " ")}`)]
    : null],
  ["spent", ({ now, about }) => {
    if (!about.function) return null;
    const { total_usd: total, per_hour_usd: hour } = about.budget || {};
    const budget = total != null ? `of ${dollars(total)}` : hour != null ? `of ${dollars(hour)} an hour` : "no budget is set";
    return [dollars(now.cost_usd), now.is_spent ? "the budget is spent" : budget];
  }],
  ["committed", ({ now }) => [si(now.epochs), now.commit_p99_ms == null ? "epochs" : `epochs; 99 % within ${millis(now.commit_p99_ms)}`]],
  ["workers can do", ({ now, about }) => [now.can_do_eps == null ? "–" : si(now.can_do_eps),
    about.workers === 1 ? "a second, 1 worker" : `a second, ${about.workers} workers`]],
];
const tiles = TILES.map(([name, of]) => {
  const value = html("dd");
  const tile = html("div", {}, html("dt", {}, name), value);
  $("tiles").append(tile);
  return { tile, value, of };
});

const COLUMNS = [
  ["time", (columns, at) => clock(columns.t_s[at])],
  ["clock", (columns, at) => told.now.began_ms == null ? "–" : wall(columns.t_s[at])],
  ["offered/s", (columns, at) => si(columns.offered_eps[at])],
  ["workers/s", (columns, at) => si(columns.local_eps[at])],
  ["function/s", (columns, at) => si(columns.remote_eps[at])],
  ["returned/s", (columns, at) => si(columns.home_eps[at])],
  ["late/s", (columns, at) => si(columns.late_eps[at])],
  ["p50", (columns, at) => columns.p50_ms[at] == null ? "–" : millis(columns.p50_ms[at])],
  ["p99", (columns, at) => columns.p99_ms[at] == null ? "–" : millis(columns.p99_ms[at])],
  ["queued", (columns, at) => si(columns.queued[at])],
  ["in flight", (columns, at) => si(columns.in_flight[at])],
  ["requests", (columns, at) => si(columns.requests_in_flight[at])],
  ["spent", (columns, at) => dollars(columns.cost_usd[at])],
  ["epochs", (columns, at) => si(columns.epochs[at])],
];

function table(columns) {
  if (!$("behind").open) return;
  const most = 24, count = columns.t_s.length, step = Math.max(1, Math.ceil(count / most));
  const head = html("tr", {}, ...COLUMNS.map(([name]) => html("th", { scope: "col" }, name)));
  const rows = [];
  for (let at = count - 1; at >= 0; at -= step) {
    rows.push(html("tr", {}, ...COLUMNS.map(([, of]) => html("td", {}, of(columns, at)))));
  }
  const caption = html("caption", {}, step > 1 ? `The last first, one point of ${step}.` : "The last first.");
  $("table").replaceChildren(caption, html("thead", {}, head), html("tbody", {}, ...rows));
}

// Texts are set when they change, so that a screen reader says what is new.
function say(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

function about({ about, state, now }) {
  if (state === "waiting" && !about.policy) return "The run has not begun.";
  const parts = [`policy ${about.policy}`, `task ${about.task}`, `${about.source} as source`,
    about.workers === 1 ? "1 worker" : `${about.workers} workers`];
  if (about.function) parts.push(`function: ${about.function}`);
  parts.push(`floodway ${about.version} on ${about.host}`);
  if (now.began_ms != null) parts.push(`began ${new Date(now.began_ms).toLocaleString()}`);
  if (about.processes > 1) parts.push(`process ${about.process} of 0 to ${about.processes - 1}: these are its own figures`);
  return parts.join(" · ");
}

// The graph and the table of the stages. Before the run has begun, nothing is known of them.
function dataflow() {
  const { about, stages, states, state } = told;
  $("held").hidden = !states.length;
  $("states").replaceChildren(...stateTable(states));
  const named = about.links.flatMap(({ from, to }) => [from, to]).filter((name) => name != null);
  $("dataflow").hidden = !about.links.length || named.some((name) => !stages.some((stage) => stage.name === name));
  if ($("dataflow").hidden) return;
  drawGraph($("graph"), told, $("room").clientWidth);
  const covers = html("caption", { id: "covers" }, state === "running"
    ? "In the last two seconds. “needs” is the number of workers that would do all of a stage’s records."
    : "In the whole run. “needs” is the number of workers that would do all of a stage’s records.");
  $("covers").parentElement.replaceChildren(covers, ...stageRows(stages));
}

const STATES = {
  waiting: () => "waiting to begin", running: (now) => `running for ${clock(Math.floor(now.at_s))}`,
  done: (now) => `done after ${clock(now.at_s)}`, stopped: (now) => `stopped after ${clock(now.at_s)}`,
  failed: (now) => `failed after ${clock(now.at_s)}`,
};

let told = null, missed = 0;

function show() {
  const { state, now, bottleneck, last_words, columns, error, stuck } = told;
  const gone = missed > 1 && (state === "running" || state === "waiting");
  document.body.classList.toggle("stale", gone);
  $("state").className = "state " + (gone ? "gone" : now.is_late && state !== "failed" ? "late" : state);
  say("state", gone ? "not reached" : STATES[state](now) + (now.is_late ? ", late" : ""));
  say("about", about(told));
  let what = bottleneck.says, advice = bottleneck.advice, look = bottleneck.kind === "nothing" ? "" : "trouble";
  if (gone) {
    [what, advice, look] = ["The run is not reached any more.", "It has ended, or the way to it is cut. These are the figures it gave last; it is asked again and again.", "failed"];
  } else if (state === "failed") {
    [what, advice, look] = ["The run has failed.", error || "", "failed"];
  } else if (state === "done" || state === "stopped") {
    const end = state === "done" ? "The run has ended." : "The run was stopped, and has committed what it had begun.";
    const figures = "These are its last figures; the summary has all of them.";
    [what, advice, look] = last_words.length ? [end, last_words.join(" "), "trouble"] : [end, figures, ""];
  } else if (stuck) {
    [what, advice, look] = ["The run is stuck:", stuck + ".", "failed"];
  } else if (state === "waiting") {
    [what, advice, look] = ["The run has not begun.", "Its parts are started, or its other processes are waited for.", ""];
  }
  say("what", what);
  say("advice", advice);
  $("says").className = "choice " + look;
  for (const { tile, value, of } of tiles) {
    const shown = of(told);
    tile.hidden = !shown;
    if (shown) value.replaceChildren(shown[0], html("small", {}, shown[1]));
    tile.className = shown && shown[2] ? "late" : "";
  }
  dataflow();
  plots.slice(4).forEach((plot) => { plot.section.hidden = !told.about.function; });
  const shaded = shades(columns);
  for (const plot of plots) plot.draw(columns, told.about, shaded);
  cursor(plots[0].at);
  table(columns);
  document.title = state === "running" && !gone
    ? `${now.is_late ? "late: " : ""}${si(now.done_eps)}/s, p99 ${now.p99_ms == null ? "–" : millis(now.p99_ms)} · floodway` : `${$("state").textContent} · floodway`;
}

async function ask() {
  const recent = document.querySelector("[name=span]:checked").value === "recent";
  try {
    const answer = await fetch("series.json" + (recent ? "?span=recent" : ""), { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(answer.statusText);
    told = await answer.json();
    missed = 0;
  } catch (error) {
    missed += 1;
  }
  if (told) show();
  else if (missed > 1) { $("state").className = "state gone"; say("state", "not reached"); }
}

let next;
async function again() {
  clearTimeout(next);
  await ask();
  const over = told && ["done", "stopped", "failed"].includes(told.state);
  next = setTimeout(again, over ? SELDOM : EVERY);
}
for (const button of document.querySelectorAll("[name=span]")) button.addEventListener("change", again);
$("behind").addEventListener("toggle", () => told && table(told.columns));
addEventListener("resize", () => told && show());
again();
