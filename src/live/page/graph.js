// The graph of the dataflow: from the source through the stages to the sink, with what each stage does.

const STAGE_BOX = { width: 196, height: 118 }, END_BOX = { width: 118, height: 64 };
// A link that passes a layer takes this place in it.
const PASSING = { width: 14, height: 14 };
const BETWEEN = 18, ALONG = 54, EDGE = 12;

// The nodes and links of a graph: each node has its layer, after those of all that feed it.
function layered(stages, links) {
  const source = { kind: "source", layer: 0, ...END_BOX }, sink = { kind: "sink", ...END_BOX };
  const nodes = [source, ...stages.map((stage) => ({ kind: stage.is_call ? "call" : "stage", stage, ...STAGE_BOX })), sink];
  const of = (name, end) => name == null ? end : nodes.find((node) => node.stage && node.stage.name === name);
  const edges = links.map(({ from, to }) => [of(from, source), of(to, sink)]).filter(([from, to]) => from && to);
  const isBack = ([from, to]) => nodes.indexOf(from) >= nodes.indexOf(to);
  for (const node of nodes.slice(1)) {
    const before = edges.filter((edge) => edge[1] === node && !isBack(edge)).map(([from]) => from.layer);
    node.layer = 1 + Math.max(0, ...before);
  }
  sink.layer = 1 + Math.max(...nodes.slice(0, -1).map((node) => node.layer));
  const layers = Array.from({ length: sink.layer + 1 }, () => []);
  for (const node of nodes) layers[node.layer].push(node);
  // A link goes through a node of its own in each layer between its ends, so that it crosses no box.
  const paths = edges.map((edge) => {
    const [from, to] = edge, path = [from];
    for (let layer = from.layer + 1; !isBack(edge) && layer < to.layer; layer++) {
      const passing = { kind: "passing", layer, before: [path[path.length - 1]], ...PASSING };
      layers[layer].push(passing);
      path.push(passing);
    }
    if (!isBack(edge)) (to.before = to.before || []).push(path[path.length - 1]);
    return { path: [...path, to], isBack: isBack(edge) };
  });
  // Within a layer, nodes are in the order of what feeds them.
  for (const layer of layers) {
    const place = ({ before }) => before ? before.reduce((sum, one) => sum + one.place, 0) / before.length : 0;
    layer.sort((one, other) => place(one) - place(other));
    layer.forEach((node, at) => { node.place = (at + 0.5) / layer.length; });
  }
  return { nodes, layers, paths };
}

// Places the nodes, layer after layer: from left to right if that fits into `room`, else from top to bottom.
function placed({ layers }, room) {
  const most = (nodes, size) => Math.max(...nodes.map((node) => node[size]));
  const sum = (nodes, size) => nodes.reduce((sum, node) => sum + node[size], BETWEEN * (nodes.length - 1));
  const length = (size) => layers.reduce((sum, layer) => sum + most(layer, size), ALONG * (layers.length - 1));
  const isWide = length("width") + 2 * EDGE <= room;
  const [along, across] = isWide ? ["width", "height"] : ["height", "width"];
  const [first, second] = isWide ? ["x", "y"] : ["y", "x"];
  const broad = Math.max(...layers.map((layer) => sum(layer, across)));
  let at = EDGE;
  for (const layer of layers) {
    const long = most(layer, along);
    let beside = EDGE + (broad - sum(layer, across)) / 2;
    for (const node of layer) {
      if (node.kind === "passing") node[along] = long;
      node[first] = at + (long - node[along]) / 2;
      node[second] = beside;
      beside += node[across] + BETWEEN;
    }
    at += long + ALONG;
  }
  const size = { [along]: at - ALONG + EDGE, [across]: broad + 2 * EDGE };
  return { isWide, ...size };
}

// The line of a link through the middles of its nodes.
function line({ path, isBack }, isWide) {
  const enter = ({ x, y, width, height }) => isWide ? [x, y + height / 2] : [x + width / 2, y];
  const leave = ({ x, y, width, height }) => isWide ? [x + width, y + height / 2] : [x + width / 2, y + height];
  const first = path[0], last = path[path.length - 1];
  if (isBack) {
    const [[x1, y1], [x2, y2]] = [leave(first), enter(last)];
    const out = isWide ? `${x1 + 40},${y1 + 90} ${x2 - 40},${y2 + 90}` : `${x1 + 145},${y1 + 40} ${x2 + 145},${y2 - 40}`;
    return `M${x1},${y1}C${out} ${x2},${y2}`;
  }
  let drawn = `M${leave(first)}`, [x, y] = leave(first);
  for (const node of path.slice(1)) {
    const [toX, toY] = enter(node);
    const bend = isWide ? `${(x + toX) / 2},${y} ${(x + toX) / 2},${toY}` : `${x},${(y + toY) / 2} ${toX},${(y + toY) / 2}`;
    drawn += `C${bend} ${toX},${toY}`;
    [x, y] = leave(node);
    if (node !== last) drawn += `L${x},${y}`;
  }
  return drawn;
}

const rounded = (share) => Math.round(share * 100) + " %";
const micros = (us) => us >= 1000 ? millis(us / 1000) : trimmed(us) + " µs";
const hourly = (usd) => dollars(usd) + " an hour";

// The figures of the stages: a name, and the value as text. Null is not known, or does not exist.
const STAGE_FIGURES = [
  ["in/s", (stage) => si(stage.received_eps)],
  ["done/s", (stage) => si(stage.done_eps)],
  ["a record", (stage) => stage.useful_us == null ? null : micros(stage.useful_us)],
  ["busy", (stage) => stage.is_call ? null : rounded(stage.busy)],
  ["needs", (stage) => stage.needs_workers == null ? null : trimmed(stage.needs_workers)],
  ["queued", (stage) => si(stage.queued)],
  ["in flight", (stage) => si(stage.in_flight)],
  ["sent", (stage) => stage.is_call || stage.remote_fraction == null ? null : rounded(stage.remote_fraction)],
  ["$/h", (stage) => stage.is_call ? null : dollars(stage.usd_per_hour)],
  ["lag", (stage) => stage.lag_s == null ? null : millis(stage.lag_s * 1000)],
];

// The lines in the box of a stage.
function stageLines(stage, about) {
  const figure = (name) => STAGE_FIGURES.find(([figure]) => figure === name)[1](stage);
  const record = figure("a record"), needs = figure("needs"), lag = figure("lag"), sent = figure("sent");
  const sends = stage.is_call || about.function;
  return [
    `${figure("in/s")}/s` + (record ? ` of ${record}` : ""),
    stage.is_call ? "called: a service does it" : `busy ${figure("busy")}` + (needs ? `, needs ${needs} of ${about.workers}` : ""),
    `queue ${figure("queued")}` + (sends ? `, in flight ${figure("in flight")}` : ""),
    sends && !stage.is_call ? `sent ${sent || "–"}, ${hourly(stage.usd_per_hour)}` : null,
    lag && `lag ${lag}`,
  ].filter((line) => line);
}

// The name and the lines in the box of a node.
function texts({ kind, stage }, { about, now, columns }) {
  if (stage) return [stage.name, stageLines(stage, about)];
  if (kind === "sink") return ["sink", [`${si(now.done_eps)}/s`, now.commit_p99_ms == null ? "" : `99 % in ${millis(now.commit_p99_ms)}`]];
  const offered = now.offered_eps ?? columns.offered_eps[columns.offered_eps.length - 1] ?? 0;
  return [about.source, [`${si(offered)}/s`, now.late_s > 0.2 ? `${trimmed(now.late_s)} s late` : "source"]];
}

const cutTo = (text, length) => text.length > length ? text.slice(0, length - 1) + "…" : text;

function box(node, told) {
  const { x, y, width, height, kind, stage } = node, [name, lines] = texts(node, told);
  const isBottleneck = Boolean(stage && stage.is_bottleneck);
  const group = element("g", { class: `node ${kind}` + (isBottleneck ? " bottleneck" : ""), "data-kind": kind, transform: `translate(${x},${y})` });
  if (stage) group.setAttribute("data-stage", stage.name);
  if (isBottleneck) group.setAttribute("data-bottleneck", "true");
  group.append(element("title", {}, [[name, ...lines].join("\n")]), element("rect", { class: "box", width, height, rx: 5 }));
  group.append(element("text", { x: 10, y: 20, class: "name" }, [cutTo(name, Math.floor((width - 20) / 8.4))]));
  lines.forEach((line, at) => group.append(element("text", { x: 10, y: 38 + 16 * at }, [line])));
  if (stage && !stage.is_call) {
    const bar = { x: 0, y: height - 5, height: 5, rx: 2 };
    group.append(element("rect", { ...bar, class: "idle", width }));
    group.append(element("rect", { ...bar, class: "busy", width: width * Math.min(1, stage.busy) }));
  }
  if (isBottleneck) {
    group.append(element("rect", { class: "mark", x: width - 92, y: -9, width: 86, height: 18, rx: 9 }));
    group.append(element("text", { class: "mark", x: width - 49, y: 4, "text-anchor": "middle" }, ["bottleneck"]));
  }
  return group;
}

// Draws what the run says of its stages, in `room` pixels.
function drawGraph(svg, told, room) {
  const graph = layered(told.stages, told.about.links), { isWide, width, height } = placed(graph, room);
  const arrow = element("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, orient: "auto" },
    [element("path", { d: "M0,0L8,4L0,8Z" })]);
  const name = (node, end) => node.stage ? node.stage.name : end;
  const lines = graph.paths.map((link) => element("path", { class: "link", d: line(link, isWide), "marker-end": "url(#arrow)",
    "data-from": name(link.path[0], "source"), "data-to": name(link.path[link.path.length - 1], "sink") }));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.style.cssText = `width:${width}px;height:${height}px`;
  svg.replaceChildren(element("defs", {}, [arrow]), ...lines, ...graph.nodes.map((node) => box(node, told)));
  const said = graph.paths.map(({ path }) => `${name(path[0], "the source")} to ${name(path[path.length - 1], "the sink")}`);
  const held = told.stages.find((stage) => stage.is_bottleneck);
  svg.setAttribute("aria-label", `The dataflow: ${said.join(", ")}.` + (held ? ` ${held.name} is the bottleneck.` : ""));
}

// The figures of what a stage with state holds.
const STATE_FIGURES = [
  ["keys", (state) => si(state.keys)],
  ["size", (state) => binary(state.bytes)],
  ["on the fullest worker", (state) => state.keys ? rounded(state.most_keys / state.keys) : null],
  ["rows merged", (state) => si(state.merged_rows)],
  ["rows late", (state) => si(state.late_rows)],
  ["written", (state) => binary(state.written_bytes)],
];

// A table of what the stages with state hold.
function stateTable(states) {
  const head = html("tr", {}, html("th", { scope: "col" }, "state of"), ...STATE_FIGURES.map(([name]) => html("th", { scope: "col" }, name)));
  const rows = states.map((state) => html("tr", {}, html("th", { scope: "row" }, state.name),
    ...STATE_FIGURES.map(([, of]) => html("td", {}, of(state) ?? "–"))));
  const caption = html("caption", {}, "What the stages with state hold. Sizes are estimates.");
  return [caption, html("thead", {}, head), html("tbody", {}, ...rows)];
}

// A number of bytes, as text.
function binary(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (bytes >= 1024 && unit < units.length - 1) (bytes /= 1024, unit += 1);
  return `${bytes < 10 && unit ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

// The same figures as rows.
function stageRows(stages) {
  const head = html("tr", {}, html("th", { scope: "col" }, "stage"), ...STAGE_FIGURES.map(([name]) => html("th", { scope: "col" }, name)));
  const rows = stages.map((stage) => html("tr", stage.is_bottleneck ? { class: "chosen" } : {},
    html("th", { scope: "row" }, stage.name + (stage.is_call ? " (a call)" : "") + (stage.is_bottleneck ? " – bottleneck" : "")),
    ...STAGE_FIGURES.map(([, of]) => html("td", {}, of(stage) ?? "–"))));
  return [html("thead", {}, head), html("tbody", {}, ...rows)];
}
