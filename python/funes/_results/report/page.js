"use strict";
(() => {
  const PAGE_ROWS = 25;
  // More groups than this share the last colour.
  const MAX_GROUPS = 10;
  // Numbers with more different values than this are a colour scale, not groups.
  const MAX_NUMBER_GROUPS = 8;
  const MAX_PARALLEL = 8;
  // With more results, charts are drawn as pixels, which is faster and prints less well.
  const MAX_SVG = 5000;
  // With more numbers, an axis of a heat map has ranges of them.
  const MAX_STEPS = 40;
  const RANGES = 20;
  const MAX_TICKS = 40;
  const GROUPS = ["#3b7dd8", "#e07b39", "#2f9e6e", "#b454b8", "#c9a227", "#d64550", "#4fb3bf", "#8a6d5a", "#7a7fd6", "#8b93a1"];
  const SCALE = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"];
  const collator = new Intl.Collator("en", { numeric: true });
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // Elements. Texts are set as text, so no value can become HTML.

  function el(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value != null) made.setAttribute(key, value);
    }
    made.append(...children.filter((child) => child != null));
    return made;
  }

  function select(label, options, chosen, change, attributes) {
    const list = el("select", { ...attributes, onchange: () => change(list.value) },
      ...options.map(([value, text]) => el("option", { value, selected: value === chosen }, text)));
    return el("label", {}, label, list);
  }

  function check(label, checked, change, attributes) {
    const box = el("input", { ...attributes, type: "checkbox", onchange: () => change(box.checked) });
    box.checked = checked;
    return el("label", { class: "check" }, box, label);
  }

  let ids = 0;
  const newId = () => `id-${++ids}`;

  // Columns

  class Column {
    constructor(given, index) {
      Object.assign(this, { unit: "", hidden: false }, given);
      this.index = index;
      this.isNumber = Boolean(given.numbers);
      this.floats = this.isNumber ? given.numbers.map((each) => (each === null ? null : Number(each))) : null;
    }
    has(row) { return this.isNumber ? this.floats[row] !== null : this.at[row] !== null; }
    // The number of a row, or the position of its text; NaN if it has none.
    value(row) { return this.isNumber ? this.floats[row] ?? NaN : this.at[row] ?? NaN; }
    exact(row) {
      if (!this.has(row)) return "";
      return this.isNumber ? (this.unit ? this.text(row) : String(this.numbers[row])) : this.texts[this.at[row]];
    }
    text(row) {
      if (!this.has(row)) return "";
      return this.isNumber ? shown(this.floats[row], this.unit) : this.texts[this.at[row]];
    }
    compare(one, other) {
      if (this.isNumber) return this.floats[one] - this.floats[other];
      return collator.compare(this.texts[this.at[one]], this.texts[this.at[other]]);
    }
    // The different values among rows, sorted.
    distinct(rows) {
      const found = new Set();
      for (const row of rows) if (this.has(row) && !Number.isNaN(this.value(row))) found.add(this.value(row));
      const order = this.isNumber ? (a, b) => a - b : (a, b) => collator.compare(this.texts[a], this.texts[b]);
      return [...found].sort(order);
    }
    shownValue(value) { return this.isNumber ? shown(value, this.unit) : this.texts[value]; }
    isConstant(rows) {
      if (rows.length < 2) return false;
      const first = this.exact(rows[0]);
      return rows.every((row) => this.exact(row) === first);
    }
  }

  function shown(value, unit) {
    if (unit === "date") return date(value);
    if (unit === "seconds") return seconds(value);
    if (unit === "bytes") return bytes(value);
    if (Number.isInteger(value) || !Number.isFinite(value)) return String(value);
    return String(Number(value.toPrecision(6)));
  }
  function short(value, unit) { return unit ? shown(value, unit) : String(Number(value.toPrecision(3))); }
  function date(value) {
    const at = new Date(value * 1000);
    const two = (number) => String(number).padStart(2, "0");
    return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}`;
  }
  function seconds(value) {
    const digits = (number) => Number(number.toPrecision(3));
    if (value < 1e-3) return `${digits(value * 1e6)} us`;
    if (value < 1) return `${digits(value * 1e3)} ms`;
    if (value < 100) return `${digits(value)} s`;
    if (value < 3600) return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
    return `${Math.floor(value / 3600)} h ${Math.round((value % 3600) / 60)} min`;
  }
  function bytes(value) {
    for (const unit of ["B", "KiB", "MiB", "GiB", "TiB"]) {
      if (value < 1000 || unit === "TiB") return `${unit === "B" ? value : digits(value)} ${unit}`;
      value /= 1024;
    }
    function digits(number) { return number >= 100 ? Math.round(number) : Math.round(number * 10) / 10; }
  }

  // Filters: words, and conditions such as lr<=0.1

  function parsed(query, columns) {
    const byName = new Map(columns.map((column) => [column.name, column]));
    const words = query.match(/(?:"[^"]*"|[^\s"])+/g) || [];
    return words.map((word) => {
      const plain = word.replaceAll('"', "");
      const found = /^(.+?)(<=|>=|!=|=|<|>)(.*)$/s.exec(plain);
      const column = found && byName.get(found[1]);
      if (!column) {
        const part = plain.toLowerCase();
        return (row) => columns.some((each) => each.exact(row).toLowerCase().includes(part));
      }
      const [, , operator, wanted] = found;
      const number = Number(wanted);
      if (column.isNumber && wanted !== "" && !Number.isNaN(number)) {
        const holds = { "<": (x) => x < number, ">": (x) => x > number, "<=": (x) => x <= number,
          ">=": (x) => x >= number, "=": (x) => x === number, "!=": (x) => x !== number }[operator];
        return (row) => column.has(row) && holds(column.floats[row]);
      }
      const holds = { "=": (x) => x === wanted, "!=": (x) => x !== wanted, "<": (x) => collator.compare(x, wanted) < 0,
        ">": (x) => collator.compare(x, wanted) > 0, "<=": (x) => collator.compare(x, wanted) <= 0,
        ">=": (x) => collator.compare(x, wanted) >= 0 }[operator];
      return (row) => (column.has(row) || operator === "!=") && holds(column.exact(row));
    });
  }

  // One result

  const dialog = document.getElementById("result");

  function openResult(data, columns, row) {
    const group = (title, role) => {
      const own = columns.filter((column) => column.role === role && column.has(row));
      if (!own.length) return [];
      return [el("h3", {}, title), el("dl", {}, ...own.flatMap((column) =>
        [el("dt", {}, column.name), el("dd", {}, column.exact(row))]))];
    };
    const hash = columns.find((column) => column.name === "argument hash").text(row);
    const definition = columns.find((column) => column.name === "definition hash").text(row);
    const extension = data.extensions[Number(data.errors.includes(row))];
    const about = group("Provenance", "about");
    about[1].append(el("dt", {}, "file"), el("dd", {}, `${data.folder}/${definition}/${hash}${extension}`));
    dialog.replaceChildren(
      el("header", {}, el("h2", { id: "result-title" }, `${data.name} ${hash.slice(0, 8)}`),
        el("button", { type: "button", onclick: () => dialog.close() }, "Close")),
      ...group("Arguments", "input"), ...group("Output", "output"), ...about);
    dialog.showModal();
  }
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

  // The table and the chart of a function

  class Explorer {
    constructor(root) {
      this.root = root;
      this.data = JSON.parse(document.getElementById(root.dataset.of).textContent);
      this.columns = this.data.columns.map((each, index) => new Column(each, index));
      this.all = Array.from({ length: this.data.rows }, (_, row) => row);
      this.visible = this.columns.filter((column) => !column.hidden);
      this.version = this.columns.find((column) => column.role === "about" && column.name === "version");
      this.sorted = null;
      this.page = 0;
      this.build();
    }

    build() {
      if (!this.all.length) {
        this.root.append(el("p", { class: "note" }, "There are no results that can be read."));
        return;
      }
      const newest = this.version.texts[this.version.at[this.all[this.all.length - 1]]];
      this.onlyVersion = this.version.texts.length > 1 ? newest : "";
      this.rows = this.versionRows();
      this.chosen = new Set(this.visible.filter((column) =>
        !column.isConstant(this.rows) && !(column === this.version && this.version.texts.length < 2)));
      if (!this.chosen.size) this.visible.forEach((column) => this.chosen.add(column));
      const hint = newId();
      this.query = el("input", { type: "search", "aria-describedby": hint, oninput: () => this.filter() });
      this.status = el("p", { role: "status" });
      const bar = el("div", { class: "bar" });
      if (this.version.texts.length > 1) {
        const options = this.version.texts.map((text) => [text, text === newest ? `${text} (latest)` : text]);
        bar.append(select("Version", [...options, ["", "all versions"]], this.onlyVersion, (value) => {
          this.onlyVersion = value;
          if (!value) this.chosen.add(this.version);
          this.filter();
        }));
      }
      bar.append(el("label", { class: "grow" }, "Filter", this.query));
      const example = this.visible.find((column) => column.isNumber) || this.visible[0];
      this.root.append(el("h3", {}, "Results"), bar,
        el("p", { class: "hint", id: hint }, `Words that a result contains, or conditions such as ${quoted(example.name)}`,
          example.isNumber ? `>${shown(example.floats.find((x) => x !== null), "")}` : "=value", ". All must hold."),
        this.status);
      this.chart = new Chart(this);
      this.tablePart = el("div", {});
      this.root.append(this.chart.root, this.tablePart);
      this.buildTable();
      this.filter();
    }

    versionRows() {
      if (!this.onlyVersion) return this.all;
      return this.all.filter((row) => this.version.texts[this.version.at[row]] === this.onlyVersion);
    }

    filter() {
      const conditions = parsed(this.query.value, this.columns);
      this.rows = this.versionRows().filter((row) => conditions.every((holds) => holds(row)));
      this.page = 0;
      this.status.textContent = `${this.rows.length.toLocaleString("en")} of ${this.all.length.toLocaleString("en")} results`;
      this.sort();
      this.showTable();
      this.chart.draw();
    }

    sort() {
      if (!this.sorted) return this.rows.sort((a, b) => a - b);
      const { column, sign } = this.sorted;
      const has = (row) => column.has(row) && !(column.isNumber && Number.isNaN(column.floats[row]));
      this.rows.sort((a, b) => (Number(has(b)) - Number(has(a))) || (has(a) ? sign * column.compare(a, b) : 0) || a - b);
    }

    // Ascending, descending, then the order of storing again.
    sortBy(column) {
      const before = this.sorted && this.sorted.column === column ? this.sorted.sign : 0;
      this.sorted = before === 0 ? { column, sign: 1 } : before === 1 ? { column, sign: -1 } : null;
      this.page = 0;
      this.sort();
      this.showTable();
    }

    buildTable() {
      const title = newId();
      this.constant = el("p", { class: "hint" });
      this.head = el("tr", {});
      this.body = el("tbody", {});
      const table = el("table", { class: "results", "aria-labelledby": title }, el("thead", {}, this.head), this.body);
      const boxes = this.visible.map((column) => check(column.name, this.chosen.has(column), (is) => {
        if (is) this.chosen.add(column); else this.chosen.delete(column);
        this.showTable();
      }));
      this.previous = el("button", { type: "button", onclick: () => this.turn(-1) }, "Previous");
      this.next = el("button", { type: "button", onclick: () => this.turn(1) }, "Next");
      this.place = el("span", { "aria-live": "polite" });
      this.pager = el("div", { class: "pager" }, this.previous, this.place, this.next);
      this.tablePart.append(el("h3", { id: title }, "Table"), this.constant,
        el("details", { class: "columns" }, el("summary", {}, "Columns"), el("div", { class: "checks" }, ...boxes)),
        el("div", { class: "wide", tabindex: 0, role: "group", "aria-labelledby": title }, table), this.pager);
    }

    turn(by) {
      this.page += by;
      this.showTable();
    }

    showTable() {
      const columns = this.visible.filter((column) => this.chosen.has(column));
      const focused = this.head.contains(document.activeElement) ? document.activeElement.dataset.column : null;
      this.head.replaceChildren(el("th", { scope: "col" }, "result"), ...columns.map((column) => {
        const order = this.sorted && this.sorted.column === column ? this.sorted.sign : 0;
        const button = el("button", { type: "button", "data-column": column.index, onclick: () => this.sortBy(column) }, column.name);
        return el("th", { scope: "col", class: column.isNumber && "number",
          "aria-sort": order ? (order > 0 ? "ascending" : "descending") : "none" }, button);
      }));
      if (focused !== null) this.head.querySelector(`[data-column="${focused}"]`)?.focus();
      const start = this.page * PAGE_ROWS;
      const hash = this.columns.find((column) => column.name === "argument hash");
      this.body.replaceChildren(...this.rows.slice(start, start + PAGE_ROWS).map((row) => el("tr", {
        onclick: () => { if (!getSelection().toString()) openResult(this.data, this.columns, row); } },
      el("th", { scope: "row" }, el("button", { type: "button", class: "open" }, hash.text(row).slice(0, 8))),
      ...columns.map((column) => el("td", { class: column.isNumber && "number",
        title: column.exact(row).length > 40 && column.exact(row) }, column.text(row))))));
      const constant = this.visible.filter((column) => column.role !== "about" && !this.chosen.has(column) && column.isConstant(this.rows) && column.has(this.rows[0]));
      this.constant.textContent = constant.length
        ? `Equal in all rows: ${constant.map((column) => `${column.name} = ${column.text(this.rows[0])}`).join(", ")}` : "";
      this.pager.hidden = this.rows.length <= PAGE_ROWS;
      const end = Math.min(start + PAGE_ROWS, this.rows.length);
      this.place.textContent = `${start + 1} to ${end} of ${this.rows.length.toLocaleString("en")}`;
      this.previous.disabled = start === 0;
      this.next.disabled = end >= this.rows.length;
    }
  }

  function quoted(name) { return /\s/.test(name) ? `"${name}"` : name; }

  // Charts

  class Chart {
    constructor(explorer) {
      this.explorer = explorer;
      const rows = explorer.rows;
      // Columns that can be an axis: all that the table can show.
      this.columns = explorer.visible;
      const varying = this.columns.filter((column) => column.distinct(rows).length > 1);
      const usable = varying.length ? varying : this.columns;
      // A seed is seldom an axis of interest.
      const isSeed = (column) => Number(/seed/i.test(column.name));
      const inputs = usable.filter((column) => column.role === "input").sort((a, b) => isSeed(a) - isSeed(b));
      const outputs = usable.filter((column) => column.role === "output" && column.isNumber);
      const x = inputs.find((column) => column.isNumber) || inputs[0] || usable[0];
      const y = outputs[0] || usable.find((column) => column.isNumber && column !== x) || x;
      const second = inputs.find((column) => column !== x);
      const axes = [...inputs, ...outputs].slice(0, MAX_PARALLEL);
      this.kind = "scatter";
      this.choice = {
        scatter: { x, y, color: second || null },
        line: { x, y, color: second || null },
        heatmap: { x, y: second || y, color: y },
        parallel: { axes: new Set(axes.length > 1 ? axes : usable.slice(0, 4)), color: y },
      };
      this.log = new Map(this.columns.map((column) => [column, spansDecades(column, rows)]));
      const title = newId();
      this.controls = el("div", { class: "bar" });
      this.axesPart = el("div", {});
      this.canvas = el("div", { class: "chart", role: "img" });
      this.note = el("p", { class: "hint" });
      this.root = el("section", { "aria-labelledby": title, hidden: explorer.all.length < 2 },
        el("h3", { id: title }, "Chart"), this.controls, this.axesPart, this.canvas, this.note);
      this.buildControls();
    }

    buildControls() {
      const choice = this.choice[this.kind];
      const names = this.columns.map((column) => [String(column.index), column.name]);
      const byIndex = (value) => this.columns.find((column) => String(column.index) === value) || null;
      const picker = (label, part, hasNone) => select(label, hasNone ? [["", "none"], ...names] : names,
        choice[part] ? String(choice[part].index) : "", (value) => { choice[part] = byIndex(value); this.again(label); },
        { "data-part": part });
      const kinds = [["scatter", "Scatter"], ["line", "Line"], ["parallel", "Parallel coordinates"], ["heatmap", "Heat map"]];
      const parts = [select("Kind", kinds, this.kind, (value) => { this.kind = value; this.again("Kind"); })];
      if (this.kind === "parallel") {
        parts.push(picker("Colour", "color", true));
      } else {
        parts.push(picker("X axis", "x"), picker("Y axis", "y"),
          picker(this.kind === "heatmap" ? "Value" : this.kind === "line" ? "Lines" : "Colour", "color", this.kind !== "heatmap"));
      }
      if (this.kind === "scatter" || this.kind === "line") {
        for (const [part, label] of [["x", "log x"], ["y", "log y"]]) {
          const column = choice[part];
          if (column.isNumber && column.unit !== "date") {
            parts.push(check(label, this.log.get(column), (is) => { this.log.set(column, is); this.draw(); }));
          }
        }
      }
      this.controls.replaceChildren(...parts);
      this.axesPart.replaceChildren();
      if (this.kind === "parallel") {
        this.axesPart.append(el("fieldset", {}, el("legend", {}, "Axes"), el("div", { class: "checks" },
          ...this.columns.map((column) => check(column.name, choice.axes.has(column), (is) => {
            if (is) choice.axes.add(column); else choice.axes.delete(column);
            this.draw();
          })))));
      }
    }

    // Builds the controls again and keeps the focus on the one that was changed.
    again(label) {
      this.buildControls();
      for (const each of this.controls.querySelectorAll("label")) {
        if (each.firstChild.textContent === label) each.querySelector("select").focus();
      }
      this.draw();
    }

    draw() {
      if (this.root.hidden) return;
      if (!this.drawn) {
        this.drawn = echarts.init(this.canvas, null, { renderer: this.explorer.all.length > MAX_SVG ? "canvas" : "svg" });
        new ResizeObserver(() => this.drawn.resize()).observe(this.canvas);
        this.drawn.on("click", (event) => {
          const row = event.data && event.data.row;
          if (row !== undefined) openResult(this.explorer.data, this.explorer.columns, row);
        });
      }
      const made = this[this.kind]();
      this.drawn.setOption({ ...this.base(), ...made.option }, true);
      const left = made.left ? `${made.left.toLocaleString("en")} of ${this.explorer.rows.length.toLocaleString("en")} results have no place on these axes. ` : "";
      this.note.textContent = left + made.note;
      this.canvas.setAttribute("aria-label", `${made.title}. The table below has the same results.`);
    }

    base() {
      const ink = style("--ink"), page = style("--page"), line = style("--line");
      return {
        animation: false,
        backgroundColor: "transparent",
        textStyle: { color: ink, fontFamily: getComputedStyle(document.body).fontFamily },
        tooltip: { confine: true, backgroundColor: page, borderColor: line, textStyle: { color: ink },
          formatter: (event) => this.tooltip(event.data) },
      };
    }

    tooltip(point) {
      if (!point || !point.lines) return "";
      return el("div", {}, ...point.lines.map(([name, text]) => el("div", {}, el("b", {}, `${cut(name)} `), cut(text))));
    }

    linesOf(row, columns) {
      return [...new Set(columns)].filter(Boolean).map((column) => [column.name, column.exact(row)]);
    }

    axis(column, rows, isVertical) {
      const ink = style("--soft"), line = style("--line");
      const common = {
        name: cut(column.name), nameLocation: "middle", nameGap: isVertical ? 58 : 30, nameTextStyle: { color: ink },
        axisLabel: { color: ink, hideOverlap: true }, axisLine: { lineStyle: { color: line } },
        splitLine: { lineStyle: { color: line, opacity: .6 } },
      };
      if (!column.isNumber) {
        const values = column.distinct(rows);
        return { ...common, type: "category", data: values.map((value) => cut(column.texts[value])),
          axisLabel: { ...common.axisLabel, interval: every(values.length) },
          place: (row) => { const at = values.indexOf(column.at[row]); return at < 0 ? null : at; } };
      }
      if (column.unit === "date") {
        return { ...common, type: "time", scale: true, place: (row) => column.floats[row] === null ? null : column.floats[row] * 1000 };
      }
      const isLog = this.log.get(column);
      const axisLabel = { ...common.axisLabel, formatter: (value) => shown(value, column.unit) };
      return { ...common, axisLabel, minInterval: isWhole(column) ? 1 : undefined, type: isLog ? "log" : "value", scale: true, place: (row) => {
        const value = column.floats[row];
        return value === null || !Number.isFinite(value) || (isLog && value <= 0) ? null : value;
      } };
    }

    // The steps of an axis of a heat map: its values, or ranges of numbers if there are many.
    steps(column, rows) {
      const values = column.distinct(rows);
      const finite = values.filter(Number.isFinite);
      const isLog = Boolean(this.log.get(column)) && finite[0] > 0;
      const [low, high] = [finite[0], finite[finite.length - 1]].map((value) => (isLog ? Math.log(value) : value));
      if (!column.isNumber || values.length <= MAX_STEPS || low === high) {
        const places = new Map(values.map((value, at) => [value, at]));
        return { names: values.map((value) => cut(column.shownValue(value))), at: (row) => places.get(column.value(row)) };
      }
      const edge = (at) => { const value = low + (high - low) * at / RANGES; return isLog ? Math.exp(value) : value; };
      const name = (at) => (column.unit ? shown(edge(at), column.unit) : short(edge(at), ""));
      return {
        names: Array.from({ length: RANGES }, (_, at) => `${name(at)} to ${name(at + 1)}`),
        at: (row) => {
          const value = column.value(row);
          if (!Number.isFinite(value)) return undefined;
          return Math.min(RANGES - 1, Math.floor(((isLog ? Math.log(value) : value) - low) / (high - low) * RANGES));
        },
      };
    }

    // Groups of rows by a column with few values; one group if there are too many or none.
    groups(column, rows) {
      const values = column ? column.distinct(rows) : [];
      if (!column || values.length > (column.isNumber ? MAX_NUMBER_GROUPS : 1000)) return [{ name: "", rows, color: GROUPS[0] }];
      const named = values.slice(0, MAX_GROUPS).map((value, at) => ({
        name: cut(column.shownValue(value)), color: GROUPS[at], rows: rows.filter((row) => column.value(row) === value) }));
      const known = new Set(named.flatMap((group) => group.rows));
      const rest = rows.filter((row) => !known.has(row));
      if (rest.length) named.push({ name: "other", color: style("--soft"), rows: rest });
      return named;
    }

    legend(column, groups) {
      if (groups.length < 2) return {};
      return { legend: { type: "scroll", top: 0, textStyle: { color: style("--ink") }, pageTextStyle: { color: style("--ink") },
        icon: "circle", itemWidth: 10, itemHeight: 10, itemGap: 16, data: groups.map((group) => ({ name: `${column.name} ${group.name}` })) } };
    }

    scatter() {
      const { x, y, color } = this.choice.scatter;
      const rows = this.explorer.rows;
      const [xAxis, yAxis] = [this.axis(x, rows, false), this.axis(y, rows, true)];
      const groups = this.groups(color, rows);
      const isScale = color && color.isNumber && groups.length === 1 && color.distinct(rows).length > 1;
      let left = rows.length;
      const series = groups.map((group) => {
        const data = [];
        for (const row of group.rows) {
          const value = [xAxis.place(row), yAxis.place(row)];
          if (value.includes(null)) continue;
          left -= 1;
          if (isScale) value.push(Number.isFinite(color.floats[row]) ? color.floats[row] : "-");
          data.push({ value, row, lines: this.linesOf(row, [x, y, color]) });
        }
        return { type: "scatter", progressive: 0, name: color ? `${color.name} ${group.name}` : "", symbolSize: rows.length > 500 ? 6 : 9,
          itemStyle: isScale ? { opacity: .85 } : { color: group.color, opacity: .8 }, cursor: "pointer", data };
      });
      return {
        option: { ...frame(isScale), ...this.legend(color, groups), ...(isScale ? this.scale(color, rows, 2) : {}), xAxis: axisOption(xAxis), yAxis: axisOption(yAxis), series },
        left, title: `Scatter plot of ${y.name} by ${x.name}${color ? `, coloured by ${color.name}` : ""}`,
        note: "Choose a point to see its result.",
      };
    }

    line() {
      const { x, y, color } = this.choice.line;
      const rows = this.explorer.rows;
      const [xAxis, yAxis] = [this.axis(x, rows, false), this.axis(y, rows, true)];
      const groups = this.groups(color, rows);
      let left = rows.length, most = 1;
      const series = groups.map((group) => {
        const means = new Map();
        for (const row of group.rows) {
          const [at, value] = [xAxis.place(row), yAxis.place(row)];
          if (at === null || value === null) continue;
          left -= 1;
          const sum = means.get(at) || { total: 0, count: 0, row };
          sum.total += value;
          sum.count += 1;
          means.set(at, sum);
          most = Math.max(most, sum.count);
        }
        const data = [...means].sort((a, b) => a[0] - b[0]).map(([at, sum]) => ({
          value: [at, sum.total / sum.count], row: sum.count === 1 ? sum.row : undefined,
          lines: [...this.linesOf(sum.row, [x]), ...(group.name ? [[color.name, group.name]] : []),
            [sum.count > 1 ? `mean of ${sum.count} results` : y.name, y.isNumber ? shown(sum.total / sum.count, y.unit) : y.text(sum.row)]] }));
        return { type: "line", name: color ? `${color.name} ${group.name}` : "", data, color: group.color, symbolSize: 6, showSymbol: data.length < 200 };
      });
      return {
        option: { ...frame(false), ...this.legend(color, groups), xAxis: axisOption(xAxis), yAxis: axisOption(yAxis), series },
        left, title: `Line chart of ${y.name} by ${x.name}${color ? `, a line for each ${color.name}` : ""}`,
        note: most > 1 ? "Lines join the means of results with equal x." : "Lines join results in the order of x.",
      };
    }

    heatmap() {
      const { x, y, color } = this.choice.heatmap;
      const rows = this.explorer.rows;
      const [xs, ys] = [this.steps(x, rows), this.steps(y, rows)];
      const cells = new Map();
      let left = rows.length;
      for (const row of rows) {
        const value = color.isNumber ? color.floats[row] : null;
        const [atX, atY] = [xs.at(row), ys.at(row)];
        if (atX === undefined || atY === undefined || value === null || !Number.isFinite(value)) continue;
        left -= 1;
        const key = `${atX},${atY}`;
        const cell = cells.get(key) || { atX, atY, total: 0, count: 0, row };
        cell.total += value;
        cell.count += 1;
        cells.set(key, cell);
      }
      const found = [...cells.values()];
      const category = (column, steps, isVertical) => ({
        ...axisOption(this.axis(column, rows, isVertical)), type: "category", splitArea: { show: false }, splitLine: { show: false },
        scale: undefined, minInterval: undefined, data: steps.names,
        axisLabel: { color: style("--soft"), hideOverlap: true, interval: isVertical ? every(steps.names.length) : "auto" } });
      const means = found.map((cell) => cell.total / cell.count);
      const data = found.map((cell, at) => ({
        value: [cell.atX, cell.atY, means[at]], row: cell.count === 1 ? cell.row : undefined,
        lines: [[x.name, xs.names[cell.atX]], [y.name, ys.names[cell.atY]],
          [cell.count > 1 ? `mean of ${cell.count} results` : color.name, shown(means[at], color.unit)]] }));
      // A cell shows its value where there is room, dark on the light end of the scale.
      const isLabelled = xs.names.length <= 12 && ys.names.length <= 16;
      const [least, most] = extent(means);
      data.forEach((each) => { each.label = { color: (each.value[2] - least) / (most - least || 1) > .55 ? "#14181f" : "#ffffff" }; });
      return {
        option: { ...frame(true), ...this.scale(color, rows, 2, means), xAxis: category(x, xs, false), yAxis: category(y, ys, true),
          series: [{ type: "heatmap", progressive: 0, data, label: { show: isLabelled,
            formatter: (event) => short(event.data.value[2], color.unit) } }] },
        left, title: `Heat map of ${color.name} by ${x.name} and ${y.name}`,
        note: color.isNumber ? (found.some((cell) => cell.count > 1) ? "Cells show the means of their results." : "") : "Choose a value that is a number.",
      };
    }

    parallel() {
      const { axes, color } = this.choice.parallel;
      const rows = this.explorer.rows;
      const columns = this.columns.filter((column) => axes.has(column));
      const isScale = Boolean(color && color.isNumber && color.distinct(rows).length > 1);
      if (isScale && !columns.includes(color)) columns.push(color);
      const parts = columns.map((column) => this.axis(column, rows, true));
      const [ink, line] = [style("--soft"), style("--line")];
      const parallelAxis = parts.map((part, dim) => ({ ...axisOption(part), dim, nameLocation: "end", nameGap: 14,
        nameTextStyle: { color: style("--ink") }, axisLine: { lineStyle: { color: ink } },
        name: cut(part.name, 22), axisLabel: { ...part.axisLabel, backgroundColor: style("--page"), padding: [1, 3],
          ...(part.type === "category" ? { formatter: (text) => cut(text, 18) } : {}) }, axisTick: { lineStyle: { color: line } },
        splitLine: undefined }));
      let left = 0;
      const valuesOf = (row) => parts.map((part) => part.place(row) ?? "-");
      for (const row of rows) if (valuesOf(row).includes("-")) left += 1;
      const groups = isScale ? [{ name: "", rows, color: GROUPS[0] }] : this.groups(color, rows);
      const series = groups.map((group) => ({ type: "parallel", name: color ? `${color.name} ${group.name}` : "",
        lineStyle: { width: 1.5, opacity: rows.length > 300 ? .35 : .6, color: isScale ? undefined : group.color }, color: group.color,
        data: group.rows.map((row) => ({ value: valuesOf(row), row, lines: this.linesOf(row, columns) })) }));
      return {
        option: { parallel: { left: 60, right: isScale ? 170 : 80, top: 60, bottom: 30,
          parallelAxisDefault: { areaSelectStyle: { color: style("--accent"), borderColor: style("--accent"), opacity: .25 } } },
        ...this.legend(color, groups), ...(isScale ? this.scale(color, rows, columns.indexOf(color)) : {}), parallelAxis, series },
        left, title: `Parallel coordinates of ${columns.map((column) => column.name).join(", ")}`,
        note: columns.length < 2 ? "Choose two axes or more." : "Drag along an axis to mark a range of values.",
      };
    }

    // A colour scale at the right.
    scale(color, rows, dimension, values) {
      const [min, max] = extent(values || rows.map((row) => color.value(row)));
      return { visualMap: { type: "continuous", min, max: max > min ? max : min + 1, dimension, right: 8, top: "middle", calculable: false,
        text: [short(max, color.unit), short(min, color.unit)], textStyle: { color: style("--soft") }, inRange: { color: SCALE } } };
    }
  }

  function axisOption(axis) { const { place, ...option } = axis; return option; }
  function frame(hasScale) { return { grid: { left: 84, right: hasScale ? 96 : 28, top: 40, bottom: 52 } }; }
  function style(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function cut(text, length = MAX_TICKS) {
    return text.length <= length ? text : `${text.slice(0, length / 2 - 2)}...${text.slice(-(length / 2 - 2))}`;
  }
  function every(count) { return Math.ceil(count / 25) - 1; }
  function extent(values) {
    let [min, max] = [Infinity, -Infinity];
    for (const value of values) if (Number.isFinite(value)) [min, max] = [Math.min(min, value), Math.max(max, value)];
    return min > max ? [0, 1] : [min, max];
  }
  function isWhole(column) { return column.floats.every((value) => value === null || Number.isInteger(value)); }
  function spansDecades(column, rows) {
    if (!column.isNumber || column.unit === "date") return false;
    const values = column.distinct(rows).filter(Number.isFinite);
    const [most, middle] = [values[values.length - 1], values[Math.floor(values.length / 2)]];
    return values.length > 2 && values[0] > 0 && most / values[0] >= 100 && middle <= most / 5;
  }

  // The overview, and which function is shown

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, at) => {
      head.setAttribute("aria-sort", "none");
      const name = head.textContent;
      head.replaceChildren(el("button", { type: "button", onclick: () => {
        const sign = head.getAttribute("aria-sort") === (at ? "descending" : "ascending") ? -1 : 1;
        heads.forEach((each) => each.setAttribute("aria-sort", "none"));
        const isAscending = at ? sign < 0 : sign > 0;
        head.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
        const valueOf = (row) => row.cells[at].dataset.value ?? row.cells[at].textContent;
        const rows = [...table.tBodies[0].rows].sort((a, b) => (isAscending ? 1 : -1) * (at
          ? Number(valueOf(a)) - Number(valueOf(b)) : collator.compare(valueOf(a), valueOf(b))));
        table.tBodies[0].append(...rows);
      } }, name));
    });
  }

  const sections = [...document.querySelectorAll("section.function")];
  const explorers = new Map();

  function show(section) {
    for (const each of sections) each.hidden = each !== section;
    for (const link of document.querySelectorAll("#overview a")) {
      if (link.hash === `#${section.id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    if (!explorers.has(section)) explorers.set(section, new Explorer(section.querySelector(".explorer")));
  }

  function showChosen() {
    const chosen = sections.find((each) => `#${each.id}` === location.hash);
    if (chosen || !explorers.size) show(chosen || sections[0]);
    if (chosen && sections.length > 1) { chosen.scrollIntoView(); chosen.focus({ preventScroll: true }); }
  }

  dark.addEventListener("change", () => {
    for (const explorer of explorers.values()) explorer.chart?.draw();
  });
  addEventListener("hashchange", showChosen);
  if (sections.length) showChosen();
})();
