// What a page of tables does beside being read: sort, filter, choose metrics, copy, and open a cell.
//
// Everything is made of the facts that the page embeds; nothing is fetched. Text goes into the page as text, never as
// markup. Without this script the page is whole: it only adds.
"use strict";

(() => {
  const COLOURS = ["--c0", "--c1", "--c2", "--c3", "--c4"];
  const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 2"];
  const MAX_ITEMS_NAMED = 8;
  const MAX_CHARTED_ROWS = 40;
  const SIGN_WIDTH = 6.6; // of the text of charts, on average
  const MAX_SHARE_OF_STUBS = 0.6;
  const MAX_ROWS_AT_A_GLANCE = 3;
  const SVG = "http://www.w3.org/2000/svg";

  /** Make an element: attributes by name, listeners by `onclick` and the like, children as elements or texts. */
  function make(tag, attributes = {}, ...children) {
    const isSvg = ["svg", "g", "line", "path", "circle", "rect", "text", "title"].includes(tag);
    const made = isSvg ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return made;
  }

  const sign = (value) => (value < 0 ? `−${String(value).slice(1)}` : String(value));
  const short = (identity) => identity.slice(0, 8);

  /** Print a number with as many digits as say something. */
  function number(value) {
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return sign(value.toExponential(2));
    return sign(Number(value.toPrecision(4)));
  }

  /** Print a value of a cell's metric as tables do: a fraction in percent. */
  const inPrint = (value, cell) => sign((cell.percent ? value * 100 : value).toFixed(cell.percent ? 2 : 4));

  // -- tables -----------------------------------------------------------------------------------

  function enhance(section, study) {
    const table = section.querySelector(".scroll > table");
    const facts = study.facts?.tables[section.dataset.table];
    if (!table) return;
    const said = make("span", { class: "said", role: "status" });
    const tools = make("div", { class: "tools", role: "group", "aria-label": `Tools of ${section.dataset.table}` });
    for (const figure of section.querySelectorAll("figure.picture")) figure.querySelector("figcaption").append(" ", enlarging(figure));
    keepStubs(table);
    const numRows = table.querySelectorAll("tbody tr:not(.head)").length;
    if (numRows > 1) makeSortable(table, said);
    if (numRows > MAX_ROWS_AT_A_GLANCE) tools.append(filterOf(table, said));
    tools.append(...choicesOf(table), ...(facts ? copiesOf(facts, said) : []), said);
    section.querySelector("h2, h3").after(tools);
    if (!facts) return;
    for (const link of table.querySelectorAll("a[data-cell]")) {
      link.setAttribute("role", "button");
      link.setAttribute("aria-haspopup", "dialog");
      link.addEventListener("click", (event) => {
        event.preventDefault();
        openCell(study, facts, facts.cells[link.dataset.cell], link);
      });
      link.addEventListener("keydown", (event) => {
        if (event.key === " ") {
          event.preventDefault();
          link.click();
        }
      });
    }
    const chart = chartOfRows(study, facts);
    if (chart) section.querySelector(".notes").before(chart);
  }

  /** Keep the columns that name a row in sight while the others pass, as far as they leave room for these. */
  function keepStubs(table) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const numStubs = Number(table.dataset.stubs);
    const room = table.parentElement.clientWidth * MAX_SHARE_OF_STUBS;
    const lefts = [];
    let left = 0;
    for (const head of heads.slice(0, numStubs)) {
      lefts.push(left);
      left += head.offsetWidth;
    }
    if (numStubs < 2 || left > room) return;
    for (const row of table.rows) {
      if (row.cells.length !== heads.length) continue;
      lefts.forEach((place, column) => {
        row.cells[column].classList.add("stays");
        row.cells[column].style.left = `${place}px`;
      });
    }
  }

  function enlarging(figure) {
    const button = make("button", { type: "button", "aria-pressed": "false" }, "Enlarge");
    button.addEventListener("click", () => {
      const isLarge = figure.classList.toggle("large");
      button.setAttribute("aria-pressed", String(isLarge));
    });
    return button;
  }

  function makeSortable(table, said) {
    const bodies = [...table.tBodies];
    const places = bodies.map((body) => [...body.rows]);
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const restore = () => {
      bodies.forEach((body, place) => body.append(...places[place]));
      table.classList.remove("sorted");
      for (const head of heads) head.removeAttribute("aria-sort");
    };
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = make("button", { type: "button", title: "Sort by this column" }, head.textContent);
      head.replaceChildren(button);
      const cells = places.flat().map((row) => row.cells[column]);
      const isNumeric = cells.some((cell) => cell?.dataset.key);
      const firstOrder = isNumeric ? -1 : 1;
      let order = 0;
      button.addEventListener("click", () => {
        order = head.hasAttribute("aria-sort") ? (order === firstOrder ? -firstOrder : 0) : firstOrder;
        restore();
        if (order === 0) {
          said.textContent = "In the order in which it was declared.";
          return;
        }
        head.setAttribute("aria-sort", order === 1 ? "ascending" : "descending");
        const rows = places.flat().filter((row) => !row.matches(".head, .effect"));
        rows.sort((one, other) => compare(one.cells[column], other.cells[column], order));
        bodies[0].prepend(...rows);
        table.classList.add("sorted");
        const first = isNumeric ? (order === 1 ? "lowest" : "highest") : order === 1 ? "A" : "Z";
        said.textContent = `Sorted by ${button.textContent}, ${first} first.`;
      });
    });
  }

  /** Compare two cells by their numbers, else by their texts; those without either come last. */
  function compare(one, other, order) {
    const [first, second] = [one, other].map((cell) => cell?.dataset.key ?? "");
    if (first !== "" && second !== "") return order * (Number(first) - Number(second));
    if (first !== "" || second !== "") return first === "" ? 1 : -1;
    const [text, otherText] = [one, other].map((cell) => cell?.textContent.trim() ?? "");
    if (!text || !otherText) return text ? -1 : otherText ? 1 : 0;
    return order * text.localeCompare(otherText, undefined, { numeric: true });
  }

  function filterOf(table, said) {
    const input = make("input", { type: "search", size: 14, "aria-label": "Show rows that contain", placeholder: "filter rows" });
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const rows = [...table.querySelectorAll("tbody tr:not(.head)")];
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
      for (const body of table.tBodies) {
        const head = body.querySelector("tr.head");
        if (head) head.hidden = ![...body.rows].some((row) => row !== head && !row.hidden);
      }
      said.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows.` : "";
    });
    return input;
  }

  function choicesOf(table) {
    const heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
    const kinds = [
      ...new Set(heads.filter((head) => head.dataset.metric).map((head) => head.dataset.metric)),
    ].map((metric) => [metric, (head) => head.dataset.metric === metric]);
    for (const [part, label] of [["difference", "differences"], ["paper", "paper"]]) {
      if (heads.some((head) => head.classList.contains(part))) kinds.push([label, (head) => head.classList.contains(part)]);
    }
    if (kinds.length < 2) return [];
    const hidden = new Set();
    const show = () => {
      const isHidden = heads.map((head) => kinds.some(([label, matches]) => hidden.has(label) && matches(head)));
      for (const row of table.querySelectorAll("tr:not(.head)")) {
        if (row.cells.length === heads.length) [...row.cells].forEach((cell, place) => (cell.hidden = isHidden[place]));
      }
      const spanners = table.tHead.rows.length > 1 ? [...table.tHead.rows[0].cells] : [];
      let start = 0;
      for (const spanner of spanners) {
        spanner.dataset.whole ??= spanner.colSpan;
        const end = start + Number(spanner.dataset.whole);
        const width = isHidden.slice(start, end).filter((isOne) => !isOne).length;
        spanner.hidden = width === 0;
        if (width) spanner.colSpan = width;
        start = end;
      }
    };
    return kinds.map(([label]) => {
      const box = make("input", { type: "checkbox", checked: true });
      box.addEventListener("change", () => {
        if (box.checked) hidden.delete(label);
        else hidden.add(label);
        show();
      });
      return make("label", {}, box, label);
    });
  }

  function copiesOf(facts, said) {
    return [["LaTeX", facts.latex], ["Markdown", facts.markdown], ["CSV", facts.csv]].map(([format, text]) =>
      make("button", { type: "button", "data-copy": format, onclick: () => copy(text, format, said) }, `Copy ${format}`),
    );
  }

  async function copy(text, what, said) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A browser that gives a file no clipboard still copies what is selected.
      const area = make("textarea", { style: "position: fixed; opacity: 0", "aria-hidden": "true" });
      area.value = text;
      (document.querySelector("dialog[open]") ?? document.body).append(area);
      area.select();
      const isCopied = document.execCommand("copy");
      area.remove();
      if (!isCopied) {
        said.textContent = "The browser does not allow copying here.";
        return;
      }
    }
    said.textContent = `${what} copied.`;
  }

  // -- a cell -----------------------------------------------------------------------------------

  let panel = null;

  function openCell(study, facts, cell, opener) {
    panel?.remove();
    const place = facts.places[keyOf(cell)] ?? {};
    const heading = make("h2", { id: "cell-heading" }, `${cell.row} · ${cell.dataset} · ${cell.metric}`);
    const said = make("span", { class: "said", role: "status" });
    const close = make("button", { type: "button", onclick: () => panel.close() }, "Close");
    panel = make(
      "dialog",
      { class: "panel", "aria-labelledby": "cell-heading" },
      make("header", {}, heading, close),
      make("ul", {}, ...cell.facts.map((fact) => make("li", {}, fact))),
      ...seedsOf(study, cell),
      ...changesOf(place),
      ...curvesOf(study, cell, facts, place),
      ...itemsOf(study, cell, facts, place),
      ...againOf(study, cell, place, said),
      make("p", {}, said),
    );
    panel.addEventListener("close", () => opener.focus());
    panel.addEventListener("click", (event) => {
      if (event.target === panel) panel.close();
    });
    document.body.append(panel);
    panel.showModal();
    close.focus();
  }

  /** Name what a cell was first measured from: a training and a view. */
  const keyOf = (cell) => `${cell.seeds[0].ids[0]} ${cell.seeds[0].view}`;

  function linkToStore(study, path, text) {
    return make("a", { href: `${study.base}${study.facts.to_store}/${path}` }, text);
  }

  /** Make a table of rows of texts or elements, the first its head; a column that says nothing is left out. */
  function grid(label, heads, lines, kind = "") {
    const kept = heads.map((_, place) => lines.some((line) => line[place] !== "" && line[place] !== undefined));
    const ofKept = (line) => line.filter((_, place) => kept[place]);
    const isNumber = (text) => typeof text === "string" && /^[≥≈\s]*[−-]?[\d.,e+]+( (s|MiB))?$/.test(text);
    const numeric = heads.map((_, place) => lines.every((line) => !line[place] || isNumber(line[place])));
    const ofKind = ofKept(numeric).map((isOne) => (isOne ? "number" : null));
    const rows = lines.map((line) =>
      make(
        "tr",
        {},
        ...ofKept(line).map((entry, place) =>
          place ? make("td", { class: ofKind[place] }, entry) : make("th", { scope: "row" }, entry),
        ),
      ),
    );
    return make(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": label },
      make(
        "table",
        { "aria-label": label, class: kind || null },
        make(
          "thead",
          {},
          make("tr", {}, ...ofKept(heads).map((head, place) => make("th", { scope: "col", class: place ? ofKind[place] : "label" }, head))),
        ),
        make("tbody", {}, ...rows),
      ),
    );
  }

  function seedsOf(study, cell) {
    const lines = [];
    const warnings = [];
    for (const seed of cell.seeds) {
      seed.ids.forEach((identity, member) => {
        const training = study.facts.trainings[identity] ?? {};
        const isFirst = member === 0;
        const failure = [isFirst ? seed.message : "", training.message].find(Boolean);
        for (const text of [failure, ...(training.warnings ?? [])]) {
          if (text) warnings.push(make("li", {}, make("code", {}, short(identity)), " ", make("span", { class: "cause" }, text)));
        }
        const state = isFirst ? (seed.state ?? training.state) : training.state;
        lines.push([
          isFirst ? String(seed.seed ?? "—") : `member ${member + 1}`,
          isFirst ? (seed.text ?? "—") : "",
          make("span", { class: state }, state === training.state || !training.state ? state : `${state} (${training.state})`),
          training.host ?? "",
          training.device ?? "",
          training.began ?? "",
          training.wall_s === undefined ? "" : `${number(training.wall_s)} s`,
          String(training.attempts ?? ""),
          training.gpu_hours ?? "",
          training.cpu_hours ?? "",
          training.kilowatt_hours ?? "",
          training.peak_memory_mib ? `${training.peak_memory_mib} MiB` : "",
          ["done", "damaged"].includes(training.state)
            ? linkToStore(study, `trainings/${identity}/record.json`, short(identity))
            : short(identity),
        ]);
      });
    }
    const heads = [
      ...["seed", cell.metric, "state", "host", "device", "began", "took", "attempts"],
      ...["GPU-hours", "CPU-hours", "kWh of GPU", "memory", "training"],
    ];
    const chart = seedChart(cell);
    return [
      make("h3", {}, "Trainings"),
      chart,
      grid("Trainings of this cell", heads, lines),
      warnings.length ? make("h3", {}, "Warnings and failures") : null,
      warnings.length ? make("ul", {}, ...warnings) : null,
    ].filter(Boolean);
  }

  function changesOf(place) {
    if (!place.reference) return [];
    const heading = make("h3", {}, `Config beside that of “${place.reference}”`);
    if (!place.changes.length) return [heading, make("p", { class: "said" }, "No difference.")];
    const lines = place.changes.map(([path, before, after]) => [path, before || "—", after || "—"]);
    return [heading, grid("Differences of the config", ["field", place.reference, "here"], lines, "changes")];
  }

  function cellOfReference(facts, cell, place) {
    if (!place.reference_key || place.reference_key === keyOf(cell)) return null;
    return Object.values(facts.cells).find((other) => keyOf(other) === place.reference_key && other.name === cell.name);
  }

  function curvesOf(study, cell, facts, place) {
    const idsOf = (some) => (some ? some.seeds.map((seed) => seed.ids[0]) : []);
    const curvesOfName = (identity, name) => study.facts.trainings[identity]?.curves?.[name];
    const names = [...new Set(idsOf(cell).flatMap((identity) => Object.keys(study.facts.trainings[identity]?.curves ?? {})))];
    if (!names.length) return [];
    const label = (name) => study.facts.quantities[name]?.[0] ?? name;
    const select = make("select", { "aria-label": "Curve of" }, ...names.map((name) => make("option", { value: name }, label(name))));
    const room = make("div", { class: "chart" });
    const draw = () => {
      const name = select.value;
      const factor = study.facts.quantities[name]?.[1] ?? 1;
      const reference = cellOfReference(facts, cell, place);
      const lines = [];
      const add = (some, isQuiet) => {
        for (const seed of some.seeds) {
          const curve = curvesOfName(seed.ids[0], name);
          if (curve) {
            const points = curve[0].map((epoch, at) => [epoch, curve[1][at] * factor]);
            lines.push({ label: isQuiet ? `${some.row}, seed ${seed.seed}` : `seed ${seed.seed}`, points, isQuiet });
          }
        }
      };
      if (reference && !isSame(idsOf(reference), idsOf(cell))) add(reference, true);
      add(cell, false);
      room.replaceChildren(...lineChart(lines, "epoch", label(name)));
    };
    select.addEventListener("change", draw);
    draw();
    return [make("h3", {}, "Curves"), select, room];
  }

  const isSame = (one, other) => one.length === other.length && one.every((value, at) => value === other[at]);

  /** Average each item's score over the seeds of a cell, by the item's name. */
  function scoresOf(study, cell) {
    const sums = new Map();
    let count = 0;
    for (const seed of cell?.seeds ?? []) {
      const found = study.facts.items.measured[`${seed.ids[0]} ${seed.view}`];
      const scores = found?.scores[cell.name];
      if (!scores) continue;
      count += 1;
      study.facts.items.names[found.names].forEach((name, at) => sums.set(name, (sums.get(name) ?? 0) + scores[at]));
    }
    return count ? new Map([...sums].map(([name, sum]) => [name, sum / count])) : null;
  }

  function itemsOf(study, cell, facts, place) {
    const seed = cell.seeds.find((some) => some.view && some.state === "done");
    if (!seed) return [];
    const file = linkToStore(study, `trainings/${seed.ids[0]}/queries/${seed.view}.parquet`, "all results of seed " + seed.seed);
    const scores = scoresOf(study, cell);
    const heading = make("h3", {}, "Items");
    if (!scores) return [heading, make("p", { class: "said" }, "Not inside this page: ", file)];
    const reference = scoresOf(study, cellOfReference(facts, cell, place));
    const names = [...scores.keys()];
    const better = cell.higher ? 1 : -1;
    let texts;
    let chart;
    if (reference && names.some((name) => reference.has(name))) {
      const differences = names
        .filter((name) => reference.has(name))
        .map((name) => [name, better * (scores.get(name) - reference.get(name))])
        .sort((one, other) => one[1] - other[1]);
      const [won, lost] = [1, -1].map((way) => differences.filter(([, value]) => value * way > 1e-9).length);
      texts = [
        `${differences.length} items: ${won} better than in “${place.reference}”, ${lost} worse, ${differences.length - won - lost} equal (means over seeds).`,
      ];
      chart = barChart(differences, `${cell.metric}: each item minus “${place.reference}”`, cell);
      texts.push(
        ...[["Most lost", differences.slice(0, MAX_ITEMS_NAMED), -1], ["Most won", differences.slice(-MAX_ITEMS_NAMED).reverse(), 1]].map(
          ([title, some, way]) => [title, some.filter(([, value]) => value * way > 1e-9)],
        ),
      );
    } else {
      const ordered = names.map((name) => [name, scores.get(name)]).sort((one, other) => better * (one[1] - other[1]));
      texts = [`${ordered.length} items, means over seeds.`, ["Worst", ordered.slice(0, MAX_ITEMS_NAMED)]];
      chart = barChart(ordered, `${cell.metric} of each item`, cell);
    }
    const lists = texts.slice(1).filter(([, some]) => some.length);
    return [
      heading,
      make("p", { class: "said" }, texts[0], " ", file),
      chart,
      ...lists.map(([title, some]) =>
        make(
          "details",
          {},
          make("summary", {}, title),
          make("ul", {}, ...some.map(([name, value]) => make("li", {}, make("code", {}, name), ` ${inPrint(value, cell)}`))),
        ),
      ),
    ];
  }

  function againOf(study, cell, place, said) {
    const parts = [];
    const command = (text) =>
      make(
        "div",
        { class: "command" },
        make("code", {}, text),
        make("button", { type: "button", onclick: () => copy(text, "Command", said) }, "Copy"),
      );
    const add = (text, why) => parts.push(make("p", { class: "said" }, why), command(text));
    const ids = [...new Set(cell.seeds.flatMap((seed) => seed.ids))];
    const failed = ids.filter((identity) => ["failed", "cancelled"].includes(study.facts.trainings[identity]?.state));
    if (failed.length) add(`python sweep.py ${failed.map((identity) => `--retry ${short(identity)}`).join(" ")}`, "Try what failed again:");
    const seeds = cell.seeds.map((seed) => seed.seed).filter((seed) => seed !== undefined);
    if (place.command) {
      add(
        `${place.command} --seeds ${seeds.join(",")}`,
        "Train what is not recorded; a recorded training is trained again once its folder is moved away:",
      );
    }
    const lines = [...new Set(ids.map((identity) => study.facts.trainings[identity]?.command_line).filter(Boolean))];
    for (const line of lines) add(line, "Was started by:");
    if (ids.length) add(`python sweep.py --log ${short(ids[0])}`, "What it printed:");
    parts.push(...mlflowOf(study, ids, command));
    return [make("h3", {}, "Again, and elsewhere"), ...parts];
  }

  function mlflowOf(study, ids, command) {
    const filter = ids.length === 1 ? `= '${ids[0]}'` : `IN (${ids.map((identity) => `'${identity}'`).join(", ")})`;
    const links = study.facts.mlflow
      ? ids.flatMap((identity) => [" ", linkToStore(study, `${study.facts.mlflow}#${identity}`, `run of ${short(identity)}`)])
      : [];
    return [
      make("p", { class: "said" }, "In MLflow", links.length ? ":" : "", ...links, links.length ? "; or" : "", " search for:"),
      command(`tags.\`tablewright.training_id\` ${filter}`),
    ];
  }

  // -- charts -----------------------------------------------------------------------------------

  const roomWidth = () => Math.max(300, Math.min(640, document.documentElement.clientWidth - 40));

  const colour = (at) => `var(${COLOURS[at % COLOURS.length]})`;

  /** Give three to seven round ticks between two values. */
  function ticksOf(low, high) {
    const span = high - low || Math.abs(high) || 1;
    const step0 = 10 ** Math.floor(Math.log10(span / 4));
    const step = [1, 2, 5, 10].map((factor) => factor * step0).find((size) => span / size <= 6);
    const ticks = [];
    for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at += 1) ticks.push(Number((at * step).toPrecision(12)));
    return ticks;
  }

  function extent(values) {
    let [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || Math.abs(high) || 1) * 0.06;
    return [low - room, high + room];
  }

  function frame(width, height, label) {
    return make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label });
  }

  function lineChart(lines, xLabel, yLabel) {
    const points = lines.flatMap((line) => line.points);
    const width = Math.min(roomWidth(), 180 + 40 * new Set(points.map((point) => point[0])).size);
    const [height, left, top, bottom] = [240, 62, 12, 40];
    if (!points.length) return [];
    const ys = points.map((point) => point[1]);
    const isLog = Math.min(...ys) > 0 && Math.max(...ys) / Math.min(...ys) >= 100;
    const scaleY = (value) => (isLog ? Math.log10(value) : value);
    const [x0, x1] = extent(points.map((point) => point[0]));
    const [y0, y1] = extent(ys.map(scaleY));
    const x = (value) => left + ((value - x0) / (x1 - x0)) * (width - left - 12);
    const y = (value) => height - bottom - ((scaleY(value) - y0) / (y1 - y0)) * (height - bottom - top);
    const svg = frame(width, height, `${yLabel} by ${xLabel}: ${lines.map((line) => line.label).join("; ")}`);
    for (const tick of ticksOf(y0, y1)) {
      const value = isLog ? 10 ** tick : tick;
      svg.append(
        make("line", { class: "guide", x1: left, x2: width - 12, y1: y(value), y2: y(value) }),
        make("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, number(value)),
      );
    }
    for (const tick of ticksOf(Math.max(x0, 0), x1).filter(Number.isInteger)) {
      svg.append(make("text", { x: x(tick), y: height - bottom + 16, "text-anchor": "middle" }, String(tick)));
    }
    svg.append(
      make("line", { class: "axis", x1: left, x2: width - 12, y1: height - bottom, y2: height - bottom }),
      make("text", { x: width - 12, y: height - 6, "text-anchor": "end" }, xLabel),
    );
    let own = 0;
    const key = [];
    for (const line of lines) {
      const at = line.isQuiet ? 0 : own++;
      const stroke = line.isQuiet ? "var(--quiet)" : colour(at);
      const dash = line.isQuiet ? "1 3" : DASHES[at % DASHES.length];
      const path = line.points.map(([epoch, value], place) => `${place ? "L" : "M"}${x(epoch).toFixed(1)} ${y(value).toFixed(1)}`).join("");
      svg.append(make("path", { d: path, fill: "none", stroke, "stroke-width": 1.8, "stroke-dasharray": dash }));
      if (line.points.length <= 40) {
        for (const [epoch, value] of line.points) svg.append(make("circle", { cx: x(epoch), cy: y(value), r: 3, fill: stroke }));
      }
      if (!line.isQuiet || !key.some((item) => item.isQuiet)) key.push({ ...line, stroke, dash });
    }
    const readout = make("p", { class: "said" }, "Point at the chart to read values.");
    const guide = make("line", { class: "axis", y1: top, y2: height - bottom, visibility: "hidden" });
    svg.append(guide);
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const at = x0 + ((((event.clientX - box.left) / box.width) * width - left) / (width - left - 12)) * (x1 - x0);
      const nearest = points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best))[0];
      guide.setAttribute("x1", x(nearest));
      guide.setAttribute("x2", x(nearest));
      guide.setAttribute("visibility", "visible");
      const texts = lines.map((line) => [line, line.points.find((point) => point[0] === nearest)]).filter(([, point]) => point);
      readout.textContent = `${xLabel} ${nearest}: ${texts.map(([line, point]) => `${line.label} ${number(point[1])}`).join(" · ")}`;
    });
    const legend = make(
      "ul",
      { class: "key" },
      ...key.map((line) =>
        make(
          "li",
          {},
          make(
            "svg",
            { width: 30, height: 10, "aria-hidden": "true" },
            make("line", { x1: 0, x2: 30, y1: 5, y2: 5, stroke: line.stroke, "stroke-width": 2, "stroke-dasharray": line.dash }),
          ),
          " ",
          line.label,
        ),
      ),
    );
    const last = lines.map((line) =>
      make(
        "tr",
        {},
        make("th", { scope: "row" }, line.label),
        ...line.points.slice(-6).map(([epoch, value]) => make("td", { class: "number" }, `${epoch}: ${number(value)}`)),
      ),
    );
    const numbers = make(
      "details",
      {},
      make("summary", {}, "As numbers: the last epochs"),
      make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Last epochs" }, make("table", { "aria-label": `${yLabel}, last epochs` }, make("tbody", {}, ...last))),
    );
    return [make("p", { class: "said" }, `${yLabel}${isLog ? ", logarithmic" : ""}`), svg, legend, readout, numbers];
  }

  /** Draw the seeds of one cell on a line, with the interval of their mean. */
  function seedChart(cell) {
    const measured = cell.seeds.filter((seed) => seed.value !== undefined);
    if (measured.length < 2) return null;
    return dotChart([{ label: "", seeds: measured, interval: cell.interval }], cell, `${cell.metric} of each seed`, null);
  }

  function dotChart(rows, cell, label, open) {
    const width = roomWidth();
    const longest = Math.max(...rows.map((row) => row.label.length));
    const [left, step, top, bottom] = [20 + Math.min(longest * SIGN_WIDTH, width / 2.2), 26, 8, 34];
    const maxLabelLength = Math.floor((left - 20) / SIGN_WIDTH);
    const height = top + rows.length * step + bottom;
    const print = (value) => (cell.percent ? value * 100 : value);
    const all = rows.flatMap((row) => [...row.seeds.map((seed) => seed.value), ...(row.interval ?? [])].map(print));
    const [low, high] = extent(all);
    const x = (value) => left + ((print(value) - low) / (high - low)) * (width - left - 16);
    const svg = frame(width, height, label);
    if (open) svg.setAttribute("role", "group");
    for (const tick of ticksOf(low, high)) {
      const at = left + ((tick - low) / (high - low)) * (width - left - 16);
      svg.append(
        make("line", { class: "guide", x1: at, x2: at, y1: top, y2: height - bottom }),
        make("text", { x: at, y: height - bottom + 14, "text-anchor": "middle" }, number(tick)),
      );
    }
    svg.append(make("text", { x: width - 16, y: height - 4, "text-anchor": "end" }, label));
    rows.forEach((row, place) => {
      const y = top + (place + 0.5) * step;
      const mean = row.seeds.reduce((sum, seed) => sum + seed.value, 0) / row.seeds.length;
      const text = `${row.label ? `${row.label}: ` : ""}${row.seeds.map((seed) => `seed ${seed.seed} ${seed.text}`).join(", ")}`;
      const group = make("g", open ? { tabindex: 0, role: "button", "aria-label": text } : {}, make("title", {}, text));
      group.append(make("rect", { x: 0, y: y - step / 2, width, height: step, fill: "transparent" }));
      if (row.interval) {
        group.append(make("line", { x1: x(row.interval[0]), x2: x(row.interval[1]), y1: y, y2: y, stroke: "var(--quiet)", "stroke-width": 1.5 }));
      }
      group.append(make("line", { x1: x(mean), x2: x(mean), y1: y - 8, y2: y + 8, stroke: "var(--text)", "stroke-width": 2 }));
      for (const seed of row.seeds) {
        group.append(make("circle", { cx: x(seed.value), cy: y, r: 4, fill: "none", stroke: colour(0), "stroke-width": 1.8 }));
      }
      if (row.label) {
        const half = Math.floor((maxLabelLength - 1) / 2);
        const isLong = row.label.length > maxLabelLength;
        const cut = isLong ? `${row.label.slice(0, half)}…${row.label.slice(-half)}` : row.label;
        group.append(make("text", { x: left - 10, y: y + 4, "text-anchor": "end" }, cut));
      }
      if (open) {
        group.addEventListener("click", () => open(row, group));
        group.addEventListener("keydown", (event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            open(row, group);
          }
        });
      }
      svg.append(group);
    });
    return svg;
  }

  /** Offer a chart of a table: each row's seeds and interval, of one metric on one data set. */
  function chartOfRows(study, facts) {
    const columns = new Map();
    for (const cell of Object.values(facts.cells)) {
      const seeds = cell.seeds.filter((seed) => seed.value !== undefined);
      if (!seeds.length) continue;
      const name = `${cell.dataset}, ${cell.metric}`;
      if (!columns.has(name)) columns.set(name, []);
      columns.get(name).push({ label: cell.row, seeds, interval: cell.interval, cell });
    }
    if (![...columns.values()].some((rows) => rows.length > 1)) return null;
    const select = make("select", { "aria-label": "Chart of" }, ...[...columns.keys()].map((name) => make("option", {}, name)));
    const room = make("div");
    const draw = () => {
      const all = columns.get(select.value);
      const metric = all[0].cell;
      const mean = (row) => row.seeds.reduce((sum, seed) => sum + seed.value, 0) / row.seeds.length;
      const best = [...all].sort((one, other) => (metric.higher ? 1 : -1) * (mean(other) - mean(one))).slice(0, MAX_CHARTED_ROWS);
      const rows = all.filter((row) => best.includes(row));
      const open = (row, opener) => openCell(study, facts, row.cell, opener);
      room.replaceChildren(
        dotChart(rows, metric, `${metric.metric}: seeds (rings), mean, 95 % interval of the mean`, open),
        rows.length < all.length ? make("p", { class: "said" }, `The best ${rows.length} of ${all.length} rows.`) : "",
      );
    };
    select.addEventListener("change", draw);
    const details = make("details", { class: "chart" }, make("summary", {}, "Chart of the rows"), select, room);
    details.addEventListener("toggle", () => details.open && draw());
    return details;
  }

  /** Draw a value of each item, in order, as bars from zero. */
  function barChart(ordered, label, cell) {
    const [width, height, left, bottom] = [roomWidth(), 170, 56, 22];
    const print = (value) => (cell.percent ? value * 100 : value);
    const values = ordered.map(([, value]) => print(value));
    const [low, high] = extent([0, ...values]);
    const y = (value) => 8 + ((high - value) / (high - low)) * (height - bottom - 8);
    const svg = frame(width, height, label);
    for (const tick of ticksOf(low, high)) {
      svg.append(
        make("line", { class: "guide", x1: left, x2: width - 8, y1: y(tick), y2: y(tick) }),
        make("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, number(tick)),
      );
    }
    const step = (width - left - 8) / values.length;
    const area = values
      .map((value, at) => `M${(left + at * step).toFixed(2)} ${y(0).toFixed(1)}V${y(value).toFixed(1)}h${step.toFixed(2)}V${y(0).toFixed(1)}z`)
      .join("");
    svg.append(
      make("path", { d: area, fill: colour(0), stroke: colour(0), "stroke-width": 0.5 }),
      make("line", { class: "axis", x1: left, x2: width - 8, y1: y(0), y2: y(0) }),
      make("text", { x: left, y: height - 4 }, label),
    );
    const readout = make("p", { class: "said" }, "Point at a bar to read its item.");
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const at = Math.floor((((event.clientX - box.left) / box.width) * width - left) / step);
      if (ordered[at]) readout.textContent = `${ordered[at][0]}: ${inPrint(ordered[at][1], cell)}`;
    });
    return make("div", { class: "chart" }, svg, readout);
  }

  // -- the page ---------------------------------------------------------------------------------

  for (const article of document.querySelectorAll("article.study")) {
    const embedded = article.querySelector("script.facts");
    const study = { facts: embedded && JSON.parse(embedded.textContent), base: article.dataset.base };
    for (const section of article.querySelectorAll("section[data-table]")) enhance(section, study);
  }
  // A link to what a closed list holds opens it.
  const reveal = () => {
    const target = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const closed = target?.closest("details");
    if (closed && !closed.open) {
      closed.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", reveal);
  reveal();
})();
