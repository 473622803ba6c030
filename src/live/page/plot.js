// One plot: axes, areas and lines over time, a cursor that all plots share, and a legend with values.

const SVG = "http://www.w3.org/2000/svg";
const MARGIN = { left: 62, right: 10, top: 8, bottom: 22 };
const HEIGHT = 190;

function element(name, attributes = {}, children = []) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function html(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// Numbers as people read them.
function si(value) {
  const size = Math.abs(value);
  for (const [unit, name] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (size >= unit) return trimmed(value / unit) + name;
  }
  return size > 0 && size < 10 ? trimmed(value) : String(Math.round(value));
}
function trimmed(value) {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}
function millis(ms) {
  if (ms >= 60000) return trimmed(ms / 60000) + " min";
  if (ms >= 1000) return trimmed(ms / 1000) + " s";
  return (ms >= 1 ? trimmed(ms) : trimmed(Math.round(ms * 100) / 100)) + " ms";
}
function dollars(usd) {
  if (usd === 0) return "$0";
  if (usd < 0.001) return trimmed(usd * 1e6) + " µ$";
  return "$" + (usd >= 1 ? usd.toFixed(2) : usd.toPrecision(3).replace(/e.*/, "") === "" ? usd :
    Number(usd.toPrecision(3)).toFixed(usd >= 0.01 ? 4 : 7).replace(/0+$/, "").replace(/\.$/, ""));
}
function clock(seconds) {
  if (seconds < 120) return trimmed(seconds) + " s";
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  const two = (number) => String(number).padStart(2, "0");
  return minutes < 60 ? minutes + ":" + two(whole % 60) + " min"
    : Math.floor(minutes / 60) + ":" + two(minutes % 60) + " h";
}

// Where the lines of a grid are: round numbers.
function ticks(low, high, most) {
  const rough = (high - low) / Math.max(1, most), power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = [1, 2, 5, 10].map((part) => part * power).find((part) => part >= rough) || power;
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high * (1 + 1e-9); at++) found.push(at * step);
  return found;
}
function timeTicks(low, high, most) {
  const rough = (high - low) / Math.max(1, most);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400]
    .find((part) => part >= rough) || rough;
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high * (1 + 1e-9); at++) found.push(at * step);
  return found;
}
function decades(low, high) {
  const found = [];
  const steps = Math.log10(high / low) > 2.5 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const step of steps) {
      const at = step * 10 ** power;
      if (at >= low * 0.999 && at <= high * 1.001) found.push(at);
    }
  }
  return found;
}

// How high a plot is: what one or two points alone are far above does not flatten all others.
const ALONE = 2, FAR = 2.5;
function settled(drawn, high) {
  const lines = drawn.filter(({ part }) => part.kind !== "dashed").map(({ values }) => values);
  const fixed = drawn.filter(({ part }) => part.kind === "dashed").flatMap(({ values }) => values);
  const count = lines.length ? lines[0].length : 0;
  if (count < 10 * ALONE) return high;
  const points = lines[0].map((_, at) => Math.max(...lines.map((values) => values[at] || 0)));
  const rest = points.sort((one, other) => other - one)[ALONE];
  const usual = Math.max(rest * 1.2, ...fixed.filter((value) => value != null));
  return usual > 0 && high > FAR * usual ? usual : high;
}
// The points that are above it, the highest first.
function cut(drawn, high, times) {
  const found = new Map();
  for (const { values } of drawn) values.forEach((value, at) => {
    if (value > high && value > (found.get(at) || 0)) found.set(at, value);
  });
  return [...found].map(([at, value]) => [times[at], value]).sort((one, other) => other[1] - one[1]);
}

class Plot {
  // `parts`: {name, color, of(columns, about), kind: "area" | "line" | "dashed"}; areas are stacked.
  constructor({ title, show, parts, log = false, least = 0 }) {
    Object.assign(this, { title, show, parts, log, least });
    this.svg = element("svg", { role: "img", tabindex: "0" });
    this.legend = html("div", { class: "legend" });
    this.values = parts.map((part) => {
      const mark = html("i", { class: part.kind });
      mark.style.cssText = part.kind === "area" ? `background:var(--${part.color})` : `border-color:var(--${part.color})`;
      const value = document.createElement("b");
      this.legend.append(html("span", {}, mark, part.name + " ", value));
      return value;
    });
    this.section = html("section", {}, html("h2", {}, title), this.legend, this.svg);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerdown", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => cursor(null));
    this.svg.addEventListener("blur", () => cursor(null));
    this.svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (event.key === "Escape") cursor(null);
      if (!step || !this.times) return;
      event.preventDefault();
      const last = this.times.length - 1;
      cursor(Math.max(0, Math.min(last, (this.at ?? last) + step)));
    });
  }

  point(event) {
    if (!this.times || !this.times.length) return;
    const box = this.svg.getBoundingClientRect();
    const time = this.from + (event.clientX - box.left - MARGIN.left) / this.perSecond;
    let nearest = 0;
    this.times.forEach((at, index) => {
      if (Math.abs(at - time) < Math.abs(this.times[nearest] - time)) nearest = index;
    });
    cursor(nearest);
  }

  // Draws `columns` again. What was not measured is a gap.
  // `shaded` are times with colors.
  draw(columns, about, shaded) {
    const width = this.svg.clientWidth;
    if (!width) return;
    this.times = columns.t_s.map((time, index) => time + columns.length_s[index] / 2);
    this.columns = this.parts.map((part) => part.of(columns, about));
    const count = this.times.length;
    this.from = count ? columns.t_s[0] : 0;
    const until = count ? columns.t_s[count - 1] + columns.length_s[count - 1] : 1;
    const inner = width - MARGIN.left - MARGIN.right, tall = HEIGHT - MARGIN.top - MARGIN.bottom;
    this.perSecond = inner / Math.max(until - this.from, 0.1);
    const x = (time) => MARGIN.left + (time - this.from) * this.perSecond;

    const sums = new Array(count).fill(0), drawn = [];
    this.parts.forEach((part, index) => {
      const values = this.columns[index];
      if (!values) return;
      if (part.kind !== "area") return drawn.push({ part, values });
      const below = sums.slice();
      values.forEach((value, at) => { sums[at] += value || 0; });
      drawn.push({ part, values: sums.slice(), below });
    });
    const all = drawn.flatMap((one) => one.values).filter((value) => value != null && isFinite(value));
    let high = Math.max(this.least, ...all), low = 0;
    if (this.log) {
      const above = all.filter((value) => value > 0);
      low = above.length ? Math.min(...above) * 0.8 : 1;
      high = Math.max(high * 1.25, low * 10);
    } else {
      high = (settled(drawn, high) || 1) * 1.06;
    }
    const y = this.log
      ? (value) => MARGIN.top + tall * (1 - Math.log(Math.max(value, low) / low) / Math.log(high / low))
      : (value) => MARGIN.top + tall * (1 - Math.min(value, high) / high);

    const back = element("g"), grid = element("g", { class: "grid" }), curves = element("g");
    for (const { times, color } of shaded) {
      for (const [from, to] of times) {
        back.append(element("rect", { x: x(from), y: MARGIN.top, width: Math.max(1, x(to) - x(from)), height: tall,
          fill: `var(--${color})` }));
      }
    }
    for (const at of this.log ? decades(low, high) : ticks(0, high, 4)) {
      const line = { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(at), y2: y(at) };
      const text = element("text", { x: MARGIN.left - 6, y: y(at) + 4, "text-anchor": "end" }, [this.show(at)]);
      grid.append(element("line", line), text);
    }
    for (const at of timeTicks(this.from, until, Math.max(2, inner / 90))) {
      const tick = element("line", { x1: x(at), x2: x(at), y1: MARGIN.top + tall, y2: MARGIN.top + tall + 4 });
      // The last one would stand out at the right.
      const isLast = x(at) > width - 30, anchor = isLast ? "end" : "middle";
      const text = element("text", { x: isLast ? width - 1 : x(at), y: HEIGHT - 4, class: "dim", "text-anchor": anchor }, [clock(at)]);
      grid.append(tick, text);
    }
    for (const { part, values, below } of drawn) {
      const color = `var(--${part.color})`;
      if (below) {
        const top = values.map((value, at) => `${x(this.times[at]).toFixed(1)},${y(value).toFixed(1)}`);
        const under = below.map((value, at) => `${x(this.times[at]).toFixed(1)},${y(value).toFixed(1)}`).reverse();
        if (count > 1) {
          curves.append(element("path", { d: "M" + top.concat(under).join("L") + "Z", fill: color, "fill-opacity": .55 }));
        }
        continue;
      }
      let path = "", pen = false;
      values.forEach((value, at) => {
        if (value == null) { pen = false; return; }
        path += `${pen ? "L" : "M"}${x(this.times[at]).toFixed(1)},${y(value).toFixed(1)}`;
        if (!pen && values[at + 1] == null) path += "h2";
        pen = true;
      });
      if (path) {
        curves.append(element("path", { d: path, fill: "none", stroke: color, "stroke-width": 1.8,
          "stroke-dasharray": part.kind === "dashed" ? "6 5" : "none", "stroke-linejoin": "round" }));
      }
    }
    if (!this.log) cut(drawn, high, this.times).forEach(([time, value], index) => {
      const left = x(time) > width / 2, at = x(time) + (left ? -6 : 6);
      curves.append(element("path", { d: `M${x(time) - 4},${MARGIN.top + 7}h8l-4,-7Z`, fill: "var(--fg)" }));
      if (index === 0) {
        curves.append(element("text", { x: at, y: MARGIN.top + 8, "text-anchor": left ? "end" : "start" }, ["up to " + this.show(value)]));
      }
    });
    const base = MARGIN.top + tall;
    const axis = element("line", { class: "axis", x1: MARGIN.left, x2: width - MARGIN.right, y1: base, y2: base });
    this.cross = element("line", { class: "cross", y1: MARGIN.top, y2: base, visibility: "hidden" });
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.svg.replaceChildren(back, grid, curves, axis, this.cross);
    this.x = x;
    this.mark(this.at);
    this.svg.setAttribute("aria-label", this.title + ", last: " + this.said(count - 1));
  }

  said(at) {
    const shown = this.parts.map((part, index) => [part.name, (this.columns[index] || [])[at]]);
    return shown.filter(([, value]) => value != null).map(([name, value]) => `${name} ${this.show(value)}`).join(", ");
  }

  // Puts the cursor at a point, or takes it away; the legend says the values there, or the last ones.
  mark(at) {
    if (!this.times) return;
    const last = this.times.length - 1;
    this.at = at == null || at > last ? null : at;
    const shown = this.at ?? last;
    this.parts.forEach((part, index) => {
      const value = (this.columns[index] || [])[shown];
      this.values[index].textContent = value == null ? "–" : this.show(value);
      this.values[index].parentElement.hidden = !this.columns[index];
    });
    this.cross.setAttribute("visibility", this.at == null ? "hidden" : "visible");
    if (this.at != null) {
      const x = this.x(this.times[this.at]);
      this.cross.setAttribute("x1", x);
      this.cross.setAttribute("x2", x);
    }
  }
}
