"use strict";
(() => {
  const PAGE = 25;
  const byId = (id) => document.getElementById(id);

  // What comes from records is set as text only, and what cannot be seen is spelled out.
  const HIDDEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]/u;
  const spell = (c) => {
    const code = c.codePointAt(0);
    const short = { 9: "\\t", 10: "\\n", 13: "\\r" }[code];
    if (short) return short;
    if (code < 0x100) return "\\x" + code.toString(16).padStart(2, "0");
    return code < 0x10000 ? "\\u" + code.toString(16).padStart(4, "0") : "\\U" + code.toString(16).padStart(8, "0");
  };
  const make = (tag, name, ...children) => {
    const node = document.createElement(tag);
    if (name) node.className = name;
    for (const child of children) typeof child === "string" ? put(node, child) : node.append(child);
    return node;
  };
  const put = (node, text) => {
    if (!HIDDEN.test(text)) { node.append(text); return; }
    let plain = "";
    for (const c of text) {
      if (!HIDDEN.test(c)) { plain += c; continue; }
      if (plain) node.append(plain);
      plain = "";
      const mark = document.createElement("span");
      mark.className = "escape";
      mark.textContent = spell(c);
      node.append(mark);
    }
    if (plain) node.append(plain);
  };

  byId("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  // On paper nothing can be opened; of the many tables below those alone are printed that were opened before.
  const printed = "#summary details, #flags details, footer details";
  addEventListener("beforeprint", () => { for (const d of document.querySelectorAll(printed)) d.open = true; });

  // -- the summary table ---------------------------------------------------------------------------------
  // It stands in panels below each other, which are sorted and filtered together.
  const panels = [...document.querySelectorAll("table.summary")];
  if (panels.length) {
    const first = panels.map((panel) => [...panel.querySelectorAll("tbody.line")]);
    const valueOf = (line, at) => {
      const cell = line.rows[0].cells[at + 1];
      if (at < 0) return line.rows[0].cells[0].textContent;
      return "value" in cell.dataset ? Number(cell.dataset.value) : null;
    };
    for (const [which, panel] of panels.entries()) for (const button of panel.querySelectorAll("button.sort")) button.addEventListener("click", () => {
      const head = button.closest("th"), at = Number(button.dataset.column);
      const order = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
      for (const other of document.querySelectorAll(".summary [aria-sort]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", order);
      const sign = order === "ascending" ? 1 : -1;
      // Within each group, whose heading stays above it; rows without a number come last.
      const groups = new Map();
      for (const line of first[which]) {
        if (!groups.has(line.dataset.group)) groups.set(line.dataset.group, []);
        groups.get(line.dataset.group).push(line);
      }
      const place = new Map();
      for (const members of groups.values()) {
        members.sort((a, b) => {
          const x = valueOf(a, at), y = valueOf(b, at);
          if (x === null || y === null) return (x === null) - (y === null);
          return sign * (typeof x === "string" ? x.localeCompare(y, "en") : x - y);
        });
        for (const line of members) place.set(line.dataset.line, place.size);
      }
      // A line that has nothing in this panel keeps its place behind the others.
      const placeOf = (line) => place.get(line.dataset.line) ?? place.size;
      for (const [at, other] of panels.entries()) {
        const lastOf = new Map();
        for (const line of [...first[at]].sort((a, b) => placeOf(a) - placeOf(b))) {
          const group = line.dataset.group;
          const heading = [...other.tBodies].find((b) => b.className === "heading" && b.dataset.group === group);
          (lastOf.get(group) || heading || other.tHead).after(line);
          lastOf.set(group, line);
        }
      }
    });
    byId("row-filter").addEventListener("input", (event) => {
      const wanted = event.target.value.trim().toLowerCase();
      const shown = new Set(), every = new Set();
      for (const line of first.flat()) {
        const text = line.dataset.group + " " + [...line.rows].map((row) => row.cells[0].textContent).join(" ");
        line.hidden = !text.toLowerCase().includes(wanted);
        every.add(line.dataset.line);
        if (!line.hidden) shown.add(line.dataset.line);
      }
      byId("row-count").textContent = wanted ? shown.size + " of " + every.size + " methods" : "";
    });
  }

  // -- the examples --------------------------------------------------------------------------------------
  if (!byId("explorer")) return;
  const unpack = async (id) => {
    const binary = atob(byId(id).textContent);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };
  const chunks = new Map();
  const chunk = (number) => {
    if (!chunks.has(number)) chunks.set(number, unpack("chunk-" + number));
    return chunks.get(number);
  };
  let index = null, found = [], page = 0, open = -1, asked = 0;
  const rowOf = async (at) => (await chunk(Math.floor(at / index.chunk)))[at % index.chunk];
  const keyOf = (at) => index.keys.slice(12 * at, 12 * at + 12);
  const named = (kind, at) => index.names[kind + (kind === "status" ? "es" : "s")][index.columns[kind][at]];
  const subjectText = ([title, model, seed, train]) => title + " (" + model + (seed ? ", seed " + seed : "") + ", trained on " + train + ")";
  const attackText = ([title, seed]) => title + (seed ? ", attack seed " + seed : "");
  const taskText = ([title, split]) => title + ", " + split;
  const shown = (text, most) => text.length > most ? text.slice(0, most) + "…" : text;

  const option = (select, value, text) => {
    const node = document.createElement("option");
    node.value = value;
    node.textContent = shown([...text].map((c) => HIDDEN.test(c) ? spell(c) : c).join(""), 80);
    select.append(node);
  };
  const fill = () => {
    index.names.statuses.forEach((name, at) => option(byId("f-status"), at, name));
    const groups = new Map();
    index.names.subjects.forEach((who) => groups.set(who[0] + "\u0000" + who[1], who[0] + " (" + who[1] + ")"));
    for (const [key, text] of [...groups].sort()) option(byId("f-subject"), key, text);
    index.names.attacks.forEach((name, at) => option(byId("f-attack"), at, attackText(name)));
    index.names.tasks.forEach((name, at) => option(byId("f-task"), at, taskText(name)));
    const slices = new Set();
    for (const pairs of index.names.slices) for (const [name, value] of pairs) if (value) slices.add(name + " = " + value);
    for (const text of [...slices].sort()) option(byId("f-slice"), text, text);
  };

  const search = async () => {
    const mine = ++asked, columns = index.columns, size = columns.id.length;
    const picked = (name) => byId("f-" + name).value;
    const status = picked("status"), attack = picked("attack"), task = picked("task");
    const who = picked("subject"), slice = picked("slice"), text = picked("text").toLowerCase();
    const subjects = index.names.subjects.map((s) => !who || s[0] + "\u0000" + s[1] === who);
    const slices = index.names.slices.map((pairs) => !slice || pairs.some(([n, v]) => n + " = " + v === slice));
    const result = [];
    for (let at = 0; at < size; at += 1) {
      if (at % index.chunk === 0 && text) {
        await chunk(at / index.chunk);
        if (mine !== asked) return;
        byId("count").textContent = "Searching: " + Math.round(100 * at / size) + " %";
      }
      if ((status && columns.status[at] !== Number(status)) || (attack && columns.attack[at] !== Number(attack))) continue;
      if ((task && columns.task[at] !== Number(task)) || !subjects[columns.subject[at]] || !slices[columns.slice[at]]) continue;
      if (text && !columns.id[at].toLowerCase().includes(text)) {
        const row = await rowOf(at);
        const all = row[1].map((parts) => both(parts).join("\n")).join("\n").toLowerCase();
        if (!all.includes(text)) continue;
      }
      result.push(at);
    }
    if (mine !== asked) return;
    found = result;
    page = 0;
    await list();
  };
  const both = (parts) => [0, 1].map((side) => parts.map((part) => typeof part === "string" ? part : part[side]).join(""));

  const list = async () => {
    const from = page * PAGE, places = found.slice(from, from + PAGE), mine = asked;
    const rows = await Promise.all(places.map(rowOf));
    if (mine !== asked) return;
    byId("list").replaceChildren(...places.map((at, number) => {
      const status = named("status", at), button = document.createElement("button");
      button.type = "button";
      button.dataset.at = at;
      if (at === open) button.setAttribute("aria-current", "true");
      const before = both(rows[number][1][0] || [""])[0];
      button.append(make("span", "status " + status, status), make("span", "text", shown(before, 200)),
        make("span", "quiet", subjectText(named("subject", at)) + " · " + attackText(named("attack", at)) + " · " + shown(index.columns.id[at], 40)));
      return make("li", "", button);
    }));
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    byId("count").textContent = found.length
      ? (from + 1).toLocaleString("en") + "–" + (from + places.length).toLocaleString("en") + " of " + found.length.toLocaleString("en")
      : "Nothing fits these filters.";
    byId("previous-page").disabled = page === 0;
    byId("next-page").disabled = page >= last;
  };

  const probability = (values, labels, gold) => {
    const box = make("td", "");
    if (!values.length) { box.append("–"); return box; }
    const parts = values.map((value, at) => (labels[at] || "class " + (at + 1)) + " " + (100 * value).toFixed(1) + " %");
    const place = labels.indexOf(gold);
    put(box, place >= 0 ? parts[place] : parts.join(", "));
    if (place >= 0) box.title = parts.map((part) => [...part].map((c) => HIDDEN.test(c) ? spell(c) : c).join("")).join(", ");
    return box;
  };

  const show = async (at, focus) => {
    const row = await rowOf(at), [gold, texts, , , error, quality] = row;
    const task = named("task", at), status = named("status", at);
    open = at;
    const detail = byId("detail"), nodes = [];
    nodes.push(make("h3", "", "Example " + shown(index.columns.id[at], 80)));
    nodes.push(make("p", "", make("span", "status " + status, status), " · " + subjectText(named("subject", at)) + " · " + attackText(named("attack", at))));
    for (const parts of texts) {
      const text = make("p", "text");
      for (const part of parts) {
        if (typeof part === "string") { put(text, part); continue; }
        if (part[0]) text.append(make("del", "", part[0]));
        if (part[1]) text.append(make("ins", "", part[1]));
      }
      nodes.push(text);
    }
    const facts = [taskText(task), "gold label " + gold];
    const queries = index.columns.queries[at], attacked = status !== "right" && status !== "wrong";
    if (attacked) facts.push(queries.toLocaleString("en") + " queries");
    for (const [name, value] of named("slice", at)) if (value) facts.push(name + " = " + value);
    nodes.push(make("p", "quiet", facts.join(" · ")));
    if (quality) nodes.push(make("p", "", quality));
    if (error) nodes.push(make("p", "", "What went wrong: " + error));
    // The searches of one example lie beside each other.
    const same = [], columns = index.columns;
    const fits = (other) => columns.id[other] === columns.id[at] && columns.task[other] !== undefined
      && taskText(named("task", other)) === taskText(task);
    for (let other = at; other >= 0 && fits(other); other -= 1) same.unshift(other);
    for (let other = at + 1; other < columns.id.length && fits(other); other += 1) same.push(other);
    const body = document.createElement("tbody");
    for (const other of same) {
      const [label, , before, after] = await rowOf(other);
      const labels = named("task", other)[2], button = make("button", "", subjectText(named("subject", other)));
      button.type = "button";
      button.dataset.at = other;
      if (other === at) button.setAttribute("aria-current", "true");
      const line = make("tr", "", make("td", "", button), make("td", "", attackText(named("attack", other))),
        make("td", "", make("span", "status " + named("status", other), named("status", other))),
        probability(before, labels, label), probability(after, labels, label));
      body.append(line);
    }
    const head = make("tr", "");
    for (const text of ["Model", "Attack", "Status", "Gold label before", "After its own attack"]) {
      const cell = make("th", "", text);
      cell.scope = "col";
      head.append(cell);
    }
    const scroll = make("div", "scroll", make("table", "models", make("thead", "", head), body));
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "Each model on this example");
    nodes.push(make("h3", "", "Each model on this example"), scroll);
    const link = make("a", "", "Link to this example");
    link.href = "#example=" + keyOf(at);
    nodes.push(make("p", "", link));
    const look = document.querySelector('[data-example="' + keyOf(at) + '"]');
    if (look) {
      const inside = make("a", "", "Look into the models");
      inside.href = "#" + look.id;
      nodes.push(make("p", "", inside));
    } else if (attacked) {
      nodes.push(make("p", "quiet", "To look into the models here: ", make("code", "", "asa-bench explain --run DIR --example " + keyOf(at))));
    }
    detail.replaceChildren(...nodes);
    detail.hidden = false;
    for (const button of byId("list").querySelectorAll("button")) button.toggleAttribute("aria-current", false);
    const mine = byId("list").querySelector('[data-at="' + at + '"]');
    if (mine) mine.setAttribute("aria-current", "true");
    if (focus) { detail.focus(); detail.scrollIntoView(); }
  };
  const go = (at) => {
    const target = "#example=" + keyOf(at);
    if (location.hash === target) show(at, true); else location.hash = target;
  };
  const follow = () => {
    const match = /^#example=([0-9a-f]{12})$/.exec(location.hash);
    if (!match) return;
    for (let at = 0; at < index.columns.id.length; at += 1) if (index.keys.startsWith(match[1], 12 * at)) { show(at, true); return; }
    const detail = byId("detail");
    detail.replaceChildren(make("p", "", "This report has no example of the address " + match[1] + "."));
    detail.hidden = false;
    detail.focus();
  };
  const turn = (by) => {
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1), next = Math.min(last, Math.max(0, page + by));
    if (next === page) return Promise.resolve();
    page = next;
    return list();
  };

  const start = async () => {
    index = await unpack("index");
    fill();
    for (const name of ["status", "subject", "attack", "task", "slice"]) byId("f-" + name).addEventListener("change", search);
    let waiting = 0;
    byId("f-text").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(search, 250); });
    byId("previous-page").addEventListener("click", () => turn(-1));
    byId("next-page").addEventListener("click", () => turn(1));
    byId("explorer").addEventListener("click", (event) => {
      const button = event.target.closest("button[data-at]");
      if (button) go(Number(button.dataset.at));
    });
    byId("list").addEventListener("keydown", async (event) => {
      const buttons = [...byId("list").querySelectorAll("button")], at = buttons.indexOf(document.activeElement);
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step && at >= 0) {
        event.preventDefault();
        if (buttons[at + step]) { buttons[at + step].focus(); return; }
        const before = page;
        await turn(step);
        if (page === before) return;
        const now = [...byId("list").querySelectorAll("button")];
        now[step > 0 ? 0 : now.length - 1].focus();
      } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
        event.preventDefault();
        await turn(event.key === "ArrowRight" ? 1 : -1);
        byId("list").querySelector("button")?.focus();
      }
    });
    addEventListener("hashchange", follow);
    await search();
    follow();
    document.documentElement.dataset.ready = "true";
  };
  start();
})();
